"""The invariant that no alert is lost: every open fault in exactly one case, every open case where somebody looks. Pure.

What this finds is a violation: a metric, a line of ``trunkline doctor``, and the oracle of the chaos tests.
"""

from collections.abc import Collection, Iterator, Mapping
from datetime import datetime, timedelta

from maintenance.cases import Case, CaseState
from maintenance.faults import Fault
from maintenance.memory import Memory, case_of
from maintenance.model import LEVELS, Read
from maintenance.states import OPEN, TriggerState
from maintenance.timing import next_wake
from spine.ids import CaseId, VehicleId

T = TriggerState


def violations(
    vehicle: VehicleId,
    known: Memory,
    cases: Mapping[CaseId, Read | None],
    *,
    living: Collection[str],
    queued: Collection[str] | None,
    now: datetime,
    grace: timedelta,
) -> Iterator[str]:
    """What must never be.

    ``cases``: of the same moment as ``known``, by the ids that it names; ``living``: those of their appointments of
    which something is still to come. ``queued``: the agents' list, which follows the log: what came on it within
    ``grace`` may still be missing there.
    """
    open_cases = [
        one for rows in known.vehicle.cases.values() for one in rows if one.state is not CaseState.CLOSED
    ]
    yield from _faults(vehicle, known, open_cases)
    for rows in known.vehicle.cases.values():
        for one in rows:
            name = case_of(vehicle, one.system, one.n)
            yield from _agree(name, one, cases.get(name))
    for name, read in cases.items():
        if read is not None:
            yield from _looked_after(name, read, living, queued, now, grace)


def _faults(vehicle: VehicleId, known: Memory, open_cases: list[Case]) -> Iterator[str]:
    for key, fault in known.vehicle.faults.items():
        holding = [one for one in open_cases if key in one.keys]
        if fault.state is Fault.CONFIRMED and not holding:
            yield f"{vehicle}: {key[1]} of {key[0]} is confirmed and in no open case"
        if len(holding) > 1:
            yield f"{vehicle}: {key[1]} of {key[0]} is in {len(holding)} open cases"
    systems = [one.system for one in open_cases]
    for system in {each for each in systems if systems.count(each) > 1}:
        yield f"{vehicle}: {systems.count(system)} open cases of {system}"


def _agree(name: CaseId, case: Case, read: Read | None) -> Iterator[str]:
    """The policy's case and the one in the store are of one piece."""
    if read is None:
        if case.state is not CaseState.CLOSED:
            yield f"{name}: open, and there is no such case in the store"
        return
    if (case.state is CaseState.CLOSED) != (read.state is T.ENDED):
        yield f"{name}: {case.state} for the policy, its trigger is {read.state}"
    if case.state is not CaseState.CLOSED and read.body.codes != case.codes:
        yield f"{name}: other codes in the case than in the policy"
    if case.state is not CaseState.CLOSED and read.body.severity != read.body.at_least(
        LEVELS[case.severity - 1]
    ):
        yield f"{name}: other severity in the case than in the policy"


def unlisted(
    name: CaseId, read: Read, queued: Collection[str], now: datetime, grace: timedelta
) -> Iterator[str]:
    """For a case without a memory of faults behind it: help with a delivery."""
    yield from _looked_after(name, read, (), queued, now, grace)


def _looked_after(
    name: CaseId,
    read: Read,
    living: Collection[str],
    queued: Collection[str] | None,
    now: datetime,
    grace: timedelta,
) -> Iterator[str]:
    """A lease has a holder, a schedule a time, a booking an appointment or a time; nothing is overdue; it is listed."""
    trigger = read.body.trigger
    missing = {
        T.LEASED: trigger.lease is None and trigger.center is None,
        T.SCHEDULED: trigger.due is None,
        T.BOOKED: trigger.appointment is None or (trigger.appointment not in living and trigger.due is None),
    }
    if missing.get(read.state):
        yield f"{name}: {read.state}, and nobody looks after it"
    if read.state not in OPEN | {T.ENDED}:
        yield f"{name}: {read.state} is nowhere"
    due = next_wake(read.state, read.body, now)
    if due is not None and due < now - grace:
        yield f"{name}: {read.state}, and its time passed {now - due} ago"
    settled = not read.body.history or read.body.history[-1].at < now - grace
    if (
        queued is not None
        and read.state is T.QUEUED
        and settled
        and name not in queued
        and read.body.what != "canary"
    ):
        yield f"{name}: queued, and not on the agents' list"
