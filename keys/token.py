"""Ed25519 keys in a PKCS #11 token (CKM_EDDSA): drawn there, signing there, never leaving it. Needs the extra ``hsm``."""

from typing import Any, Final, NoReturn, Self

import pkcs11
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.utils import Buffer
from pkcs11.util.ec import encode_named_curve_parameters

from keys.car.jwk import BadKey, ed25519_from_bytes
from keys.custody import OnToken, SigningKeysUnfit, secret

_ED25519: Final = "1.3.101.112"
_POINT: Final = b"\x04\x20"
"""The public point as the standard has it: an octet string of 32 bytes."""


class TokenKey(Ed25519PrivateKey):
    """A key object whose private part is in a token; whoever wants the part itself is refused."""

    def __init__(self, place: OnToken) -> None:
        """Raises ``SigningKeysUnfit``: no such token, PIN or key, or one that could leave."""
        self._place = place
        self._signer, self._public = _open(place)

    def __repr__(self) -> str:
        return f"TokenKey(token={self._place.token!r}, label={self._place.label!r})"

    def public_key(self) -> Ed25519PublicKey:
        return self._public

    def sign(self, data: Buffer) -> bytes:
        """The signature. A session that broke is opened again, once. Raises ``SigningKeysUnfit``."""
        try:
            return self._sign(bytes(data))
        except pkcs11.PKCS11Error:
            self._signer, _ = _open(self._place)
        try:
            return self._sign(bytes(data))
        except pkcs11.PKCS11Error as cause:
            raise _unfit(self._place, "does not sign", cause) from None

    def _sign(self, data: bytes) -> bytes:
        return bytes(self._signer.sign(data, mechanism=pkcs11.Mechanism.EDDSA))

    def private_bytes(self, *_: object, **__: object) -> NoReturn:
        raise SigningKeysUnfit("this key stays in its token")

    def private_bytes_raw(self) -> NoReturn:
        raise SigningKeysUnfit("this key stays in its token")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Self:
        return self


def draw_key(place: OnToken) -> TokenKey:
    """Have the token draw a key pair under ``place.label``: sensitive, not extractable.

    Raises ``SigningKeysUnfit``, also where there is a key of this label.
    """
    try:
        session = _session(place, rw=True)
        if list(session.get_objects({pkcs11.Attribute.LABEL: place.label})):
            raise SigningKeysUnfit(f"token {place.token} has a key {place.label}; keys are not overwritten")
        curve = session.create_domain_parameters(
            pkcs11.KeyType.EC_EDWARDS,
            {pkcs11.Attribute.EC_PARAMS: encode_named_curve_parameters(_ED25519)},
            local=True,
        )
        curve.generate_keypair(
            mechanism=pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN,
            store=True,
            label=place.label,
            private_template={pkcs11.Attribute.SENSITIVE: True, pkcs11.Attribute.EXTRACTABLE: False},
        )
        session.close()
    except pkcs11.PKCS11Error as cause:
        raise _unfit(place, "draws no Ed25519 key", cause) from None
    return TokenKey(place)


def _open(place: OnToken) -> tuple[Any, Ed25519PublicKey]:
    try:
        session = _session(place, rw=False)
        kind, label = pkcs11.KeyType.EC_EDWARDS, place.label
        private: Any = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, kind, label)
        public: Any = session.get_key(pkcs11.ObjectClass.PUBLIC_KEY, kind, label)
        point = bytes(public[pkcs11.Attribute.EC_POINT])
        leaves = private[pkcs11.Attribute.EXTRACTABLE] or not private[pkcs11.Attribute.SENSITIVE]
    except pkcs11.PKCS11Error as cause:
        raise _unfit(place, "cannot be used", cause) from None
    if leaves:
        raise SigningKeysUnfit(f"key {place.label} could leave token {place.token}: draw it in there")
    try:
        return private, ed25519_from_bytes(point.removeprefix(_POINT))
    except BadKey as cause:
        raise SigningKeysUnfit(f"key {place.label} of token {place.token} is no Ed25519 key") from cause


def _session(place: OnToken, *, rw: bool) -> pkcs11.Session:
    token = pkcs11.lib(str(place.module)).get_token(token_label=place.token)
    try:
        return token.open(rw=rw, user_pin=secret(place.pin_variable))
    except pkcs11.exceptions.UserAlreadyLoggedIn:
        return token.open(rw=rw)


def _unfit(place: OnToken, what: str, cause: Exception) -> SigningKeysUnfit:
    return SigningKeysUnfit(f"token {place.token}, key {place.label}: {what} ({type(cause).__name__})")
