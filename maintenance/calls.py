"""Subject ``cal_``: what the owner of a car said about being called, and how it is taken back. Pure.

Erased with the owner who chose it; what stays then is when that was, so that a fact read late erases nothing newer.
"""

from datetime import datetime
from typing import Final

from pydantic import AwareDatetime

from maintenance.explaining import LANGUAGES, Language
from maintenance.model import Calls, Frozen
from spine.ids import PersonId, VehicleId, named_after
from spine.store import Saved, Write

CHOSEN: Final = "chosen"
NONE: Final = "none"


class Released(Frozen):
    """Nobody has chosen since ``released_at``."""

    released_at: AwareDatetime


def subject_of(vehicle: VehicleId) -> str:
    """Where the choice is kept, in the vehicle's partition."""
    return named_after("cal", vehicle)


def read(saved: Saved) -> Calls | None:
    """The choice; None where nobody made one, or it was taken back."""
    if saved.version == 0 or saved.ended or saved.state != CHOSEN:
        return None
    return Calls.model_validate_json(saved.body)


def released_at(saved: Saved) -> datetime | None:
    """The newest release of the car that was done here."""
    if saved.version == 0 or saved.ended:
        return None
    if saved.state == CHOSEN:
        return Calls.model_validate_json(saved.body).released_at
    return Released.model_validate_json(saved.body).released_at


def write(calls: Calls) -> Write:
    """The saved form."""
    return Write(CHOSEN, calls.model_dump_json(exclude_none=True))


def erased(at: datetime) -> Write:
    """The form without a choice."""
    return Write(NONE, Released(released_at=at).model_dump_json())


def written_to(person: PersonId, calls: Calls | None, known: str) -> Language:
    """What a person of the car reads: the language they chose for its calls, else the one ``known``, else English."""
    if calls is not None and calls.person == person:
        return calls.language
    return next((one for one in LANGUAGES if one == known), "en")


def may_call(calls: Calls | None) -> bool:
    """Whether an agent may be given a case of this car."""
    return calls is not None and calls.on and calls.phone is not None and not calls.do_not_call
