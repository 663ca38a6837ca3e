"""A car's unit as the key service sees it: receipts of one chain, well signed."""

from dataclasses import replace
from typing import Any

from keys.car.claims import ReceiptClaims, UnitClock
from keys.car.jws import SigningKey
from keys.car.receipt import Head, chain_hash, make
from tests.keys_world import DELIVERY, SECONDS, UNIT


class Receipting:
    """Writes the next receipt of a chain; ``fork`` gives a second hand on the same key."""

    def __init__(self, key: SigningKey | None = None, *, head: Head | None = None) -> None:
        self.key = key or SigningKey.draw()
        self.head = head or Head()

    def write(self, out: Any, *, jti: str | None = None, seq: int | None = None, **more: Any) -> str:
        about = {"jti": jti, "seq": seq, "dlv": DELIVERY, "via": "mqtt"} if jti else {}
        claims = ReceiptClaims.model_validate(
            {
                "iss": UNIT,
                "boot": 1,
                "n": self.head.n + 1,
                "prev": self.head.hash,
                "at": SECONDS * 1000 + self.head.n,
                "clk": UnitClock(state="synced", u=40),
                "out": out,
                **about,
                **({"gen": 1} if out == "consumed" else {}),
                **more,
            }
        )
        receipt = make(claims, key=self.key)
        self.head = Head(claims.n, chain_hash(receipt))
        return receipt

    def fork(self) -> "Receipting":
        return Receipting(self.key, head=replace(self.head))
