"""What a browser answers for a passkey: a new one made, or one that signed. Bounded in size, silent in logs."""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints
from pydantic.alias_generators import to_camel

_ID: Final = r"^[A-Za-z0-9_-]{1,1366}$"
"""Base64url of a credential's id: at most 1023 bytes (WebAuthn Level 3, 4)."""
_TEXT: Final = r"^[A-Za-z0-9_-]+$"

CredentialId = Annotated[str, StringConstraints(pattern=_ID)]
ClientData = Annotated[str, StringConstraints(pattern=_TEXT, max_length=4096)]
AuthenticatorData = Annotated[str, StringConstraints(pattern=_TEXT, max_length=2048)]
Signature = Annotated[str, StringConstraints(pattern=_TEXT, max_length=1024)]
UserHandle = Annotated[str, StringConstraints(pattern=_TEXT, max_length=88)]
AttestationObject = Annotated[str, StringConstraints(pattern=_TEXT, max_length=16_384)]
Transport = Annotated[str, StringConstraints(pattern=r"^[a-z-]{1,20}$")]


class _Answer(BaseModel):
    """Members of newer browsers are passed over; no error and no repr shows what came."""

    model_config = ConfigDict(
        frozen=True,
        extra="ignore",
        hide_input_in_errors=True,
        alias_generator=to_camel,
        populate_by_name=True,
    )

    def __repr_args__(self) -> Iterable[tuple[str | None, object]]:
        """Nothing: what a passkey answered does not belong into logs."""
        return ()


class AssertionResponse(_Answer):
    """``AuthenticatorAssertionResponse`` as ``PublicKeyCredential.toJSON()`` writes it."""

    client_data: ClientData = Field(alias="clientDataJSON")
    authenticator_data: AuthenticatorData
    signature: Signature
    user_handle: UserHandle | None = None


class Assertion(_Answer):
    """``AuthenticationResponseJSON``: a passkey signed. ``model_dump(mode="json", by_alias=True)`` keeps it."""

    id: CredentialId
    raw_id: CredentialId
    type: Literal["public-key"] = "public-key"
    response: AssertionResponse


class AttestationResponse(_Answer):
    """``AuthenticatorAttestationResponse`` as ``PublicKeyCredential.toJSON()`` writes it."""

    client_data: ClientData = Field(alias="clientDataJSON")
    attestation_object: AttestationObject
    transports: Annotated[list[Transport], Field(max_length=10)] = []


class Attestation(_Answer):
    """``RegistrationResponseJSON``: a passkey was made."""

    id: CredentialId
    raw_id: CredentialId
    type: Literal["public-key"] = "public-key"
    response: AttestationResponse


def wire(answer: Assertion | Attestation) -> dict[str, Any]:
    """As the browser wrote it."""
    told: dict[str, Any] = json.loads(answer.model_dump_json(by_alias=True))
    return told
