"""Car addresses: made by an owner, resolved for a delivery; one-order ones are taken, spent or given back."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from people import address_text, roles, states
from people.cars import people_in, subject_of
from people.limits import PeopleLimits
from people.model import (
    AddressBody,
    AddressesBody,
    AddressKind,
    AddressView,
    CarPeopleBody,
    HoldBody,
    Resolved,
    body_of,
)
from people.problems import NotFound, NotYours, TooFull
from people.pseudonyms import Pseudonyms
from people.states import Address, AddressStep, allows, step
from spine.facts.people import AddressDied, AddressMade
from spine.ids import AddressId, CarrierId, DeliveryId, PersonId, VehicleId, named_after, partition_of
from spine.store import Change, Saved, Store, Write

KEPT: Final = "kept"


def list_of(vehicle: str) -> str:
    """The subject that lists a vehicle's addresses."""
    return named_after("ads", vehicle)


def hold_of(delivery: str) -> str:
    """The subject that says which one-order address a delivery holds."""
    return named_after("hld", delivery)


class Addresses:
    """Subjects ``adr_`` (named by a pseudonym of its text), ``ads_`` (a car's list), ``hld_`` (a hold).

    All lie in the vehicle's partition, which is the first character of the text, and so does the delivery.
    """

    def __init__(self, store: Store, pseudonyms: Pseudonyms, limits: PeopleLimits, partitions: int) -> None:
        self._store = store
        self._pseudonyms = pseudonyms
        self._limits = limits
        self._partitions = partitions

    def partition(self, text: str) -> int:
        """Where a delivery to this text lives, be the address known, unknown or nonsense."""
        return address_text.partition(text, self._partitions)

    def id_of(self, typed: str) -> AddressId:
        """The record behind a normalised address."""
        return AddressId(
            self._pseudonyms.id("adr", typed, partition=address_text.partition(typed, self._partitions))
        )

    async def make(
        self,
        vehicle: VehicleId,
        kind: AddressKind,
        *,
        by: PersonId,
        label: str = "",
        seed: str = "",
        now: datetime,
    ) -> AddressView:
        """A new address of a car. ``seed``: of a repeated request; the same seed gives the same address.

        Raises ``NotYours`` for anybody but an owner, ``TooFull``.
        """
        typed = self._drawn(vehicle, seed)
        address, listed, crew = self.id_of(typed), list_of(vehicle), subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            people = people_in(saved[crew])
            if by not in roles.owners(people, now):
                raise NotYours("Only an owner makes addresses of a car.")
            if saved[address].version:
                return None
            kept = body_of(saved[listed], AddressesBody).addresses
            if len(kept) >= self._limits.addresses_per_car:
                raise TooFull("This car has as many addresses as it can have: block some.")
            body = AddressBody(
                text=typed, vehicle=vehicle, kind=kind, by=by, era=people.era, label=label, made_at=now
            )
            after = step(states.ADDRESS, Address(saved[address].state), AddressStep.MADE)
            writes = {
                address: Write(after, body.model_dump_json()),
                listed: Write(KEPT, AddressesBody(addresses=[*kept, address]).model_dump_json()),
            }
            return Change(writes, [AddressMade(at=now, vehicle=vehicle, address=address)])

        done = await self._store.change([address, listed, crew], decide)
        if done.saved[address].ended:
            raise NotFound("This address was made before and has ended.")
        return _view(done.saved[address])

    def _drawn(self, vehicle: VehicleId, seed: str) -> str:
        if not seed:
            return address_text.draw(partition_of(vehicle))
        letters = self._pseudonyms.key("address", vehicle, seed)[: address_text.RANDOM]
        return address_text.of(
            partition_of(vehicle), "".join(address_text.ALPHABET[raw & 31] for raw in letters)
        )

    async def all_of(self, vehicle: VehicleId, *, by: PersonId, now: datetime) -> list[AddressView]:
        """The car's addresses of the time the asker can see, newest first. Raises ``NotYours``."""
        people = people_in(await self._store.load(subject_of(vehicle)))
        if by not in roles.owners(people, now):
            raise NotYours("Only an owner sees the addresses of a car.")
        ids = body_of(await self._store.load(list_of(vehicle)), AddressesBody).addresses
        found = await self._store.load_many(ids)
        living = [found[one] for one in reversed(ids) if not found[one].ended]
        return [_view(one) for one in living if body_of(one, AddressBody).era == people.era]

    async def block(self, vehicle: VehicleId, address: AddressId, *, by: PersonId, now: datetime) -> None:
        """An owner ends an address; a delivery that holds it goes on. Ended already: nothing.

        Raises ``NotYours``, and ``NotFound`` for what never was this owner's to see.
        """
        crew, listed = subject_of(vehicle), list_of(vehicle)
        if partition_of(address) != partition_of(vehicle):
            raise NotFound("This car has no such address.")

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            people = people_in(saved[crew])
            if by not in roles.owners(people, now):
                raise NotYours("Only an owner blocks an address.")
            if saved[address].ended:
                return None
            if address not in body_of(saved[listed], AddressesBody).addresses:
                raise NotFound("This car has no such address.")
            return _dead(saved[address], saved[listed], AddressStep.KILLED, "blocked", now)

        await self._store.change([address, listed, crew], decide)

    async def resolve(
        self, text: str, *, carrier: CarrierId, delivery: DeliveryId, now: datetime
    ) -> Resolved | None:
        """What an address leads to for this carrier's delivery, which uses it. None for every reason alike.

        One for one order is taken under the delivery's id (again for the same delivery: the same answer);
        one for one carrier is bound by its first use. ``delivery`` lies in ``partition(text)``.
        """
        typed = address_text.normalised(text)
        if typed is None:
            return None
        address, hold = self.id_of(typed), hold_of(delivery)
        known = await self._store.load(address)
        if not known.version or known.ended:
            return None
        crew = subject_of(body_of(known, AddressBody).vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if not _usable(saved[address], people_in(saved[crew]), carrier, now):
                return None
            body = body_of(saved[address], AddressBody)
            used = body.model_copy(
                update={"carrier": body.carrier or carrier, "used_at": now, "delivery": delivery}
            )
            if body.kind is not AddressKind.ONE_ORDER:
                used = used.model_copy(update={"delivery": ""})
                if body.kind is AddressKind.ANY:
                    used = used.model_copy(update={"carrier": ""})
                after = step(states.ADDRESS, Address(saved[address].state), AddressStep.USED)
                return Change({address: Write(after, used.model_dump_json())})
            after = step(states.ADDRESS, Address(saved[address].state), AddressStep.TAKEN)
            held = HoldBody(address=address, vehicle=body.vehicle)
            return Change(
                {
                    address: Write(after, used.model_dump_json()),
                    hold: Write(KEPT, held.model_dump_json(), now + self._limits.address_held_for),
                }
            )

        done = await self._store.change([address, crew, hold], decide)
        return _resolved(done.saved[address], delivery, changed=done.changed)

    async def spend(self, delivery: DeliveryId, *, now: datetime) -> None:
        """The order was decided on: a one-order address that it holds is used up."""
        await self._settle(delivery, AddressStep.SPENT, now)

    async def give_back(self, delivery: DeliveryId, *, now: datetime) -> None:
        """The order ended with no decision of the owner: its one-order address can be used again."""
        await self._settle(delivery, AddressStep.FREED, now)

    async def _settle(self, delivery: DeliveryId, how: AddressStep, now: datetime) -> None:
        hold = hold_of(delivery)
        held = await self._store.load(hold)
        if not held.version or held.ended:
            return
        known = body_of(held, HoldBody)
        address, listed = known.address, list_of(known.vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[hold].ended:
                return None
            over = {hold: Write("over", "{}", ended=True)}
            state = Address(saved[address].state)
            if saved[address].ended or not allows(states.ADDRESS, state, how):
                return Change(over)  # blocked meanwhile
            if how is AddressStep.SPENT:
                spent = _dead(saved[address], saved[listed], how, "spent", now)
                return Change({**spent.writes, **over}, spent.facts)
            body = body_of(saved[address], AddressBody).model_copy(update={"delivery": "", "carrier": ""})
            return Change({address: Write(step(states.ADDRESS, state, how), body.model_dump_json()), **over})

        await self._store.change([hold, address, listed], decide)

    async def on_due(self, saved: Saved, *, now: datetime) -> None:
        """Timer of ``hld_``: what is held for a delivery that never came to be is given back."""
        delivery = DeliveryId(named_after("dlv", saved.id))
        if saved.ended:
            return
        found = await self._store.load(delivery)
        if not found.version or found.ended:
            await self.give_back(delivery, now=now)
            return

        def confirmed(held: Mapping[str, Saved]) -> Change | None:
            return None if held[saved.id].ended else Change({saved.id: Write(KEPT, held[saved.id].body)})

        await self._store.change([saved.id], confirmed)

    async def bury(self, vehicle: VehicleId, *, now: datetime) -> None:
        """Reaction to ``car.released``: addresses of a former era are dead already; say so in the log."""
        crew, listed = subject_of(vehicle), list_of(vehicle)
        era = people_in(await self._store.load(crew)).era
        for address in body_of(await self._store.load(listed), AddressesBody).addresses:

            def decide(saved: Mapping[str, Saved], address: str = address) -> Change | None:
                one = saved[address]
                if one.ended or body_of(one, AddressBody).era >= era:
                    return None
                return _dead(one, saved[listed], AddressStep.KILLED, "released", now)

            await self._store.change([address, listed], decide)


def _usable(address: Saved, people: CarPeopleBody, carrier: CarrierId, now: datetime) -> bool:
    if address.ended or address.state != Address.LIVE:
        return False
    body = body_of(address, AddressBody)
    owned = body.era == people.era and bool(roles.owners(people, now))
    return owned and body.carrier in {"", carrier}


def _resolved(address: Saved, delivery: DeliveryId, *, changed: bool) -> Resolved | None:
    if address.ended:
        return None
    body = body_of(address, AddressBody)
    mine = address.state == Address.TAKEN and body.delivery == delivery
    if not changed and not mine:
        return None
    return Resolved(VehicleId(body.vehicle), AddressId(address.id), body.era)


def still_leads(
    address: Saved, people: CarPeopleBody, via: Resolved, *, carrier: str, order: str, now: datetime
) -> bool:
    """Whether an address that an order found a car by still does: not blocked since, and of the same household.

    One for one order also while that very order holds it, or has used it up. Judged in the commit that goes by it.
    """
    if via.era != people.era or not roles.owners(people, now):
        return False
    if address.ended:
        return address.state == Address.SPENT  # by this order: no other can have resolved it
    body = body_of(address, AddressBody)
    if address.state == Address.TAKEN:
        return body.delivery == order
    return address.state == Address.LIVE and body.era == via.era and body.carrier in {"", carrier}


def _without(listed: Saved, address: str) -> Write:
    kept = [one for one in body_of(listed, AddressesBody).addresses if one != address]
    return Write(KEPT, AddressesBody(addresses=kept).model_dump_json())


def _dead(address: Saved, listed: Saved, how: AddressStep, reason: str, now: datetime) -> Change:
    """An address ends: its text is erased, and it leaves the car's list."""
    vehicle = VehicleId(body_of(address, AddressBody).vehicle)
    died = AddressDied(at=now, vehicle=vehicle, address=AddressId(address.id), reason=reason)
    after = step(states.ADDRESS, Address(address.state), how)
    return Change(
        {address.id: Write(after, "{}", ended=True), listed.id: _without(listed, address.id)}, [died]
    )


def _view(saved: Saved) -> AddressView:
    body = body_of(saved, AddressBody)
    return AddressView(
        AddressId(saved.id),
        address_text.written(body.text),
        body.kind,
        Address(saved.state),
        body.label,
        body.made_at,
        CarrierId(body.carrier) if body.carrier else None,
        body.used_at,
    )
