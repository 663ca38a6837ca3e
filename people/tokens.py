"""Opaque bearer tokens: drawn here, shown once, and only their SHA-256 is ever kept."""

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from spine.ids import named_after


class Bearer(StrEnum):
    """Whose token it is; the text begins with it."""

    SESSION = "tls"
    CARRIER = "tla"
    COURIER = "tlc"
    OPERATOR = "tlo"
    GARAGE = "tlg"


_SUBJECT: Final = {
    Bearer.SESSION: "per",
    Bearer.CARRIER: "car",
    Bearer.COURIER: "cou",
    Bearer.OPERATOR: "opr",
    Bearer.GARAGE: "gar",
}
_TEXT: Final = re.compile(r"(tls|tla|tlc|tlo|tlg)_([0-9a-hjkmnp-tv-z]{16})\.([A-Za-z0-9_-]{43})", re.ASCII)
_SECRET: Final = re.compile(r"[A-Za-z0-9_-]{43}", re.ASCII)


def digest(secret: str) -> str:
    """SHA-256 in hexadecimal: what is kept of a secret of 256 random bits."""
    return hashlib.sha256(secret.encode()).hexdigest()


def draw_secret() -> str:
    """256 random bits in 43 characters that need no quoting in a URL."""
    return secrets.token_urlsafe(32)


def is_secret(text: str) -> bool:
    """Whether a text has the shape of ``draw_secret``."""
    return _SECRET.fullmatch(text) is not None


def same(one: str, other: str) -> bool:
    """Compare two hashes in constant time."""
    return hmac.compare_digest(one.encode(), other.encode())


@dataclass(frozen=True, slots=True)
class Token:
    """A bearer token: whom it says it belongs to, and the secret that proves it."""

    bearer: Bearer
    subject: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """What the holder presents."""
        return f"{self.bearer}_{self.subject.split('_', 1)[1]}.{self.secret}"

    @property
    def hash(self) -> str:
        """What we keep."""
        return digest(self.text)


def draw(bearer: Bearer, subject: str) -> Token:
    """A new token of a person, carrier, courier, operator or garage."""
    return Token(bearer, subject, draw_secret())


def read(text: str) -> Token | None:
    """Read a presented token; None for anything that is not one of ours in shape."""
    found = _TEXT.fullmatch(text)
    if found is None:
        return None
    bearer = Bearer(found[1])
    return Token(bearer, named_after(_SUBJECT[bearer], f"x_{found[2]}"), found[3])
