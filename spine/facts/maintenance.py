"""Fault cases and what becomes of their triggers; with ``spine.facts.visits``, all facts of maintenance."""

from typing import ClassVar, Literal

from pydantic import AwareDatetime

from spine.facts.base import Base
from spine.facts.visits import (
    AppointmentBooked,
    AppointmentCancelled,
    AppointmentDone,
    AppointmentFact,
    AppointmentMoved,
    AppointmentNoShow,
    AppointmentReceived,
    GarageChanged,
    GarageMade,
    GarageRemoved,
    SlotBooked,
    SlotFact,
    SlotFreed,
    SlotHeld,
    SlotPublished,
    SlotWithdrawn,
)
from spine.ids import AgentId, AppointmentId, CaseId, DeliveryId, PersonId, VehicleId

__all__ = [
    "AgentMade", "AgentRemoved", "AppointmentBooked", "AppointmentCancelled", "AppointmentDone",
    "AppointmentFact", "AppointmentMoved", "AppointmentNoShow", "AppointmentReceived", "CallMade",
    "CallsChosen", "CanaryArrived", "CanarySent", "CaseActed", "CaseClosed", "CaseFact", "CaseOpened",
    "CaseReopened", "CaseReprioritised", "CaseSeen", "CaseToldAgain", "GarageChanged", "GarageMade",
    "GarageRemoved", "HandoutChanged", "HandoutEnded", "HandoutFact", "HandoutMade", "HandoutReported",
    "Level", "MaintenanceFact", "SlotBooked", "SlotFact", "SlotFreed", "SlotHeld", "SlotPublished",
    "SlotWithdrawn", "System", "TriggerBooked", "TriggerBreached", "TriggerDeclined", "TriggerEnded",
    "TriggerLeased", "TriggerOffered", "TriggerQueued", "TriggerScheduled", "TriggerSuppressed",
    "TriggerUnreached",
]  # fmt: skip

Level = Literal["low", "medium", "high", "critical"]
System = str


class _Case(Base):
    about: ClassVar[str] = "case"
    case: CaseId
    vehicle: VehicleId


class CaseOpened(_Case):
    """It has exactly one trigger from now on. ``what``: ``fault``, ``help`` with a delivery, or the ``canary``'s."""

    kind: Literal["case.opened"] = "case.opened"
    what: Literal["fault", "help", "canary"] = "fault"
    system: System
    severity: Level
    severity_source: str = ""
    codes: tuple[str, ...] = ()
    why: str
    delivery: DeliveryId | None = None


class CaseReprioritised(_Case):
    """It became more urgent; never less."""

    kind: Literal["case.reprioritised"] = "case.reprioritised"
    severity: Level
    why: str


class CaseClosed(_Case):
    kind: Literal["case.closed"] = "case.closed"
    why: str


class CaseReopened(_Case):
    """Silently: its trigger goes on where it stood."""

    kind: Literal["case.reopened"] = "case.reopened"
    why: str


class TriggerOffered(_Case):
    """The owner's page and mail carry it; nobody calls."""

    kind: Literal["trigger.offered"] = "trigger.offered"
    why: str


class TriggerQueued(_Case):
    """On the agents' list. ``since``: from when its age counts, kept through leases; ``due``: not before."""

    kind: Literal["trigger.queued"] = "trigger.queued"
    severity: Level
    since: AwareDatetime
    due: AwareDatetime
    why: str


class TriggerLeased(_Case):
    """An agent, or a contact center with a system of its own (``src_``), has it until ``until``."""

    kind: Literal["trigger.leased"] = "trigger.leased"
    by: str
    until: AwareDatetime


class TriggerScheduled(_Case):
    """It comes back to the list at ``due``: a callback, or another try."""

    kind: Literal["trigger.scheduled"] = "trigger.scheduled"
    due: AwareDatetime
    why: str


class TriggerBooked(_Case):
    kind: Literal["trigger.booked"] = "trigger.booked"
    appointment: AppointmentId


class TriggerUnreached(_Case):
    """Called as often as allowed: a message with a link went out; the case stays open and visible."""

    kind: Literal["trigger.unreached"] = "trigger.unreached"
    calls: int


class TriggerDeclined(_Case):
    kind: Literal["trigger.declined"] = "trigger.declined"
    why: str
    by: PersonId | AgentId | None = None


class TriggerSuppressed(_Case):
    """Told to nobody until ``until`` (None: for good). ``reason``: a rule, a person's wish, an operator."""

    kind: Literal["trigger.suppressed"] = "trigger.suppressed"
    reason: str
    until: AwareDatetime | None = None


class TriggerEnded(_Case):
    """Its case was closed."""

    kind: Literal["trigger.ended"] = "trigger.ended"


class TriggerBreached(_Case):
    """Nobody claimed it by ``claim_by``, as was promised. Told once a case."""

    kind: Literal["trigger.breached"] = "trigger.breached"
    severity: Level
    claim_by: AwareDatetime


class CaseToldAgain(_Case):
    """Critical, and nobody calls about it: the owner is told once more. Its trigger stays where it stands."""

    kind: Literal["case.told_again"] = "case.told_again"


class CallMade(_Case):
    """One call: ``n`` counts the case's. What was said is in the case, not in the log."""

    kind: Literal["case.called"] = "case.called"
    n: int
    by: str
    disposition: str


class CaseSeen(_Case):
    """An agent looked at it: the owner can see who did, and when."""

    kind: Literal["case.seen"] = "case.seen"
    by: AgentId


class CaseActed(_Case):
    """What an agent did beyond the call, for the owner to see: ``lock``, ``flash``, ``note``, ``answers``..."""

    kind: Literal["case.acted"] = "case.acted"
    by: AgentId
    act: str


class _Handout(_Case):
    """About a case that was handed to a contact center with a system of its own (``src_``), the ``n``-th time."""

    center: str
    n: int


class HandoutMade(_Handout):
    kind: Literal["handout.made"] = "handout.made"


class HandoutChanged(_Handout):
    """What was handed out became more urgent."""

    kind: Literal["handout.changed"] = "handout.changed"


class HandoutReported(_Handout):
    """What the center said of it. ``outcome``: ``applied``, or ``kept`` in the audit because it came too late."""

    kind: Literal["handout.reported"] = "handout.reported"
    status: str
    outcome: Literal["applied", "kept"]


class HandoutEnded(_Handout):
    """``concluded`` by the center, ``withdrawn`` by what happened here, or back on our own list.

    Then ``why`` is ``unclaimed``, ``silent``, ``returned``, ``undelivered`` or ``lost``.
    """

    kind: Literal["handout.ended"] = "handout.ended"
    why: str


class CallsChosen(Base):
    """The owner turned "call me about faults" on or off; phone, hours and language are with the vehicle, not here."""

    kind: Literal["calls.chosen"] = "calls.chosen"
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId
    person: PersonId
    on: bool


class _Agent(Base):
    about: ClassVar[str] = "agent"
    agent: AgentId


class AgentMade(_Agent):
    kind: Literal["agent.made"] = "agent.made"
    role: Literal["agent", "supervisor"]


class AgentRemoved(_Agent):
    kind: Literal["agent.removed"] = "agent.removed"


class CanarySent(Base):
    """A synthetic fault entered the chain."""

    kind: Literal["canary.sent"] = "canary.sent"
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId
    n: int


class CanaryArrived(Base):
    """It came out at its end: ``took_ms`` from the unit's message to the agents' list."""

    kind: Literal["canary.arrived"] = "canary.arrived"
    about: ClassVar[str] = "vehicle"
    vehicle: VehicleId
    n: int
    took_ms: int


CaseFact = (
    CaseOpened
    | CaseReprioritised
    | CaseClosed
    | CaseReopened
    | TriggerOffered
    | TriggerQueued
    | TriggerLeased
    | TriggerScheduled
    | TriggerBooked
    | TriggerUnreached
    | TriggerDeclined
    | TriggerSuppressed
    | TriggerEnded
    | TriggerBreached
    | CaseToldAgain
    | CallMade
    | CaseSeen
    | CaseActed
)
HandoutFact = HandoutMade | HandoutChanged | HandoutReported | HandoutEnded
MaintenanceFact = (
    CaseFact
    | HandoutFact
    | SlotFact
    | AppointmentFact
    | CallsChosen
    | AgentMade
    | AgentRemoved
    | GarageMade
    | GarageChanged
    | GarageRemoved
    | CanarySent
    | CanaryArrived
)
