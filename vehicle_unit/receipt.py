"""One receipt of the unit: what it says from the beginning, its signature when somebody asks for it."""

import hashlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, NamedTuple, Self

from keys.car.claims import ReceiptClaims
from keys.car.jws import RECEIPT, SigningKey, read, read_unsealed, seal
from keys.car.window import Standing, Window

Via = Literal["mqtt", "local"]
"""The two ways to the car, as receipts name them."""


class Opening(NamedTuple):
    """Which key an opening belongs to, the way it came, and the command that brought it (none on a local link)."""

    jti: str
    seq: int
    dlv: str
    cmd: str | None = None
    via: Via = "mqtt"


@dataclass(frozen=True)
class Receipt:
    """One receipt: its chain number, what it says, its compact form.

    ``key``: whose signature is still to be made behind ``text``. It is made when ``token`` is first asked for,
    after a power cut once more, and gives the same bytes each time (RFC 8032). ``said``: what ``text`` says,
    where that is known already; ``at``: when, milliseconds, where that alone is.
    """

    n: int
    text: str = field(repr=False)
    key: SigningKey | None = field(default=None, repr=False)
    said: ReceiptClaims | None = field(default=None, repr=False)
    at: int | None = field(default=None, repr=False)

    @classmethod
    def read(cls, text: str, key: SigningKey) -> Self:
        """A receipt from the disk, whole, or as it was before ``key`` signed it. Raises ``Unacceptable``."""
        whole = text.count(".") == 2
        claims = ReceiptClaims.of((read if whole else read_unsealed)(text, RECEIPT).claims)
        return cls(claims.n, text, None if whole else key, claims)

    @cached_property
    def token(self) -> str:
        """The compact form."""
        return self.text if self.key is None else seal(self.text, form=RECEIPT, key=self.key)

    @cached_property
    def claims(self) -> ReceiptClaims:
        """What it says."""
        return self.said or ReceiptClaims.of(read_unsealed(self.text, RECEIPT).claims)

    @property
    def message_id(self) -> str:
        """A UUID version 7 made of the receipt itself: after a restart it goes out under the same id."""
        digest = hashlib.sha256(self.token.encode()).digest()
        at = self.claims.at if self.at is None else self.at
        moment = (at & (2**48 - 1)).to_bytes(6, "big").hex()
        rand = digest.hex()
        variant = "89ab"[digest[31] & 3]
        return f"{moment[:8]}-{moment[8:12]}-7{rand[:3]}-{variant}{rand[3:6]}-{rand[6:18]}"

    def may_be_signed(self, unit: str, window: Window) -> bool:
        """Whether what was read from the disk is signed already, or is what this unit wrote when it consumed."""
        if self.key is None:
            return True
        used = window.standing(self.claims.seq or 0) in {Standing.USED, Standing.BELOW_FLOOR}
        named = read_unsealed(self.text, RECEIPT).signer == self.key.kid
        return self.claims.iss == unit and self.claims.out == "consumed" and used and named
