"""Where a trigger starts and goes on: every state meets every rule, and none leads out of the table."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from maintenance import starting
from maintenance.due import pass_time
from maintenance.limits import CaseLimits
from maintenance.model import Call, Calls, CaseBody, Lease, Trigger
from maintenance.starting import Starting, Story, next_working_day, plain_promise
from maintenance.states import OPEN, TRIGGER, StepNotAllowed, TriggerState, follows, step
from maintenance.timing import next_wake
from spine.facts import maintenance as f
from spine.facts.maintenance import Level
from spine.ids import AppointmentId, CaseId, PersonId, VehicleId

T = TriggerState
NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)
CAR = VehicleId("veh_3k7m9qxd4hwe2a5t")
CASE = CaseId("cse_3k7m9qxd4hwe2a5t.brakes.1")
APPOINTMENT = AppointmentId("apt_3k7m9qxd4hwe2a5t.brakes.1.1")
RULES = Starting(CaseLimits(), plain_promise(CaseLimits()))
YES = Calls(person=PersonId("per_1aaaaaaaaaaaaaaa"), on=True, phone="+31612345678", chosen_at=NOW)
NO = YES.but(do_not_call=True)


def story(state: TriggerState, severity: str = "high", **trigger: Any) -> Story:
    about: dict[str, Any] = {"since": NOW - HOUR, **trigger}
    match state:
        case T.LEASED:
            about.setdefault(
                "lease", Lease(by="agt_1aaaaaaaaaaaaaaa", token="t", since=NOW - HOUR, until=NOW)
            )
        case T.QUEUED:
            about.setdefault("claim_by", NOW + HOUR)
        case T.SCHEDULED:
            about.setdefault("due", NOW)
        case T.BOOKED:
            about.setdefault("appointment", APPOINTMENT)
        case T.ENDED:
            about.setdefault("was", T.QUEUED)
        case _:
            pass
    body = CaseBody.model_validate(
        {"vehicle": CAR, "system": "brakes", "n": 1, "severity": severity, "opened_at": NOW - HOUR, "trigger": Trigger(**about)}
    )  # fmt: skip
    return Story(CASE, body, state, NOW)


@pytest.mark.parametrize("fact", sorted({one.__name__ for _, one in TRIGGER}))
@pytest.mark.parametrize("state", list(T))
def test_every_state_meets_every_fact(state: TriggerState, fact: str) -> None:
    kind = getattr(f, fact)
    about: dict[str, Any] = {
        "at": NOW, "case": CASE, "vehicle": CAR, "system": "brakes", "severity": "high", "why": "x", "since": NOW,
        "due": NOW, "by": "agt_1aaaaaaaaaaaaaaa", "until": NOW, "appointment": APPOINTMENT, "calls": 1, "reason": "x", "n": 1,
        "disposition": "busy", "act": "note", "claim_by": NOW,
    }  # fmt: skip
    made = kind.model_validate({name: about[name] for name in kind.model_fields if name in about})
    if follows(state, made):
        after = step(state, made)
        assert after in OPEN | {T.ENDED, T.NEW}
        assert after is not T.NEW or state is T.NEW
    else:
        with pytest.raises(StepNotAllowed):
            step(state, made)


Tell = Callable[[Story], object]
RULE: dict[str, Tell] = {
    "more_urgent": lambda one: starting.more_urgent(one, YES, RULES, "critical", "x"),
    "chosen_on": lambda one: starting.chosen(one, YES, RULES),
    "chosen_off": lambda one: starting.chosen(one, NO, RULES),
    "released": lambda one: starting.released(one, RULES, NOW),
    "booked": lambda one: starting.book(one, APPOINTMENT, 1),
    "unbooked": lambda one: starting.unbook(one, YES, RULES, "x"),
    "finished": lambda one: starting.finished(one, NOW + HOUR),
    "time": lambda one: pass_time(one, YES, RULES),
    "end": lambda one: starting.end(one, "x"),
}


@pytest.mark.parametrize("rule", list(RULE))
@pytest.mark.parametrize("state", sorted(OPEN))
def test_every_open_state_meets_every_rule_and_stays_looked_after(state: TriggerState, rule: str) -> None:
    one = story(state)
    RULE[rule](one)
    assert step(state, *one.facts) is one.state
    assert (one.state is T.ENDED) == (rule == "end")
    trigger = one.body.trigger
    assert one.state is not T.LEASED or trigger.lease is not None
    assert one.state is T.LEASED or trigger.lease is None
    assert one.state is not T.BOOKED or trigger.appointment is not None or rule == "unbooked"
    assert one.state is T.ENDED or trigger.since == NOW - HOUR or state in {T.OFFERED, T.DECLINED}
    wake = next_wake(one.state, one.body, NOW)
    assert one.state not in {T.QUEUED, T.LEASED, T.SCHEDULED} or wake is not None


@pytest.mark.parametrize("state", sorted(OPEN))
@pytest.mark.parametrize("calls", [YES, NO, None])
def test_what_ends_and_comes_back_goes_on_where_it_stood(state: TriggerState, calls: Calls | None) -> None:
    one = story(state)
    starting.end(one, "clean_scans")
    assert one.state is T.ENDED
    starting.resume(one, calls, RULES, "came_back")
    where = T.QUEUED if state in {T.LEASED, T.SCHEDULED} else state
    if where in {T.QUEUED, T.OFFERED}:  # high: with an agent as soon as the owner wants calls
        where = T.QUEUED if calls is YES else T.OFFERED
    assert one.state is where
    assert one.body.trigger.was is None
    assert one.state is not T.QUEUED or one.body.trigger.since == NOW - HOUR


@pytest.mark.parametrize(
    ("severity", "calls", "state", "due"),
    [
        ("low", YES, T.OFFERED, None),
        ("medium", YES, T.OFFERED, 72 * HOUR),
        ("high", YES, T.QUEUED, timedelta()),
        ("critical", YES, T.QUEUED, timedelta()),
        ("low", None, T.OFFERED, None),
        ("medium", None, T.OFFERED, None),
        ("high", NO, T.OFFERED, None),
        ("critical", None, T.OFFERED, 24 * HOUR),
    ],
)
def test_where_a_trigger_starts(
    severity: str, calls: Calls | None, state: TriggerState, due: timedelta | None
) -> None:
    one = story(T.NEW, severity)
    starting.begin(one, calls, RULES, "confirmed")
    assert one.state is state
    assert one.body.trigger.due == (None if due is None else NOW + due)


@pytest.mark.parametrize(
    ("state", "level", "calls", "after"),
    [
        (T.SUPPRESSED, "critical", YES, T.QUEUED),
        (T.SUPPRESSED, "critical", NO, T.OFFERED),
        (T.SUPPRESSED, "high", YES, T.SUPPRESSED),
        (T.UNREACHED, "critical", YES, T.QUEUED),
        (T.UNREACHED, "critical", None, T.OFFERED),
        (T.DECLINED, "high", YES, T.QUEUED),
        (T.SCHEDULED, "high", YES, T.QUEUED),
        (T.BOOKED, "high", YES, T.BOOKED),
        (T.BOOKED, "critical", YES, T.QUEUED),
        (T.BOOKED, "critical", NO, T.BOOKED),
    ],
)
def test_more_urgent_is_left_to_nobodys_silence(
    state: TriggerState, level: Level, calls: Calls | None, after: TriggerState
) -> None:
    until = NOW + 100 * HOUR if state is T.SUPPRESSED else None
    one = story(state, "medium", until=until, **({"due": NOW + 100 * HOUR} if state is T.SCHEDULED else {}))
    before = one.body.trigger.appointment
    starting.more_urgent(one, calls, RULES, level, "x")
    assert (one.state, one.body.severity) == (after, level)
    assert one.body.trigger.appointment == before, "the visit stays"
    assert one.state not in {T.QUEUED, T.OFFERED} or one.body.trigger.until is None
    if one.state is T.QUEUED:
        assert one.body.trigger.due == NOW
    if one.state is T.OFFERED and level == "critical":
        assert next_wake(one.state, one.body, NOW) == NOW + 24 * HOUR, "told daily"


def test_a_visit_stands_when_the_owner_turns_calls_off_again() -> None:
    one = story(T.BOOKED, "medium")
    starting.more_urgent(one, YES, RULES, "critical", "x")
    starting.chosen(one, NO, RULES)
    assert (one.state, one.body.trigger.appointment) == (T.BOOKED, APPOINTMENT)
    assert next_wake(one.state, one.body, NOW) == NOW + 24 * HOUR, "told daily"


@pytest.mark.parametrize("calls", [NO, None])
def test_a_booked_one_that_became_critical_is_told_daily_until_it_is_answered(calls: Calls | None) -> None:
    one = story(T.BOOKED, "medium")
    starting.more_urgent(one, calls, RULES, "critical", "x")
    for day in (1, 2, 3):
        one.now = NOW + day * 24 * HOUR
        assert next_wake(one.state, one.body, NOW) == one.now
        assert pass_time(one, calls, RULES) == ["told_again"]
        assert isinstance(one.facts[-1], f.CaseToldAgain)
        assert (one.state, one.body.trigger.appointment) == (T.BOOKED, APPOINTMENT)
        assert pass_time(one, calls, RULES) == [], "called twice it does the same"
    assert one.body.trigger.told == 3
    starting.answered(one)
    assert next_wake(one.state, one.body, NOW) is None


def test_a_booked_critical_one_goes_to_an_agent_as_soon_as_its_owner_wants_calls() -> None:
    one = story(T.BOOKED, "medium")
    starting.more_urgent(one, NO, RULES, "critical", "x")
    starting.chosen(one, YES, RULES)
    assert (one.state, one.body.trigger.again, one.body.trigger.appointment) == (T.QUEUED, None, APPOINTMENT)
    calm = story(T.BOOKED, "critical")
    starting.chosen(calm, YES, RULES)
    assert calm.state is T.BOOKED, "booked when it was critical already: that is the answer"


@pytest.mark.parametrize(("mode", "facts", "again"), [
    ("active", 1, NOW + 24 * HOUR), ("monitor", 0, NOW + 24 * HOUR), ("off", 0, None),
])  # fmt: skip
def test_telling_again_has_its_modes(mode: Any, facts: int, again: datetime | None) -> None:
    rules = Starting(CaseLimits(repeat=mode), plain_promise(CaseLimits()))
    one = story(T.UNREACHED, "critical", again=NOW)
    pass_time(one, YES, rules)
    assert (len(one.facts), one.body.trigger.again, one.would) == (
        facts, again, ["repeat"] if mode == "monitor" else [],
    )  # fmt: skip


@pytest.mark.parametrize("calls", [NO, None])
def test_a_case_that_opens_again_with_its_visit_stays_booked(calls: Calls | None) -> None:
    one = story(T.BOOKED, "medium")
    starting.more_urgent(one, YES, RULES, "critical", "x")
    starting.end(one, "clean_scans")
    starting.resume(one, calls, RULES, "came_back")
    assert (one.state, one.body.trigger.again) == (T.BOOKED, NOW + 24 * HOUR)


@pytest.mark.parametrize(("severity", "made", "after"), [
    ("high", 1, T.QUEUED), ("critical", 2, T.QUEUED), ("high", 3, T.UNREACHED), ("medium", 1, T.UNREACHED),
])  # fmt: skip
def test_who_corrects_a_number_is_called_again(severity: str, made: int, after: TriggerState) -> None:
    calls = tuple(
        Call(n=n + 1, at=NOW, by="agt_1aaaaaaaaaaaaaaa", disposition="no_answer") for n in range(made)
    )
    one = story(T.UNREACHED, severity, calls=calls)
    starting.chosen(one, YES, RULES)
    assert one.state is after


def test_what_was_set_aside_for_a_former_owner_is_offered_to_the_next() -> None:
    one = story(T.SUPPRESSED, "critical", until=NOW + 1000 * HOUR)
    starting.released(one, RULES, NOW)
    assert (one.state, one.body.trigger.until) == (T.OFFERED, None)
    assert next_wake(one.state, one.body, NOW) == NOW + 24 * HOUR


def test_what_an_agent_raised_stays_until_the_case_ends() -> None:
    one = story(T.QUEUED, "critical")
    one.change(raised="critical")
    assert (one.body.at_least("medium"), story(T.QUEUED).body.at_least("medium")) == ("critical", "medium")
    starting.end(one, "clean_scans")
    assert one.body.at_least("medium") == "medium"


def test_the_calls_of_a_co_owner_who_leaves_are_erased_and_no_others() -> None:
    other = PersonId("per_2aaaaaaaaaaaaaaa")
    calls = tuple(
        Call(n=n + 1, at=NOW, by="agt_1aaaaaaaaaaaaaaa", person=one, disposition="busy")
        for n, one in enumerate((YES.person, other))
    )
    one = story(T.QUEUED, calls=calls)
    one.change(answers={"noise": "a rattle"}, note="nice")
    starting.left(one, PersonId("per_3aaaaaaaaaaaaaaa"), NOW)
    starting.left(one, other, NOW - HOUR)
    assert one.body.note == "nice"
    starting.left(one, other, NOW)
    assert [each.person for each in one.body.trigger.calls] == [YES.person, None]
    assert (one.state, one.body.answers, one.body.note) == (T.QUEUED, {}, "")


def test_a_release_is_done_once() -> None:
    call = Call(n=1, at=NOW, by="agt_1aaaaaaaaaaaaaaa", person=YES.person, disposition="busy")
    one = story(T.LEASED, calls=(call,))
    one.change(answers={"noise": "a rattle"}, note="nice")
    starting.released(one, RULES, NOW)
    assert (one.state, one.body.answers, one.body.note) == (T.OFFERED, {}, "")
    assert one.body.trigger.calls[0].person is None
    after, told = one.body, len(one.facts)
    starting.released(one, RULES, NOW)
    assert (one.body, len(one.facts)) == (after, told)


def test_the_next_working_day() -> None:
    friday = datetime(2030, 5, 10, 20, tzinfo=UTC)
    assert next_working_day(friday) == datetime(2030, 5, 13, 17, tzinfo=UTC)
