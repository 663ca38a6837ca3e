"""Cases, choices and limits that the tests of the desk begin with."""

from datetime import UTC, datetime, timedelta
from typing import Any

from maintenance.limits import DeskLimits
from maintenance.model import Call, Calls, CaseBody, Dialled, Lease, Read, Trigger
from maintenance.states import TriggerState
from spine.ids import AgentId, CaseId, DeliveryId, PersonId, VehicleId

LIMITS = DeskLimits()
CAR = VehicleId("veh_3k7m9qxd4hwe2a5t")
OWNER = PersonId("per_5c2h8tq4n6w0rj3v")
AGENT = AgentId("agt_2c2h8tq4n6w0rj3v")
OTHER = AgentId("agt_1c2h8tq4n6w0rj3v")
TOKEN = "ab" * 16
NOON = datetime(2030, 5, 7, 10, 0, tzinfo=UTC)
"""A Tuesday, 12:00 in Amsterdam."""
PHONE = "+31612345678"


def case_id(n: int = 1, system: str = "brakes", car: str = CAR) -> CaseId:
    return CaseId(f"cse_{car[4:]}.{system}.{n}")


def calls(**changes: Any) -> Calls:
    return Calls(**{"person": OWNER, "on": True, "phone": PHONE, "chosen_at": NOON, **changes})


def unchecked(**changes: Any) -> Calls:
    """A choice as another machine, with other zones, may have kept it."""
    return Calls.model_construct(**{**dict(calls()), **changes})


def body(now: datetime = NOON, **changes: Any) -> CaseBody:
    trigger = Trigger(since=now - timedelta(hours=1), due=now - timedelta(hours=1)).but(
        **changes.pop("trigger", {})
    )
    about = {
        "vehicle": CAR, "system": "brakes", "n": 1, "severity": "high", "codes": ("C0044",),
        "opened_at": now - timedelta(hours=1), "trigger": trigger,
    }  # fmt: skip
    return CaseBody(**{**about, **changes})


def leased(now: datetime = NOON, *, dialled: bool = True, made: int = 0, **changes: Any) -> Read:
    """A case that AGENT has, having dialled, after so many earlier calls."""
    lease = Lease(by=AGENT, token=TOKEN, since=now, until=now + LIMITS.lease)
    earlier = tuple(
        Call(n=n, at=now - timedelta(days=9), by=OTHER, person=OWNER, disposition="no_answer")
        for n in range(1, made + 1)
    )
    more = {"dialled": Dialled(n=made + 1, by=AGENT, person=OWNER, at=now)} if dialled else {}
    trigger = {"lease": lease, "calls": earlier, **more, **changes.pop("trigger", {})}
    if changes.get("what") == "help":
        changes = {"system": "help", "delivery": DeliveryId("dlv_3k7m9qxd4hwe2a5t"), **changes}
    made_body = body(now, trigger=trigger, **changes)
    return Read(id=case_id(system=made_body.system), state=TriggerState.LEASED, body=made_body)
