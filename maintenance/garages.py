"""Garages: made by an operator, known by a token that is kept by hash, changed and removed. Subjects ``gar_``."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from maintenance.garage_model import ACTIVE, REMOVED, Details, Garage, GarageBody, Hours
from maintenance.garage_problems import NoSuchGarage, SlotUnfit
from maintenance.limits import GarageLimits
from people.tokens import Bearer, Token, draw, same
from spine.facts.maintenance import GarageChanged, GarageMade, GarageRemoved
from spine.ids import GarageId, prefix_of
from spine.index import Index
from spine.store import Change, Saved, Store, Write

GARAGES: Final = "garages"
EVERY: Final = "all"
"""The list of all garages, and its one owner."""
_PAGE: Final = 200

_How = Callable[[GarageBody], GarageBody | None]
"""What becomes of a garage; None: it stays as it is."""


@dataclass(frozen=True, slots=True)
class GaragePrincipal:
    """A garage that asks. It sees its own appointments and slots, and nothing of any other's."""

    id: GarageId


class Garages:
    """Who they are. Their slots are in ``maintenance.capacity``."""

    def __init__(self, store: Store, index: Index, limits: GarageLimits) -> None:
        self._store = store
        self._index = index
        self._limits = limits

    async def make(self, details: Details, *, seed: GarageId | None = None, now: datetime) -> Token:
        """A new garage; the token is shown this once. ``seed``: the id drawn for a repeated request."""
        self._check(details)
        garage = seed or GarageId(await self._store.draw("gar"))
        token = draw(Bearer.GARAGE, garage)
        body = GarageBody(details=details, hash=token.hash, made_at=now)

        def decide(_: Mapping[str, Saved]) -> Change:
            return Change({garage: _write(body, now)}, [GarageMade(at=now, garage=garage)])

        await self._store.change([garage], decide)
        return token

    async def change(self, garage: GarageId, details: Details, *, now: datetime) -> Garage:
        """Other hours, bays, address, mail. Slots follow at once; whoever is booked stays. Raises ``NoSuchGarage``."""
        self._check(details)

        def changed(body: GarageBody) -> GarageBody | None:
            return None if body.details == details else body.but(details=details, made_until=None)

        return await self._change(garage, changed, now, wake=now)

    async def set_hours(self, garage: GarageId, hours: Hours, *, now: datetime) -> Garage:
        """Other hours, and all else as it stands at that moment. Raises ``NoSuchGarage``, ``ValidationError``."""

        def changed(body: GarageBody) -> GarageBody | None:
            details = body.details.but(hours=hours)
            return None if body.details == details else body.but(details=details, made_until=None)

        return await self._change(garage, changed, now, wake=now)

    async def new_token(self, garage: GarageId, *, now: datetime) -> Token:
        """Another token; the former one and every link in the garage's mails end at once."""
        token = draw(Bearer.GARAGE, garage)
        await self._change(garage, lambda body: body.but(hash=token.hash, epoch=body.epoch + 1), now)
        return token

    async def remove(self, garage: GarageId, *, now: datetime) -> None:
        """It ends: nobody books there any more, its appointments are cancelled (by a reaction). Again: nothing."""
        if prefix_of(garage) != "gar":
            raise NoSuchGarage(garage[:90])

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if saved[garage].version == 0:
                raise NoSuchGarage(garage[:90])
            if saved[garage].ended:
                return None
            removed = GarageRemoved(at=now, garage=garage)
            return Change({garage: Write(REMOVED, "{}", ended=True)}, [removed])

        await self._store.change([garage], decide)

    async def read(self, garage: GarageId) -> Garage:
        """Raises ``NoSuchGarage`` for one that never was, or was removed."""
        found = await self.view(garage)
        if found is None:
            raise NoSuchGarage(garage[:90])
        return found

    async def view(self, garage: GarageId) -> Garage | None:
        """A garage, or None."""
        return None if prefix_of(garage) != "gar" else Garage.of(await self._store.load(garage))

    async def every(self) -> list[Garage]:
        """All garages, the newest first; one that was made a moment ago may still be missing."""
        every: list[Garage] = []
        after: str | None = None
        while True:
            page = await self._index.page(GARAGES, EVERY, after=after, limit=_PAGE)
            saved = await self._store.load_many(page.members)
            every += [found for one in page.members if (found := Garage.of(saved[one])) is not None]
            after = page.next
            if after is None:
                return every

    async def find(self, token: Token) -> GaragePrincipal | None:
        """Whose token this is; None for any that is not good."""
        if token.bearer is not Bearer.GARAGE:
            return None
        found = Garage.of(await self._store.load(token.subject))
        if found is None or not same(found.body.hash, token.hash):
            return None
        return GaragePrincipal(found.id)

    async def made(self, garage: GarageId, until: datetime, *, wake: datetime, details: Details) -> None:
        """Note up to where its hours, as they stand in ``details``, were made into slots, and when to look again.

        Where the hours were changed meanwhile nothing is noted: the timer is due, and makes those.
        """

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            found = Garage.of(saved[garage])
            if found is None or found.details != details:
                return None
            return Change({garage: _write(found.body.but(made_until=until), wake)})

        await self._store.change([garage], decide)

    async def _change(
        self, garage: GarageId, how: _How, now: datetime, *, wake: datetime | None = None
    ) -> Garage:
        if prefix_of(garage) != "gar":
            raise NoSuchGarage(garage[:90])

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            found = Garage.of(saved[garage])
            if found is None:
                raise NoSuchGarage(garage[:90])
            after = how(found.body)
            if after is None:
                return None
            at = wake or saved[garage].wake_at
            return Change({garage: _write(after, at)}, [GarageChanged(at=now, garage=garage)])

        done = await self._store.change([garage], decide)
        after = Garage.of(done.saved[garage])
        if after is None:
            raise NoSuchGarage(garage[:90])
        return after

    def _check(self, details: Details) -> None:
        if details.bays > self._limits.bays_most:
            raise SlotUnfit(f"a garage has at most {self._limits.bays_most} bays here")


def _write(body: GarageBody, wake: datetime | None) -> Write:
    return Write(ACTIVE, body.model_dump_json(), wake)
