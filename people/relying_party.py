"""What this service asks of passkeys and how it checks their answers: pure, the only door to ``webauthn``."""

import ipaddress
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import (
    base64url_to_bytes,
    bytes_to_base64url,
    decode_credential_public_key,
    parse_attestation_object,
)
from webauthn.helpers.cose import COSEAlgorithmIdentifier
from webauthn.helpers.decoded_public_key_to_cryptography import decoded_public_key_to_cryptography
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    AuthenticatorTransport,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from people.assertions import Assertion, Attestation, wire
from people.problems import NoPasskeysHere, PasskeyRefused

_ALGORITHMS: Final = [
    COSEAlgorithmIdentifier.ECDSA_SHA_256,
    COSEAlgorithmIdentifier.EDDSA,
    COSEAlgorithmIdentifier.RSASSA_PKCS1_v1_5_SHA_256,  # Windows Hello on older machines has no other
]
_FORMATS: Final = frozenset({"none", "packed"})
"""We ask for no attestation; ``packed`` is what an authenticator of its own word may leave in (Level 3, 5.1.3)."""
_NOT_GOOD: Final = "This passkey cannot be used for this here and now."


@dataclass(frozen=True, slots=True)
class Made:
    """A passkey that was just made and holds. Counts and flags are the authenticator's own word."""

    credential: str
    public_key: str = field(repr=False)
    """COSE key in base64url."""
    sign_count: int
    synced: bool
    """May be copied to the person's other devices (backup eligible)."""
    backed_up: bool


@dataclass(frozen=True, slots=True)
class Signed:
    """A signature that holds. ``sign_count``: 0 where the passkey does not count (synced ones)."""

    sign_count: int
    backed_up: bool
    public_key: str = field(repr=False)
    """The key that was checked with."""


def challenge_of(answer: Assertion | Attestation) -> bytes:
    """The challenge that a browser says it had answered; nothing is proven by it. Raises ``PasskeyRefused``."""
    try:
        return bytes(base64url_to_bytes(_client_data(answer)["challenge"]))
    except ValueError:
        raise PasskeyRefused(_NOT_GOOD, reason="challenge") from None


def _client_data(answer: Assertion | Attestation) -> dict[str, Any]:
    try:
        told: Any = json.loads(base64url_to_bytes(answer.response.client_data))
        fits = isinstance(told, dict) and isinstance(told["challenge"], str) and told["challenge"].isascii()
    except (ValueError, KeyError, RecursionError):
        fits, told = False, None
    if not fits:
        raise PasskeyRefused(_NOT_GOOD, reason="client data")
    said = dict[str, Any](told)
    # A page of ours inside somebody else's frame is no page of ours (WebAuthn Level 3, 7.2 steps 13 and 14).
    if said.get("crossOrigin", False) is not False or "topOrigin" in said:
        raise PasskeyRefused(_NOT_GOOD, reason="framed")
    return said


class RelyingParty:
    """One per installation: its origin is compared exactly, its host is the passkeys' domain."""

    def __init__(self, origin: str) -> None:
        self._origin = origin
        parts = urlsplit(origin)
        self._host = parts.hostname or ""
        self.usable = _may_have_passkeys(parts.scheme, self._host)
        """Browsers know passkeys of names, over TLS or on ``localhost``; never of a bare address."""

    def creation_options(
        self, *, challenge: bytes, handle: str, label: str, known: Sequence[str], milliseconds: int
    ) -> dict[str, Any]:
        """``PublicKeyCredentialCreationOptionsJSON``. ``handle``: opaque; ``label``: what the device will show.

        Raises ``NoPasskeysHere``.
        """
        self._check_usable()
        made = generate_registration_options(
            rp_id=self._host,
            rp_name="Trunkline",
            user_id=handle.encode(),
            user_name=label,
            challenge=challenge,
            timeout=milliseconds,
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.PREFERRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
            exclude_credentials=[_descriptor(one, ()) for one in known],
            supported_pub_key_algs=_ALGORITHMS,
        )
        return _plain(options_to_json(made))

    def request_options(
        self, *, challenge: bytes, allowed: Sequence[tuple[str, Sequence[str]]], milliseconds: int
    ) -> dict[str, Any]:
        """``PublicKeyCredentialRequestOptionsJSON``; ``allowed``: credentials with their transports, none for any.

        Raises ``NoPasskeysHere``.
        """
        self._check_usable()
        made = generate_authentication_options(
            rp_id=self._host,
            challenge=challenge,
            timeout=milliseconds,
            allow_credentials=[_descriptor(one, transports) for one, transports in allowed],
            user_verification=UserVerificationRequirement.REQUIRED,
        )
        return _plain(options_to_json(made))

    def check_new(self, answer: Attestation, challenge: bytes) -> Made:
        """A passkey made for exactly this challenge, here, by a verified person. Raises ``PasskeyRefused``."""
        _client_data(answer)
        try:
            _check_format(answer)
            found = verify_registration_response(
                credential=wire(answer),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
                supported_pub_key_algs=_ALGORITHMS,
            )
        except PasskeyRefused:
            raise
        except Exception as cause:  # noqa: BLE001 - the library and its CBOR raise whatever a stranger's bytes lead to
            raise PasskeyRefused(_NOT_GOOD, reason=type(cause).__name__) from None
        if bytes_to_base64url(found.credential_id) != answer.id:
            raise PasskeyRefused(_NOT_GOOD, reason="another credential")
        return Made(
            credential=answer.id,
            public_key=bytes_to_base64url(found.credential_public_key),
            sign_count=found.sign_count,
            synced=found.credential_device_type.value == "multi_device",
            backed_up=found.credential_backed_up,
        )

    def check(self, answer: Assertion, challenge: bytes, public_key: str) -> Signed:
        """A signature over exactly this challenge, here, by a verified person. Raises ``PasskeyRefused``.

        The counter is the caller's to judge, after the signature: a forged one must raise no alarm.
        """
        _client_data(answer)
        try:
            found = verify_authentication_response(
                credential=wire(answer),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=base64url_to_bytes(public_key),
                credential_current_sign_count=0,
                require_user_verification=True,
            )
        except Exception as cause:  # noqa: BLE001 - the library and its CBOR raise whatever a stranger's bytes lead to
            raise PasskeyRefused(_NOT_GOOD, reason=type(cause).__name__) from None
        return Signed(found.new_sign_count, found.credential_backed_up, public_key)

    def _check_usable(self) -> None:
        if not self.usable:
            raise NoPasskeysHere(
                "Passkeys belong to a name: this installation's public_url must be https:// and a name, "
                "or http://localhost."
            )


def public_key_der(public_key: str) -> bytes:
    """A kept passkey's public key (``Made.public_key``) as SubjectPublicKeyInfo in DER, as others read keys."""
    decoded = decode_credential_public_key(base64url_to_bytes(public_key))
    return decoded_public_key_to_cryptography(decoded).public_bytes(
        Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    )


def _check_format(answer: Attestation) -> None:
    told = parse_attestation_object(base64url_to_bytes(answer.response.attestation_object))
    if told.fmt not in _FORMATS:
        raise PasskeyRefused(_NOT_GOOD, reason="attestation format")


def _may_have_passkeys(scheme: str, host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return bool(host) and (scheme == "https" or host == "localhost" or host.endswith(".localhost"))
    return False


def _descriptor(credential: str, transports: Sequence[str]) -> PublicKeyCredentialDescriptor:
    known = {each.value for each in AuthenticatorTransport}
    ways = [AuthenticatorTransport(each) for each in transports if each in known]
    return PublicKeyCredentialDescriptor(id=base64url_to_bytes(credential), transports=ways or None)


def _plain(text: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(text)
    return told
