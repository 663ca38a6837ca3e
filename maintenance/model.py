"""What is kept of a vehicle's faults, of a case with its trigger, of a slot and of an appointment."""

from datetime import datetime
from functools import cache
from typing import Annotated, Final, Literal, Self
from zoneinfo import available_timezones

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, WithJsonSchema

from maintenance.cases import CaseState
from maintenance.states import OPEN, AppointmentState, SlotState, TriggerState
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, DeliveryId, GarageId, PersonId, SlotId, VehicleId
from spine.store import Saved, Write

Phone = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{6,14}$", examples=["+31612345678"])]
"""E.164."""
Language = Literal["en", "nl", "de", "sv"]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$", examples=["NL"])]
_CLOCK: Final = r"^([01][0-9]|2[0-3]):[0-5][0-9]$"
Clock = Annotated[str, Field(pattern=_CLOCK, examples=["18:30"])]
_TWO: Final = {
    "type": "array", "items": {"type": "string", "pattern": _CLOCK}, "minItems": 2, "maxItems": 2,
}  # fmt: skip
Hours = Annotated[tuple[Clock, Clock], WithJsonSchema(_TWO)]
"""Local time, from and to; described as a plain list, since not every reader knows ``prefixItems``."""


@cache
def _zones() -> frozenset[str]:
    """Read once: the database is a tree of files."""
    return frozenset(available_timezones())


def _zone(name: str) -> str:
    if name not in _zones():
        raise ValueError("this is no time zone of the IANA database")
    return name


Zone = Annotated[str, Field(max_length=64, examples=["Europe/Amsterdam"]), AfterValidator(_zone)]

_set: Final = object.__setattr__
"""Past pydantic's own, which refuses on what is frozen."""

LEVELS: tuple[Level, ...] = ("low", "medium", "high", "critical")
"""Rising; ``maintenance.severity.Severity`` counts them from 1."""


class Frozen(BaseModel):
    """A value: never changed, no unknown members, and its content never in an error's text."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    def but(self, **changes: object) -> Self:
        """A copy with these fields changed, checked as if new."""
        return type(self).model_validate({**self.__dict__, **changes})

    def changed(self, **changes: object) -> Self:
        """A copy with these fields changed, unchecked: what comes here is of our own making.

        What ``model_copy`` does, in a fifth of its time: every scan makes some.
        """
        made = self.__class__.__new__(self.__class__)
        _set(made, "__dict__", {**self.__dict__, **changes})
        _set(made, "__pydantic_fields_set__", self.__pydantic_fields_set__ | changes.keys())
        _set(made, "__pydantic_extra__", None)
        _set(made, "__pydantic_private__", None)
        return made


class Call(Frozen):
    """One call to a person about a case. ``by``: an agent (``agt_``) or a contact center's system (``src_``)."""

    n: int
    at: AwareDatetime
    by: str
    person: PersonId | None = None
    disposition: str
    safety: bool = False
    """It was made outside the calling window, because the case is critical and the policy allows it."""


class Lease(Frozen):
    """Who works on it now. ``token`` fences: whoever lost the lease changes nothing any more."""

    by: str
    token: str
    since: AwareDatetime
    until: AwareDatetime
    heartbeat: AwareDatetime | None = None
    drafted: bool = False
    """Answers or a note were saved under it: told once in the audit."""
    seen: bool = False
    """The case was looked at under it: told once in the audit."""


class Dialled(Frozen):
    """The number was given to an agent and no outcome was written down yet: the person may have been called."""

    n: int
    by: str
    person: PersonId | None = None
    at: AwareDatetime
    whom: str = ""
    """Help: whose number was given."""
    safety: bool = False
    """Outside the calling window or the person's one call a day, because the case is critical."""


class Asker(Frozen):
    """Somebody who asked for help with a delivery. ``id``: a person (``per_``) or a courier (``cou_``)."""

    who: Literal["owner", "courier"]
    id: str
    phone: Phone | None = Field(default=None, repr=False)
    """The number that they want to be called at."""


class Trigger(Frozen):
    """The one trigger of a case; its state is the subject's. Times are UTC."""

    since: AwareDatetime
    """From when its age counts: when it first came on the list (or was offered); a lease's end never resets it."""
    due: AwareDatetime | None = None
    """Queued or scheduled: not before this; offered: when it goes to an agent or is told again; booked: none before
    the garage has finished, then by when the car itself is to show that it is repaired."""
    claim_by: AwareDatetime | None = None
    """The service level: to be claimed by then, else it is a breach (counted once: ``breached``)."""
    breached: bool = False
    why: str = ""
    lease: Lease | None = None
    calls: tuple[Call, ...] = ()
    dialled: Dialled | None = None
    """Outlives a lease that ran out: whoever comes next sees that somebody may have called."""
    supervisor: bool = False
    """On the supervisors' list alone."""
    language: Language | None = None
    """What the person speaks, as an agent heard; before what the owner chose."""
    appointment: AppointmentId | None = None
    appointments: int = 0
    """How many there were: the number of the next one."""
    until: AwareDatetime | None = None
    """Suppressed until then; None: for good."""
    was: TriggerState | None = None
    """Ended: where it stood, and where it goes on if the case opens again."""
    held: SlotId | None = None
    """The slot that is held for it while somebody chooses: one at a time."""
    told: int = 0
    """How often the owner was told of it by mail."""
    again: AwareDatetime | None = None
    """Booked or unreached, critical, and nobody calls about it: when its owner is told once more."""
    center: str | None = None
    """The contact center (``src_``) it was handed to, while that one has it or may still claim it."""
    center_ref: Annotated[str, Field(max_length=128)] | None = None


class Happened(Frozen):
    """One step of a case's history, as its people see it: ids and codes, never what was said."""

    at: AwareDatetime
    kind: str
    by: str = ""
    why: str = ""
    due: AwareDatetime | None = None


HISTORY_KEPT = 80
"""Newest steps that are kept beside the first."""


class CaseBody(Frozen):
    """A case. What an agent wrote down is here and nowhere in the log; it is erased with the car's owner.

    ``era``: of the car's people (``people.model.CarPeopleBody.era``): a new owner does not see an earlier one's calls.
    """

    what: Literal["fault", "help", "canary"] = "fault"
    vehicle: VehicleId
    system: str
    n: int
    state: CaseState = CaseState.OPEN
    severity: Level
    severity_source: str = ""
    raised: Level | None = None
    """What an agent heard on the phone: the severity is never less than this while the case is open."""
    codes: tuple[str, ...] = ()
    why: str = ""
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None = None
    odometer_m: int | None = None
    freeze: dict[str, str | int | float | bool] = Field(default_factory=dict)
    delivery: DeliveryId | None = None
    asked_by: Literal["owner", "courier", "system"] | None = None
    """Help: who asked for it; ``system``: a delivery that became unsure or was left open."""
    trigger: Trigger
    answers: dict[str, str] = Field(default_factory=dict)
    """The call script's answers as they were given, by question."""
    askers: tuple[Asker, ...] = ()
    """Help: the persons who asked for it, in order; whoever leaves is erased here, and all are when it is closed."""
    asked_after: int = 0
    """Help: how many calls had been made when it was last asked for; they count no more."""
    note: Annotated[str, Field(max_length=4000)] = ""
    released_at: AwareDatetime | None = None
    """The newest release of the car of which what was said before is erased here."""
    history: tuple[Happened, ...] = ()
    """What happened, oldest first; the first step and the newest are kept."""
    draft_n: int = 0
    """Grows with each saving of answers and note: a stale screen's saving is refused, not lost silently."""

    def at_least(self, level: Level) -> Level:
        """This level, or the one that an agent raised the case to, where that is higher."""
        return max(level, self.raised or level, key=LEVELS.index)

    @property
    def known_since(self) -> datetime:
        """When it was opened here. ``opened_at`` is the car's word, whose clock may be behind."""
        return self.history[0].at if self.history else self.opened_at

    @property
    def rank(self) -> int:
        """0 for help with a delivery, which comes first, then by severity, the most urgent first."""
        return 0 if self.what == "help" else len(LEVELS) - LEVELS.index(self.severity)


class Read(Frozen):
    """A case as it was read."""

    id: CaseId
    state: TriggerState
    body: CaseBody

    @classmethod
    def of(cls, saved: Saved) -> "Read | None":
        """None where there is no such case, or only its tombstone."""
        if saved.version == 0 or saved.ended:
            return None
        return cls(
            id=CaseId(saved.id),
            state=TriggerState(saved.state),
            body=CaseBody.model_validate_json(saved.body),
        )

    @property
    def open(self) -> bool:
        """Its case is not closed."""
        return self.state in OPEN


class SlotBody(Frozen):
    """A garage's bay from ``start`` to ``end``. Who has it (``case``) is decided here and nowhere else."""

    garage: GarageId
    bay: int
    start: AwareDatetime
    end: AwareDatetime
    case: CaseId | None = None
    held_until: AwareDatetime | None = None
    appointment: AppointmentId | None = None
    by: str = ""
    sequence: int = 0
    """Booked: of which change of the appointment this is the place (0: its booking)."""
    settle_at: AwareDatetime | None = None
    """Booked, and not yet compared with its appointment: when that is done at the latest."""
    single: bool = False
    """Published by hand: a change of the opening hours leaves it alone."""


class AppointmentBody(Frozen):
    """An appointment, following its slot. ``sequence``: iCalendar's, of the newest invitation."""

    case: CaseId
    vehicle: VehicleId
    garage: GarageId
    slot: SlotId
    start: AwareDatetime
    end: AwareDatetime
    sequence: int = 0
    booked_by: str
    booked_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    why: str = ""
    uid: str = ""
    """The name of its entry in calendars, before the ``@``; empty where it was made under an older rule: its own id."""
    moves: int = 0
    """How often the people of the car moved it."""


class Calls(Frozen):
    """Subject ``cal_<vehicle body>``: "call me about faults", as the car's owner chose it; off where it is missing.

    ``hours``: local, ``HH:MM`` to ``HH:MM`` in ``zone``; None: the country's calling window. Erased with the owner.
    """

    person: PersonId
    on: bool
    phone: Phone | None = None
    language: Language = "en"
    zone: Zone = "Europe/Amsterdam"
    country: Country = "NL"
    hours: Hours | None = None
    garage: GarageId | None = None
    do_not_call: bool = False
    """Said to an agent: nobody is called about this car until the owner turns it on again."""
    chosen_at: AwareDatetime
    released_at: AwareDatetime | None = None
    """When a former owner's choice was erased: that release is not done once more to this one."""


def write_case(state: TriggerState, body: CaseBody, wake_at: datetime | None) -> Write:
    """The saved form."""
    return Write(state=state, body=body.model_dump_json(exclude_none=True), wake_at=wake_at)


def write_slot(state: SlotState, body: SlotBody, wake_at: datetime | None) -> Write:
    """The saved form; ``wake_at``: the end of its hold."""
    return Write(state=state, body=body.model_dump_json(exclude_none=True), wake_at=wake_at)


def write_appointment(state: AppointmentState, body: AppointmentBody, wake_at: datetime | None) -> Write:
    """The saved form."""
    return Write(state=state, body=body.model_dump_json(exclude_none=True), wake_at=wake_at)
