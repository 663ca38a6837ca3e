"""Where private keys are kept: a file, an environment variable, a PKCS #11 token. Works on the base install."""

import os
from pathlib import Path
from typing import Annotated, Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from keys.car.jws import SigningKey


class SigningKeysUnfit(Exception):
    """The key files are missing, readable by others, or not what they must be. Says which and what to do."""


class _Place(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class InEnvironment(_Place):
    """The key's PEM is in an environment variable of the process."""

    kept: Literal["environment"] = "environment"
    variable: str


class OnToken(_Place):
    """The key is in a PKCS #11 token and never leaves it. ``module``: the token's library; ``label``: the key's name.

    ``pin_variable``: the environment variable that holds the token's PIN.
    """

    kept: Literal["pkcs11"] = "pkcs11"
    module: Path
    token: str
    label: str
    pin_variable: str = "TRUNKLINE_TOKEN_PIN"


_PLACE: TypeAdapter[InEnvironment | OnToken] = TypeAdapter(
    Annotated[InEnvironment | OnToken, Field(discriminator="kept")]
)


def read_private_key(path: Path) -> SigningKey:
    """An Ed25519 key by its file, which only its owner may read: the key as PEM, or (``.json``) where it is kept.

    Raises ``SigningKeysUnfit``, ``OSError``.
    """
    if path.stat().st_mode & 0o077:
        raise SigningKeysUnfit(f"{path} can be read by others; set its mode to 0600")
    if path.suffix != ".json":
        return _of_pem(path.read_bytes(), str(path))
    try:
        place = _PLACE.validate_json(path.read_bytes())
    except ValidationError as cause:
        raise SigningKeysUnfit(f"{path} does not say where a key is kept") from cause
    match place:
        case InEnvironment():
            return _of_pem(secret(place.variable).encode(), f"the variable {place.variable}")
        case OnToken():
            from keys.token import TokenKey

            return SigningKey.of(TokenKey(place))


def secret(variable: str) -> str:
    """An environment variable that a key file names. Raises ``SigningKeysUnfit`` where it is not set."""
    value = os.environ.get(variable)  # noqa: TID251 - named by a key's own file, and no setting: settings are shown
    if not value:
        raise SigningKeysUnfit(f"the environment variable {variable} is not set, and a key is kept by it")
    return value


def _of_pem(pem: bytes, named: str) -> SigningKey:
    try:
        private = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError):
        raise SigningKeysUnfit(f"{named} is not a private key") from None
    if not isinstance(private, Ed25519PrivateKey):
        raise SigningKeysUnfit(f"{named} is not an Ed25519 key")
    return SigningKey.of(private)


def write_new(path: Path, data: bytes, mode: int) -> None:
    """Write a file that must not exist yet, durably. Raises ``FileExistsError``."""
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
