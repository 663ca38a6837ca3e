"""The hash by which an approval's record names what a passkey signed for it (docs/evidence.md)."""

from hashlib import sha256
from typing import Final

from keys.car.jwk import sha256_b64, unb64
from keys.car.jws import Unacceptable, read_json

_DEPTH: Final = 6
_PARTS: Final = ("clientDataJSON", "authenticatorData", "signature")


class NotAnAssertion(Exception):
    """Not the JSON of a passkey's assertion."""


def assertion_hash(client_data: bytes, authenticator_data: bytes, signature: bytes) -> str:
    """SHA-256, in base64url, of the three SHA-256 one after the other: so no byte can move from one to the next."""
    parts = (client_data, authenticator_data, signature)
    return sha256_b64(b"".join(sha256(part).digest() for part in parts))


def hash_of_json(data: bytes) -> str:
    """The same of an ``AuthenticationResponseJSON`` as a browser writes it. Raises ``NotAnAssertion``."""
    try:
        response = read_json(data, depth=_DEPTH).get("response")
        texts = [response.get(name) for name in _PARTS] if isinstance(response, dict) else []
        parts = [unb64(text) for text in texts if isinstance(text, str)]
    except (Unacceptable, ValueError) as cause:
        raise NotAnAssertion("it is no strict JSON of a passkey's answer") from cause
    if len(parts) != len(_PARTS):
        raise NotAnAssertion("it is not the answer of a passkey that signed")
    return assertion_hash(*parts)
