"""What an agent sees of a case, on the list and beside the call. Never a phone number: ``dial`` alone tells it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict

from maintenance.cases import CaseState
from maintenance.desk_dialling import At
from maintenance.desk_list import Waiting
from maintenance.desk_outcomes import DISPOSITIONS, OF_HELP, WITHOUT_A_CALL, dialled_by
from maintenance.desk_ports import DeliveryGlance, HelpContext
from maintenance.desk_rules import spoken, takes_calls
from maintenance.desk_script import script_of
from maintenance.desk_windows import window_of
from maintenance.explaining import LANGUAGES, Language, explain
from maintenance.model import Calls, Read
from maintenance.severity import Judged, Severity
from maintenance.states import TriggerState
from spine.ids import AppointmentId, CaseId, DeliveryId, GarageId, VehicleId


class Out(BaseModel):
    """An answer of the API."""

    model_config = ConfigDict(frozen=True)


class RowOut(Out):
    """A case on the list. ``bar``: why nobody may be called about it now; empty where somebody may."""

    id: CaseId
    what: str
    system: str
    severity: str
    codes: tuple[str, ...]
    language: str | None
    since: AwareDatetime
    due: AwareDatetime
    claim_by: AwareDatetime | None
    breached: bool
    calls: int
    why: str
    supervisor: bool
    bar: str


class ListOut(Out):
    """What waits for this agent, in order."""

    data: list[RowOut]


class CodeOut(Out):
    """A fault code in plain words: for the agent, and in the owner's language to be read aloud."""

    code: str
    agent: Mapping[str, str]
    owner: Mapping[str, str]


class CallOut(Out):
    """A call that was made about a case. ``safety``: at an hour or beyond a cap that only a critical case may."""

    n: int
    at: AwareDatetime
    by: str
    disposition: str
    safety: bool


class PastOut(Out):
    """Another case of the car."""

    id: CaseId
    what: str
    system: str
    severity: str
    state: str
    opened_at: AwareDatetime
    closed_at: AwareDatetime | None
    calls: tuple[CallOut, ...]


class ConsentOut(Out):
    """What the owner has chosen about calls. ``phone_known``: whether there is a number; it is not told here."""

    on: bool
    do_not_call: bool
    phone_known: bool
    language: str | None
    hours: tuple[str, str] | None
    zone: str
    country: str
    garage: GarageId | None
    chosen_at: AwareDatetime | None


class ClockOut(Out):
    """The customer's time; whether they may be called now. ``source``: whose hours: ``owner``, ``default``, a country."""

    local: str
    zone: str
    may_call: bool
    bar: str
    next: AwareDatetime
    source: str


class ScriptOut(Out):
    """``questions``: id and text, in order."""

    language: str
    opening: str
    questions: list[tuple[str, str]]
    closing: str


class AskerOut(Out):
    """Who asked for help. ``phone_known``: whether they left a number; it is not told here."""

    who: str
    phone_known: bool


class LeaseOut(Out):
    """The agent's own lease; every change is made with its token."""

    token: str
    until: AwareDatetime


class CaseOut(Out):
    """Everything beside the call. ``outcomes``: those that can be told now."""

    id: CaseId
    vehicle: VehicleId
    what: str
    system: str
    state: str
    severity: str
    severity_source: str
    why: str
    asked_by: str | None
    askers: list[AskerOut]
    codes: list[CodeOut]
    freeze: Mapping[str, Any]
    odometer_m: int | None
    opened_at: AwareDatetime
    since: AwareDatetime
    claim_by: AwareDatetime | None
    breached: bool
    supervisor: bool
    closed: bool
    appointment: AppointmentId | None
    consent: ConsentOut
    clock: ClockOut
    calls: tuple[CallOut, ...]
    dialled_by: str | None
    history: list[PastOut]
    deliveries: list[DeliveryGlance]
    delivery: DeliveryId | None
    help: HelpContext | None
    script: ScriptOut
    script_owner: ScriptOut
    answers: Mapping[str, str]
    note: str
    draft_n: int
    outcomes: list[str]
    lease: LeaseOut | None


def row(one: Waiting) -> RowOut:
    """A case of the list."""
    body, trigger = one.read.body, one.read.body.trigger
    return RowOut(
        id=one.read.id, what=body.what, system=body.system, severity=body.severity, codes=body.codes,
        language=spoken(one.read, one.calls), since=trigger.since, due=trigger.due or trigger.since,
        claim_by=trigger.claim_by, breached=trigger.breached, calls=len(trigger.calls), why=trigger.why,
        supervisor=trigger.supervisor, bar=one.bar,
    )  # fmt: skip


def case_view(
    one: Waiting, agent: At, past: Sequence[Read], deliveries: Sequence[DeliveryGlance],
    context: HelpContext | None, now: datetime,
) -> CaseOut:  # fmt: skip
    """A case for the agent who has it, or a supervisor."""
    read, calls = one.read, one.calls
    body, trigger = read.body, read.body.trigger
    mine, theirs = _language(agent), _known(spoken(read, calls)) or _language(agent)
    dialled = trigger.dialled
    return CaseOut(
        id=read.id, vehicle=body.vehicle, what=body.what, system=body.system, state=read.state,
        severity=body.severity, severity_source=body.severity_source, why=body.why, asked_by=body.asked_by,
        askers=[AskerOut(who=one.who, phone_known=one.phone is not None) for one in body.askers],
        codes=[_code(code, read, mine, theirs) for code in body.codes], freeze=body.freeze,
        odometer_m=body.odometer_m, opened_at=body.opened_at, since=trigger.since, claim_by=trigger.claim_by,
        breached=trigger.breached, supervisor=trigger.supervisor, closed=body.state is CaseState.CLOSED,
        appointment=trigger.appointment, consent=_consent(read, calls), clock=_clock(one, now),
        calls=_calls(read), dialled_by=dialled.by if dialled else None,
        history=[_past(each) for each in past if each.id != read.id], deliveries=list(deliveries),
        delivery=body.delivery, help=context, script=_script(read, mine), script_owner=_script(read, theirs),
        answers=body.answers, note=body.note, draft_n=body.draft_n, outcomes=_outcomes(read, agent),
        lease=_lease(read, agent),
    )  # fmt: skip


def _language(agent: At) -> Language:
    """The language an agent reads: their page's; else English where they know it, else the first of theirs."""
    spoken_first: Language = next((one for one in LANGUAGES if one in agent.languages), "en")
    return _known(agent.reads) or spoken_first


def _known(language: str | None) -> Language | None:
    return next((one for one in LANGUAGES if one == language), None)


def _code(code: str, read: Read, mine: Language, theirs: Language) -> CodeOut:
    judged = Judged(Severity[read.body.severity.upper()], read.body.severity_source)

    def words(language: Language) -> dict[str, str]:
        plain = explain(code, judged, language)
        return {"language": language, "means": plain.means, "drive": plain.drive, "next": plain.next}

    return CodeOut(code=code, agent=words(mine), owner=words(theirs))


def _consent(read: Read, calls: Calls | None) -> ConsentOut:
    known = calls is not None and takes_calls(calls) and calls.phone is not None
    if any(one.phone is not None for one in read.body.askers):
        known = True
    if calls is None:
        return ConsentOut(
            on=False, do_not_call=False, phone_known=known, language=None, hours=None, zone="", country="",
            garage=None, chosen_at=None,
        )  # fmt: skip
    return ConsentOut(
        on=calls.on, do_not_call=calls.do_not_call, phone_known=known, language=spoken(read, calls),
        hours=calls.hours, zone=calls.zone, country=calls.country, garage=calls.garage, chosen_at=calls.chosen_at,
    )  # fmt: skip


def _clock(one: Waiting, now: datetime) -> ClockOut:
    window = window_of(one.calls)
    return ClockOut(
        local=now.astimezone(window.zone).isoformat(timespec="minutes"), zone=window.zone.key,
        may_call=not one.bar, bar=one.bar, next=window.next_open(now), source=window.source,
    )  # fmt: skip


def _calls(read: Read) -> tuple[CallOut, ...]:
    return tuple(
        CallOut(n=one.n, at=one.at, by=one.by, disposition=one.disposition, safety=one.safety)
        for one in read.body.trigger.calls
    )


def _past(read: Read) -> PastOut:
    body = read.body
    return PastOut(
        id=read.id, what=body.what, system=body.system, severity=body.severity, state=read.state,
        opened_at=body.opened_at, closed_at=body.closed_at, calls=_calls(read),
    )  # fmt: skip


def _script(read: Read, language: Language) -> ScriptOut:
    script = script_of(read.body, language)
    return ScriptOut(
        language=language, opening=script.opening, questions=list(script.questions.items()), closing=script.closing
    )  # fmt: skip


def _outcomes(read: Read, agent: At) -> list[str]:
    """What this agent can say of it now."""
    trigger = read.body.trigger
    if read.body.what == "help":
        return [one for one in DISPOSITIONS if one in OF_HELP]
    called = dialled_by(trigger, agent.id) is not None
    return [
        one
        for one in DISPOSITIONS
        if (called or one in WITHOUT_A_CALL) and (one != "booked" or trigger.appointment is not None)
    ]


def _lease(read: Read, agent: At) -> LeaseOut | None:
    lease = read.body.trigger.lease
    if read.state is not TriggerState.LEASED or lease is None or lease.by != agent.id:
        return None
    return LeaseOut(token=lease.token, until=lease.until)
