"""Every outcome in every state, attempts by their number, callbacks, and what each makes of owner and day."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from maintenance.desk_outcomes import (
    DISPOSITIONS,
    GIVES_BACK,
    OF_HELP,
    WITHOUT_A_CALL,
    Disposition,
    Outcome,
    Said,
    outcome,
)
from maintenance.desk_problems import DialFirst, NotBooked, OutcomeUnfit
from maintenance.desk_rules import AGREED, Day, bar_to_call, given_up, spent, started
from maintenance.desk_windows import window_of
from maintenance.limits import CaseLimits, DeskLimits
from maintenance.model import HISTORY_KEPT, LEVELS, Calls, Read
from maintenance.service import told as told_fact
from maintenance.service import with_history
from maintenance.states import StepNotAllowed, TriggerState, step
from spine.facts.maintenance import (
    CallMade,
    CallsChosen,
    CaseActed,
    CaseReprioritised,
    CaseSeen,
    TriggerQueued,
    TriggerScheduled,
)
from spine.ids import AppointmentId
from tests.desk_cases import AGENT, CAR, LIMITS, NOON, OTHER, OWNER, calls, leased

APPOINTMENT = AppointmentId("apt_3k7m9qxd4hwe2a5t.brakes.1.1")
RULES = started(CaseLimits())
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def told(
    read: Read,
    name: Disposition,
    *,
    choice: Calls | None = None,
    now: datetime = NOON,
    limits: DeskLimits = LIMITS,
    **more: Any,
) -> Outcome:
    choice = choice or calls()
    if name == "callback_at" and not more:
        more = {"at": now + HOUR}
    window = window_of(choice)
    return outcome(
        read, choice, Said(name, **more), by=AGENT, window=window, limits=limits, rules=RULES, now=now
    )


def after(read: Read, name: Disposition, **more: Any) -> tuple[TriggerState, Outcome]:
    found = told(read, name, **more)
    return step(read.state, *found.facts), found


GOES_TO = {
    "booked": "booked", "callback_at": "scheduled", "no_answer": "scheduled", "voicemail": "scheduled",
    "busy": "scheduled", "wrong_number": "unreached", "declined_own_garage": "declined",
    "declined_not_now": "suppressed", "already_repaired": "suppressed", "sold_vehicle": "suppressed",
    "language": "queued", "do_not_call": "offered", "escalated_supervisor": "queued", "emergency": "queued",
}  # fmt: skip


def visit(name: Disposition) -> dict[str, Any]:
    """A visit is booked where the outcome says so."""
    return {"appointment": APPOINTMENT, "appointments": 1} if name == "booked" else {}


@pytest.mark.parametrize("severity", LEVELS)
@pytest.mark.parametrize("name", DISPOSITIONS)
def test_each_outcome_has_one_place_to_go(name: Disposition, severity: str) -> None:
    read = leased(severity=severity, trigger=visit(name))
    state, found = after(read, name)
    assert state == GOES_TO[name]
    made = found.facts[0]
    assert isinstance(made, CallMade)
    assert (made.n, made.by, made.disposition) == (1, AGENT, name)
    trigger = found.body.trigger
    assert [(one.n, one.by, one.disposition) for one in trigger.calls] == [(1, AGENT, name)]
    assert (trigger.lease, trigger.dialled) == (None, None)
    assert trigger.since == read.body.trigger.since, "as old as it was"


@pytest.mark.parametrize("name", DISPOSITIONS)
@pytest.mark.parametrize("state", TriggerState)
def test_no_outcome_follows_another_state(name: Disposition, state: TriggerState) -> None:
    read = leased(trigger=visit(name)).but(state=state)
    if state is TriggerState.LEASED or (state, name) == (TriggerState.BOOKED, "booked"):
        assert after(read, name)[0] == GOES_TO[name]
        return
    if state is TriggerState.BOOKED:
        return  # the lease is gone: desk_work refuses it before it comes here
    with pytest.raises(StepNotAllowed):
        step(state, *told(read, name).facts)


@pytest.mark.parametrize("name", ["do_not_call", "wrong_number", "no_answer"])
def test_a_visit_that_is_booked_stands_whatever_comes_of_the_last_call(name: Disposition) -> None:
    """It became critical, an agent called about it: the visit stays, and the owner goes on hearing by mail."""
    state, found = after(leased(severity="critical", made=2, trigger=visit("booked")), name)
    assert (state, found.body.trigger.appointment) == ("booked", APPOINTMENT)
    assert found.body.trigger.again == NOON + DAY
    state, found = after(leased(severity="critical", made=2), "no_answer")
    assert (state, found.body.trigger.again) == ("unreached", NOON + DAY)
    state, found = after(leased(made=2), "no_answer")
    assert (state, found.body.trigger.again) == ("unreached", None)


def test_no_calls_any_more_is_said_of_the_whole_car() -> None:
    found = told(leased(), "do_not_call")
    (said,) = found.others
    assert isinstance(said, CallsChosen)
    assert (said.vehicle, said.person, said.on) == (CAR, OWNER, False)


@pytest.mark.parametrize("last", sorted(AGREED))
def test_a_call_that_was_agreed_is_made_though_it_is_the_fourth(last: str) -> None:
    read, window = leased(dialled=False, made=3), window_of(calls())
    assert bar_to_call(read, calls(), window, None, LIMITS, NOON) == "calls_used"
    agreed = tuple(
        one.but(disposition=last if one.n == 3 else "no_answer") for one in read.body.trigger.calls
    )
    read = read.but(body=read.body.but(trigger=read.body.trigger.but(calls=agreed)))
    assert bar_to_call(read, calls(), window, None, LIMITS, NOON) == ""
    assert not spent(read.body, LIMITS)
    fourth = leased(made=3, trigger={"calls": agreed})
    assert after(fourth, "no_answer")[0] == "unreached", (
        "it was agreed once, and no plan of calls begins anew"
    )
    assert after(fourth, "callback_at")[0] == "scheduled"


def test_without_a_call_only_what_needs_none() -> None:
    read = leased(dialled=False, trigger={"appointment": APPOINTMENT})
    for name in DISPOSITIONS:
        if name in WITHOUT_A_CALL:
            first = told(read, name).facts[0]
            assert isinstance(first, CaseActed), "no call is counted that was not made"
            assert told(read, name).body.trigger.calls == ()
        else:
            with pytest.raises(DialFirst):
                told(read, name)


def test_nobody_tells_the_end_of_anothers_call() -> None:
    read = leased()
    dialled = read.body.trigger.dialled
    assert dialled is not None
    other = read.but(body=read.body.but(trigger=read.body.trigger.but(dialled=dialled.but(by=OTHER))))
    with pytest.raises(DialFirst):
        told(other, "no_answer")
    kept = told(other, "escalated_supervisor").body.trigger
    assert kept.dialled is not None
    assert kept.calls == ()


def test_attempts_by_their_number() -> None:
    plan = {0: NOON + 2 * HOUR, 1: datetime.fromisoformat("2030-05-08T12:30:00+00:00")}
    for made, due in plan.items():
        state, found = after(leased(made=made), "no_answer")
        assert (state, found.body.trigger.due) == ("scheduled", due)
    state, found = after(leased(made=2), "no_answer")
    assert (state, found.body.trigger.due, len(found.body.trigger.calls)) == ("unreached", None, 3)
    more = LIMITS.model_copy(update={"calls_per_case": 4})
    fourth = told(leased(made=2), "no_answer", limits=more)
    assert fourth.body.trigger.due == NOON + 3 * DAY
    assert step(TriggerState.LEASED, *told(leased(made=3), "no_answer", limits=more).facts) == "unreached"


def test_after_a_message_the_next_call_is_another_day() -> None:
    assert told(leased(), "voicemail").body.trigger.due == datetime.fromisoformat("2030-05-08T12:30:00+00:00")
    assert told(leased(made=1), "voicemail").body.trigger.due == NOON + 3 * DAY
    assert "voicemail" not in GIVES_BACK


def test_busy_is_soon_and_counts() -> None:
    assert told(leased(), "busy").body.trigger.due == NOON + timedelta(minutes=15)
    evening = datetime.fromisoformat("2030-05-11T17:50:00+00:00")  # Saturday, 19:50 in Amsterdam
    assert told(leased(evening), "busy", now=evening).body.trigger.due == datetime.fromisoformat(
        "2030-05-13T07:00:00+00:00"
    )
    assert after(leased(made=2), "busy")[0] == "unreached"
    night = leased(evening, severity="critical")
    assert told(night, "busy", now=evening).body.trigger.due == evening + timedelta(minutes=15)


def test_a_callback_is_inside_the_window() -> None:
    read = leased()
    for at in (NOON, NOON - HOUR, NOON + timedelta(days=31), NOON + 9 * HOUR, NOON + 5 * DAY, None):
        with pytest.raises(OutcomeUnfit):
            told(read, "callback_at", at=at)
    found = told(read, "callback_at", local=datetime(2030, 5, 8, 9, 0))  # noqa: DTZ001 - the person's own clock
    assert found.body.trigger.due == datetime.fromisoformat("2030-05-08T07:00:00+00:00")
    late = told(leased(severity="critical"), "callback_at", at=NOON + 9 * HOUR)
    assert step(TriggerState.LEASED, *late.facts) == "scheduled"
    strict = LIMITS.model_copy(update={"critical_any_hour": False})
    with pytest.raises(OutcomeUnfit):
        told(leased(severity="critical"), "callback_at", at=NOON + 9 * HOUR, limits=strict)


def test_booked_needs_an_appointment() -> None:
    with pytest.raises(NotBooked):
        told(leased(), "booked")


def test_what_is_said_about_calls_is_kept_with_the_owners_choice() -> None:
    assert told(leased(), "do_not_call").calls == calls(do_not_call=True)
    assert told(leased(), "wrong_number").calls == calls(phone=None)
    sold = told(leased(), "sold_vehicle")
    assert sold.calls == calls(on=False, phone=None)
    assert [fact.kind for fact in sold.others] == ["calls.chosen"]
    for name in set(DISPOSITIONS) - {"do_not_call", "wrong_number", "sold_vehicle"}:
        read = leased(trigger={"appointment": APPOINTMENT})
        assert told(read, name).calls is None, name


def test_left_alone_for_a_while_and_never_for_good() -> None:
    for severity, patience in {"critical": DAY, "high": 3 * DAY, "medium": 14 * DAY, "low": 14 * DAY}.items():
        found = told(leased(severity=severity), "declined_not_now")
        assert found.body.trigger.until == NOON + patience
    for name in ("already_repaired", "sold_vehicle"):
        until = told(leased(), name).body.trigger.until  # type: ignore[arg-type]
        assert until is not None


def test_another_language_and_the_supervisors() -> None:
    german = told(leased(), "language", language="de").body.trigger
    assert (german.language, german.supervisor) == ("de", False)
    unknown = told(leased(), "language").body.trigger
    assert (unknown.language, unknown.supervisor) == (None, True)
    assert told(leased(), "escalated_supervisor").body.trigger.supervisor


def test_an_emergency_goes_to_the_top() -> None:
    found = told(leased(severity="low"), "emergency")
    assert found.body.severity == "critical"
    assert [type(fact) for fact in found.facts] == [CallMade, CaseReprioritised, TriggerQueued]
    assert found.body.trigger.supervisor
    critical = told(leased(severity="critical"), "emergency")
    assert [type(fact) for fact in critical.facts] == [CallMade, TriggerQueued]


def test_help_has_its_own_few() -> None:
    for name in DISPOSITIONS:
        read = leased(what="help", dialled=name == "busy")
        if name not in OF_HELP:
            with pytest.raises(OutcomeUnfit):
                told(read, name)
            continue
        found = told(read, name)
        state = step(TriggerState.LEASED, *found.facts)
        assert state in {"scheduled", "queued"}, name
        if name in {"no_answer", "busy", "voicemail"}:
            assert isinstance(found.facts[1], TriggerScheduled)
            assert found.body.trigger.due == NOON + timedelta(minutes=5)
    assert told(leased(what="help"), "wrong_number").body.trigger.supervisor


@pytest.mark.parametrize("name", ["callback_at", "language", "escalated_supervisor", "emergency"])
def test_what_the_last_call_asks_for_is_not_given_up(name: Disposition) -> None:
    read = leased(made=2)
    for last, lost in ((name, False), ("no_answer", True)):
        body = told(read, last).body  # type: ignore[arg-type]
        assert len(body.trigger.calls) == 3
        assert given_up(read.but(state=TriggerState.QUEUED, body=body), LIMITS) is lost


def test_an_emergency_is_promised_anew_and_stays_critical() -> None:
    body = told(leased(severity="low", trigger={"claim_by": NOON + DAY}), "emergency").body
    assert (body.severity, body.raised) == ("critical", "critical")
    assert body.trigger.claim_by == NOON + CaseLimits().critical_claimed_within
    assert told(leased(severity="critical"), "emergency").body.raised == "critical"


def test_a_critical_one_that_wants_no_calls_is_told_again() -> None:
    trigger = told(leased(severity="critical"), "do_not_call").body.trigger
    assert trigger.due == NOON + CaseLimits().critical_told_every
    assert told(leased(severity="medium"), "do_not_call").body.trigger.due is None


def test_back_on_the_list_it_is_promised_anew() -> None:
    late = leased(trigger={"claim_by": NOON - HOUR})
    claim_by = told(late, "language", language="de").body.trigger.claim_by
    assert claim_by is not None
    assert claim_by > NOON


def test_the_persons_own_call_passes_the_cap_of_the_day() -> None:
    for name, bar in (("callback_at", ""), ("no_answer", ""), ("voicemail", "called_today")):
        read = leased().but(body=told(leased(), name).body)  # type: ignore[arg-type]
        day = Day(day=NOON.date(), case=read.id, n=1, at=NOON)
        assert bar_to_call(read, calls(), window_of(calls()), day, LIMITS, NOON) == bar


def test_a_long_history_forgets_looks_and_no_number_that_was_told() -> None:
    read = leased()
    dialled = told_fact(CaseActed, read, NOON, by=AGENT, act="dial")
    looks = [told_fact(CaseSeen, read, NOON, by=AGENT) for _ in range(3 * HISTORY_KEPT)]
    kept = with_history(read.body, [looks[0], dialled, *looks]).history
    assert len(kept) == 1 + HISTORY_KEPT
    assert kept[1].why == "dial"
