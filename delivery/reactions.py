"""What the log tells deliveries to do next (group ``delivery``). Read twice, nothing changes."""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Final

from delivery import fallback, former, life
from delivery.asking import Asking
from delivery.beforehand import Beforehand
from delivery.doubts import Doubts
from delivery.lists import OF_CAR, OF_CARRIER
from delivery.model import Delivery, Planned, Read
from delivery.place import fence
from delivery.ports import Addresses, Carriers, Cars, Keys, Received
from delivery.problems import NoSuchDelivery
from delivery.service import Deliveries, Turn, told
from delivery.states import BEFORE_ANSWER, ENDS, UNDER_WAY, State, follows
from delivery.timing import key_due
from keys.model import Wanted
from keys.problems import ClockAstray, KeyAlive, NoSuchKey, OwnerMustSign, TooManyKeys, TooSoon
from spine.facts import Fact
from spine.facts import delivery as f
from spine.facts import keys as k
from spine.facts.people import CarReleased, CarrierFrozen, PasskeyRemoved
from spine.ids import CarrierId, DeliveryId, VehicleId
from spine.index import Index
from spine.store import Ack, Saved

log = logging.getLogger("trunkline.delivery")

_PAGE: Final = 100
_ENDING: Final = (
    f.DeliveryUnusable,
    f.DeliveryDeclined,
    f.DeliveryExpired,
    f.DeliveryBlocked,
    f.DeliveryCancelled,
    f.DeliveryFailed,
    f.DeliveryDelivered,
    f.DeliveryRescheduled,
    f.OpeningRefused,
)


KINDS: Final = frozenset(
    str(fact.model_fields["kind"].default)
    for fact in (
        *(life.KeyNews | life.BootNews | life.CommandNews).__args__,
        *f.DeliveryFact.__args__,
        CarrierFrozen,
        CarReleased,
        PasskeyRemoved,
    )
)
"""What the reader of this group gets."""


class Reactions:
    """Hears keys, receipts, commands and the deliveries' own facts."""

    def __init__(
        self,
        deliveries: Deliveries,
        asking: Asking,
        addresses: Addresses,
        keys: Keys,
        cars: Cars,
        carriers: Carriers,
        beforehand: Beforehand,
        index: Index,
    ) -> None:
        self._deliveries = deliveries
        self._asking = asking
        self._co_signing = asking.co_signing
        self._addresses = addresses
        self._keys = keys
        self._cars = cars
        self._carriers = carriers
        self._beforehand = beforehand
        self._index = index
        self._doubts = Doubts(deliveries)

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        news = life.about(fact)
        if news is not None and news.delivery is not None:
            await self._heard(news.delivery, news, received.ack)
            return
        match fact:
            case f.DeliveryRequested():
                await self._asking.begin(fact.delivery, received.position)
            case f.DeliveryApproved():
                await self._spend(fact.delivery)
                await self.make_key(fact.delivery)
            case f.DeliveryExtended() | f.KeyWantedAgain():
                await self.make_key(fact.delivery)
            case f.CourierAssigned() | f.PlaceChanged():
                await self._rekey(fact.delivery)
            case f.OpeningRefused(final=False):
                await self.make_key(fact.delivery)  # its key may have died while the car was asked
            case _ if isinstance(fact, _ENDING):
                await self.end(fact.delivery)
            case _:
                await self._about_people(fact)

    async def _about_people(self, fact: Fact) -> None:
        match fact:
            case CarrierFrozen():
                await self._freeze(fact.carrier)
            case PasskeyRemoved():
                await self._beforehand.passkey_gone(fact)
            case CarReleased() if fact.role == "owner":
                await self._release(fact)
            case _:
                pass

    async def _heard(
        self, delivery: DeliveryId, fact: life.KeyNews | life.BootNews | life.CommandNews, ack: Ack | None
    ) -> None:
        now = self._deliveries.clock.now()
        more = isinstance(fact, k.KeyIssued | k.KeySigned | k.KeyDestroyed | k.KeyLapsed)
        try:
            read = await self._deliveries.change(
                delivery, lambda read, _: life.heard(read, fact, now), ack=None if more else ack
            )
        except NoSuchDelivery:
            log.warning("delivery.unknown", extra={"delivery": delivery, "kind": fact.kind})
            return
        if isinstance(fact, k.KeyIssued | k.KeySigned):
            await self._still_wanted(read)
        elif more:
            await (self.end(delivery) if _finishing(read, now) else self.make_key(delivery))

    async def make_key(self, delivery: DeliveryId) -> None:
        """Have the key made that is due (keys.md 3.9). Where that cannot be now it is tried again."""
        now, limits = self._deliveries.clock.now(), self._deliveries.limits

        def plan(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            due = key_due(read.state, read.body, now, limits)
            planned = Planned(n=due.n, epoch=read.body.epoch) if due else read.body.planned
            return Turn(read.body.but(planned=planned)) if planned != read.body.planned else None

        # what the key is for is written down first, so that a change on its way here is seen when it is made
        read = await self._deliveries.change(delivery, plan)
        if read.body.draft is not None:
            await self._co_signing.turn(read)
            return
        due = key_due(read.state, read.body, now, limits)
        job, vehicle = read.body.courier, read.body.vehicle
        if due is None or job is None or vehicle is None:
            return
        carrier = await self._carriers.view(read.body.carrier)
        if carrier is None or carrier.state == "frozen":
            await self._end_one(delivery, UNDER_WAY, _cancelled, "carrier_frozen")
            return
        wanted = Wanted(
            delivery=delivery,
            n=due.n,
            vehicle=vehicle,
            unit=await self._cars.unit(vehicle),
            jkt=job.jkt,
            act="open:trunk+cabin" if read.body.act == "cabin" else "open:trunk",
            not_before=due.nbf,
            expires=due.exp,
            geo=fence(read.body.place),
            fra=read.body.approval.fra if read.body.approval else None,
        )
        try:
            await self._keys.issue(wanted, now=now)
        except (KeyAlive, TooManyKeys, TooSoon, ClockAstray, OwnerMustSign) as later:
            log.warning("delivery.key_later", extra={"delivery": delivery, "code": later.code})
            await self._remember(delivery, lambda body: body.but(key_again_at=now + limits.key_again))

    async def end(self, delivery: DeliveryId) -> None:
        """Whatever ended it: the key is revoked, then ``delivery.ended`` says that none can open any more."""
        read = await self._deliveries.read(delivery)
        now = self._deliveries.clock.now()
        if not _finishing(read, now):
            return
        if read.state in ENDS:
            await self._let_go(read)
            await self._doubts.look(read, now)
        if read.body.key is not None and read.body.key_alive:
            await self._revoke(read, read.state)
            return
        if read.body.draft is not None and read.body.key is None:
            await self._revoke(read, read.state)  # never signed by its owner: its number is burnt

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            courier = read.body.courier.courier if read.body.courier else None
            ended = told(f.DeliveryEnded, read, now, outcome=read.state.value, courier=courier)
            if read.body.ended == read.state or read.body.key_alive or not follows(read.state, ended):
                return None
            return Turn(read.body.but(ended=read.state.value), [ended])

        await self._deliveries.change(delivery, decide)

    async def _still_wanted(self, read: Read) -> None:
        """A key that was made for what has changed since is taken back at once."""
        if read.over:
            await self._revoke(read, read.state)
        elif read.body.key_outdated:
            await self._revoke(read, "outdated")

    async def _rekey(self, delivery: DeliveryId) -> None:
        """After another courier or place: the former key is revoked; the next is made when it is dead."""
        read = await self._deliveries.read(delivery)
        if read.state is State.REQUESTED:
            await self._asking.courier_named(delivery)
        elif read.body.key_alive and read.body.key_outdated:
            await self._revoke(read, "outdated")
        else:
            await self.make_key(delivery)

    async def _revoke(self, read: Read, reason: str) -> None:
        key = read.body.key
        if key is not None and (key.dead or key.dies_at is not None):
            return
        name = read.body.draft if key is None else key.key
        if name is None:
            return
        try:
            await self._keys.revoke(name, reason=reason, now=self._deliveries.clock.now())
        except NoSuchKey:
            log.exception("delivery.key_unknown", extra={"delivery": read.id, "key": name})

    async def _spend(self, delivery: DeliveryId) -> None:
        read = await self._deliveries.read(delivery)
        if read.body.test is None:
            await self._addresses.spend(read.body.order, now=self._deliveries.clock.now())

    async def _let_go(self, read: Read) -> None:
        """A one-order address: used up by an answer of the owner, given back where there was none."""
        if read.body.test is not None or read.state is State.RESCHEDULED:
            return
        now = self._deliveries.clock.now()
        if read.state is State.DECLINED or read.body.approval is not None:
            await self._addresses.spend(read.body.order, now=now)
        else:
            await self._addresses.give_back(read.body.order, now=now)

    async def _remember(self, delivery: DeliveryId, change: Callable[[Delivery], Delivery]) -> None:
        await self._deliveries.change(delivery, lambda read, _: Turn(change(read.body)))

    async def _freeze(self, carrier: CarrierId) -> None:
        """``trunkline carrier freeze``: its deliveries end and its live keys with them."""

        await self._end_all(OF_CARRIER, carrier, BEFORE_ANSWER | UNDER_WAY, _cancelled, "carrier_frozen")

    async def _release(self, fact: CarReleased) -> None:
        """Sale or end of a lease: keys revoked, rules dead (delivery.md, Who)."""

        def blocked(read: Read, now: datetime) -> f.DeliveryFact:
            return told(f.DeliveryBlocked, read, now, by=fact.person)

        stopped = frozenset({State.ASKED, State.OPENING}) | UNDER_WAY
        await self._end_all(OF_CAR, fact.vehicle, stopped, blocked, "car_released")
        also = (former.subject_of(fact.vehicle), fallback.subject_of(fact.vehicle))
        await self._beforehand.erase(fact.vehicle, also=also)

    async def _end_all(
        self,
        name: str,
        owner: CarrierId | VehicleId,
        states: frozenset[State],
        ending: Callable[[Read, datetime], f.DeliveryFact],
        reason: str,
    ) -> None:
        after: str | None = None
        while True:
            page = await self._index.page(name, owner, after=after, limit=_PAGE)
            for member in page.members:
                await self._end_one(DeliveryId(member), states, ending, reason)
            if page.next is None:
                return
            after = page.next

    async def _end_one(
        self,
        delivery: DeliveryId,
        states: frozenset[State],
        ending: Callable[[Read, datetime], f.DeliveryFact],
        reason: str,
    ) -> None:
        now = self._deliveries.clock.now()

        def decide(read: Read, _: Mapping[str, Saved]) -> Turn | None:
            return Turn(read.body, [ending(read, now)]) if read.state in states else None

        try:
            read = await self._deliveries.change(delivery, decide)
        except NoSuchDelivery:
            return
        await self._revoke(read, reason)


def _cancelled(read: Read, now: datetime) -> f.DeliveryFact:
    return told(f.DeliveryCancelled, read, now)


def _finishing(read: Read, now: datetime) -> bool:
    """At an end, or unsure for good: the window is over and nothing more was heard."""
    return read.over or (read.state is State.UNSURE and now >= read.body.window.end)
