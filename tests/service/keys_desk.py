"""The key service on a real store, with the log fed to its reactions by hand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from keys.car.trust import TrustedKeys
from keys.issue import Keys
from keys.limits import KeysLimits
from keys.model import Wanted, key_id
from keys.signing import SigningKeys, create_signing_keys
from spine.facts import Fact
from spine.facts.vehicle import UnitReceipt
from spine.ids import DeliveryId, KeyId, UnitId, VehicleId
from spine.log import Log
from spine.readers import Received
from spine.store import Ack, Change, Store, Write
from tests.keys_unit import Receipting
from tests.keys_world import DELIVERY, PHONE, UNIT
from tests.service.conftest import MORNING, SetClock

VEHICLE = VehicleId("veh_7aaaaaaaaaaaaaaa")
PARTITION = 7


class Decisions:
    """Whether the approval of a delivery stands."""

    def __init__(self) -> None:
        self.withdrawn: set[DeliveryId] = set()
        self.fra: int | None = None

    async def stands(
        self, delivery: DeliveryId, *, fra: int | None = None, claims: Mapping[str, Any] | None = None
    ) -> bool:
        return delivery not in self.withdrawn and fra == self.fra


class Enrolled:
    """The receipt keys that units were enrolled with."""

    def __init__(self, keys: dict[UnitId, Ed25519PublicKey]) -> None:
        self.keys = keys

    async def receipt_key(self, unit: UnitId) -> Ed25519PublicKey | None:
        return self.keys.get(unit)


class Drifting:
    """The store's clock: ours, and by how much it is off."""

    def __init__(self, clock: SetClock) -> None:
        self.clock = clock
        self.off = timedelta()

    async def time(self) -> datetime:
        return self.clock.now() + self.off


@dataclass
class Desk:
    store: Store
    clock: SetClock
    keys: Keys
    log: Log
    unit: Receipting
    decisions: Decisions
    time: Drifting
    trust: TrustedKeys
    heard: str = "0-0"
    seen: list[Fact] = field(default_factory=list)

    def wanted(self, delivery: str = DELIVERY, n: int = 1, **changes: object) -> Wanted:
        return Wanted(
            delivery=DeliveryId(delivery),
            n=n,
            vehicle=VEHICLE,
            unit=UnitId(UNIT),
            jkt=PHONE.kid,
            act="open:trunk",
            not_before=MORNING,
            expires=MORNING + timedelta(hours=2),
            **changes,  # type: ignore[arg-type]
        )

    async def issue(self, delivery: str = DELIVERY, n: int = 1) -> KeyId:
        return await self.keys.issue(self.wanted(delivery, n), now=self.clock.now())

    async def ready(self, delivery: str = DELIVERY, n: int = 1) -> KeyId:
        """A key that is signed and on the courier's phone."""
        key = await self.issue(delivery, n)
        await self.settle()
        await self.keys.hand_out(key, jkt=PHONE.kid, now=self.clock.now())
        return key

    async def receipt(self, out: str, key: KeyId | None = None, **more: object) -> str:
        view = await self.keys.view(key) if key else None
        return self.unit.write(out, jti=view.jti if view else None, seq=view.seq if view else None, **more)

    async def bring(self, *receipts: str) -> list[str]:
        """Let the gateway commit receipts as facts, and the reactions run; the kinds that followed."""
        for receipt in receipts:
            await self.tell(
                UnitReceipt(at=self.clock.now(), vehicle=VEHICLE, unit=UnitId(UNIT), receipt=receipt)
            )
        return await self.settle()

    async def tell(self, fact: Fact) -> None:
        await self.store.change(
            [f"tst_{fact.subject.partition('_')[2]}"],
            lambda saved: Change({name: Write("told", "{}") for name in saved}, [fact]),
        )

    async def settle(self) -> list[str]:
        """Read on until nothing follows; the kinds heard, without what came from outside."""
        kinds: list[str] = []
        while entries := await self.log.read(PARTITION, self.heard):
            for entry in entries:
                self.heard = entry.position
                self.seen.append(entry.fact)
                if entry.kind not in {"unit.receipt", "delivery.approved"}:
                    kinds.append(entry.kind)
                await self.react(entry.fact, entry.position)
        return kinds

    async def react(self, fact: Fact, position: str = "0-0") -> None:
        ack: Ack | None = None
        if fact.kind in Keys.KINDS:
            await self.keys.react(Received(PARTITION, position, fact, ack))

    async def again(self) -> None:
        """Read the whole log a second time: nothing may change."""
        before = await self.everything()
        for fact in list(self.seen):
            await self.react(fact)
        assert await self.everything() == before

    async def everything(self) -> tuple[object, ...]:
        rows = sorted(await self.store.valkey.ask("KEYS", "*"))
        return (await self.log.last(PARTITION), rows, await self.subjects())

    async def subjects(self) -> dict[str, object]:
        ids = [key_id(DeliveryId(DELIVERY), n) for n in (1, 2, 3)]
        names = [*ids, *(f"{prefix}_{UNIT[3:]}" for prefix in ("seq", "rvl", "chn")), f"apr_{DELIVERY[4:]}"]
        return dict(await self.store.load_many(names))


@pytest.fixture
def desk(store: Store, clock: SetClock, tmp_path: Path) -> Desk:
    trust = TrustedKeys.from_jwks(create_signing_keys(tmp_path / "keys"))
    signing = SigningKeys.load(tmp_path / "keys", ("key", "fresh", "log"))
    unit, decisions, time = Receipting(), Decisions(), Drifting(clock)
    public = unit.key.private.public_key()
    assert isinstance(public, Ed25519PublicKey)
    keys = Keys(
        store,
        clock,
        KeysLimits(),
        signing=signing,
        decision=decisions,
        receipt_keys=Enrolled({UnitId(UNIT): public}),
        store_time=time,
    )
    return Desk(store, clock, keys, Log(store.valkey, store.house), unit, decisions, time, trust)
