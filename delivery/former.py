"""What owners approved at a car before: only that makes a later approval a repeat (``delivery.levels``).

Kept in one subject ``fmr_`` of the car, written in the same commit as the decision itself. Only approvals of
somebody who has a passkey stand here: what a mail's link allowed is no precedent for a passkey's owner.
"""

from datetime import datetime, timedelta
from hashlib import sha256

from pydantic import AwareDatetime

from delivery.levels import Precedent
from delivery.model import Frozen, Kind
from delivery.place import Anywhere, Circle, Polygon
from delivery.questions import canonical, place_in_words
from spine.ids import CarrierId, PersonId, VehicleId, named_after
from spine.store import Saved, Write

KEPT = "kept"


class Former(Frozen):
    """One owner's approval of one carrier at one place (SHA-256): the longest window so far, in seconds.

    ``kind``: what for; None in what an earlier version wrote, which is no precedent any more.
    """

    by: PersonId
    carrier: CarrierId
    place: str
    seconds: int
    kind: Kind | None = None
    at: AwareDatetime


class FormerBody(Frozen):
    """The subject's body, oldest first."""

    approvals: tuple[Former, ...] = ()

    @classmethod
    def of(cls, saved: Saved) -> "FormerBody":
        """Empty where nothing was approved yet."""
        return cls.model_validate_json(saved.body) if saved.version and not saved.ended else cls()

    def precedents(self, by: PersonId, *, since: datetime) -> list[Precedent]:
        """What this owner approved at this car, where the last time was not before ``since``."""
        mine = (one for one in self.approvals if one.by == by and one.at >= since)
        return [Precedent(one.carrier, one.place, timedelta(seconds=one.seconds), one.kind) for one in mine]

    def with_one(self, new: Former, *, most: int) -> "FormerBody":
        """With one approval more; the same again counts with its longest window."""
        same = [one for one in self.approvals if _same(one, new)]
        longest = max([new.seconds, *(one.seconds for one in same)])
        rest = tuple(one for one in self.approvals if not _same(one, new))
        return FormerBody(approvals=(*rest, new.but(seconds=longest))[-most:])

    def write(self) -> Write:
        """The saved form."""
        return Write(KEPT, self.model_dump_json())


def subject_of(vehicle: VehicleId) -> str:
    """Where a car's former approvals are kept, in the car's partition."""
    return named_after("fmr", vehicle)


def place_hash(place: Circle | Polygon | Anywhere) -> str:
    """A place by its hash: two are the same place only if they are the same fence."""
    return sha256(canonical(place_in_words(place)).encode()).hexdigest()


def _same(one: Former, other: Former) -> bool:
    return (one.by, one.carrier, one.place, one.kind) == (other.by, other.carrier, other.place, other.kind)
