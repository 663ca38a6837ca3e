"""What an owner decided beforehand for a car: block all, where it may stand, the cabin, its looks."""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import Field

from delivery.hours import Quiet
from delivery.model import Frozen
from delivery.place import Anywhere, Place
from delivery.problems import RulesChanged
from spine.ids import VehicleId, named_after
from spine.store import Change, Saved, Store, Write

_Line = Annotated[str, Field(max_length=60, pattern=r"^[^\x00-\x1f\x7f]*$", repr=False)]
KEPT: Final = "kept"


class Rules(Frozen):
    """Every delivery is asked for; these say what is not even asked, and what question and courier show.

    ``quiet``: when nobody is woken by mail unless it cannot wait.
    ``block_all``: every order is answered as an unusable address. ``cabin``: orders that open the cabin too
    may be asked. ``place``: where the car may be. ``name``, ``plate``, ``colour``: how a courier finds it.
    """

    block_all: bool = False
    cabin: bool = False
    place: Place = Field(default_factory=Anywhere, repr=False)
    quiet: Quiet | None = None
    name: _Line = ""
    plate: _Line = ""
    colour: _Line = ""


class RuleBook:
    """The rules of cars: subject ``rul_``, in the car's partition."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def of(self, vehicle: VehicleId) -> tuple[Rules, str]:
        """The rules of a car and their ETag; defaults where nothing was set."""
        saved = await self._store.load(subject_of(vehicle))
        return rules_in(saved), _etag(saved)

    async def set(self, vehicle: VehicleId, rules: Rules, *, if_match: str) -> tuple[Rules, str]:
        """Replace the rules; raises ``RulesChanged`` unless ``if_match`` is their present ETag (or ``*``)."""
        subject = subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            before = saved[subject]
            if rules_in(before) == rules:
                return None
            if if_match not in {"*", _etag(before)}:
                raise RulesChanged("read them again")
            return Change({subject: Write(KEPT, rules.model_dump_json())})

        saved = (await self._store.change([subject], decide)).saved[subject]
        return rules_in(saved), _etag(saved)

    async def erase(self, vehicle: VehicleId) -> None:
        """Sale or end of a lease: rules and the car's looks are dead."""
        subject = subject_of(vehicle)

        def decide(saved: Mapping[str, Saved]) -> Change | None:
            if rules_in(saved[subject]) == Rules():
                return None
            return Change({subject: Write(KEPT, Rules().model_dump_json())})

        await self._store.change([subject], decide)


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's rules are kept, in the car's partition."""
    return named_after("rul", vehicle)


def rules_in(saved: Saved) -> Rules:
    """The defaults where nothing was set."""
    return Rules.model_validate_json(saved.body) if saved.version and not saved.ended else Rules()


def _etag(saved: Saved) -> str:
    return f'"{saved.version}"'
