"""`GET /metrics`: what the mechanisms that lose no alert had to do, as Prometheus reads it, for operators.

Everything is read from the store when it is asked for, so that one scrape shows all processes. The text format
(0.0.4) is four rules; a library would keep counts per process, which is what is not wanted here.
"""

from collections.abc import Iterable, Mapping
from typing import Annotated, Final

from fastapi import APIRouter, Depends, Response

from maintenance.centers_sweep import OUT
from maintenance.lists import ALL, IN_STATE, OPEN
from maintenance.states import OPEN as OPEN_STATES
from maintenance.sweeping import GAUGES
from people.access import OperatorPrincipal
from people.api_parts import problems
from spine.counters import Counters
from spine.dead_letters import DeadLetters
from spine.parked import Parked
from spine.timers import LateTimers
from trunkline.compose import Services
from trunkline.groups import GROUPS

MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"
_GATEWAY: Final = "gateway"
_MAINTENANCE: Final = "maintenance"

Sample = tuple[Mapping[str, str], float]


def routes(parts: Services) -> APIRouter:
    """One route, with an operator's token."""
    router = APIRouter(tags=["operators"])

    @router.get("/metrics", responses=problems(401, 503), response_class=Response, summary="Metrics")
    async def metrics(_: Annotated[OperatorPrincipal, Depends(parts.people.access.operator())]) -> Response:
        """Counters and gauges in Prometheus' text format."""
        return Response(await text(parts), media_type=MEDIA)

    return router


async def text(parts: Services) -> str:
    """All of it."""
    base, counters = parts.ground, Counters(parts.ground.valkey)
    now = base.clock.now().timestamp()
    parked, cases = Parked(base.valkey, base.house), await counters.all(_MAINTENANCE)
    gateway, gauges = await counters.all(_GATEWAY), await counters.all(GAUGES)
    lines = [
        *_gauge("parked_entries", "Log entries that a reader gave up on.", [
            ({"group": group}, len(await parked.list(group))) for group in GROUPS
        ]),
        *_gauge("late_timers", "Timers whose handler fails.", [
            ({}, len(await LateTimers(base.valkey, base.house).list()))
        ]),
        *_gauge("dead_letters", "Messages nobody could read.", [
            ({}, await DeadLetters(base.valkey, base.house).count())
        ]),
        *_gauge("cases_open", "Open cases.", [({}, await base.index.count(OPEN, ALL))]),
        *_gauge("cases", "Open cases by the state of their trigger.", [
            ({"state": state.value}, await base.index.count(IN_STATE, state.value)) for state in sorted(OPEN_STATES)
        ]),
        *_gauge("cases_at_centers", "Cases that a contact center has.", [({}, await base.index.count(OUT, ALL))]),
        *_counter("case_events_total", "What the mechanisms of cases had to do.", "what", cases),
        *_counter("gateway_events_total", "Snapshots asked for, repeated messages dropped.", "what", gateway),
        *_gauge("sweep_violations", "Violations the newest sweep found.", _one(gauges, "sweep_violations")),
        *_gauge("sweep_age_seconds", "Since the newest whole sweep.", _age(gauges, "sweep_at", now)),
        *_gauge("canary_age_seconds", "Since a fault of the canary came out.", _age(gauges, "canary_at", now)),
        *_gauge("canary_took_ms", "From the unit to the agents' list.", _one(gauges, "canary_took_ms")),
    ]  # fmt: skip
    return "\n".join(lines) + "\n"


def _one(values: Mapping[str, int], name: str) -> list[Sample]:
    return [({}, values[name])] if name in values else []


def _age(values: Mapping[str, int], name: str, now: float) -> list[Sample]:
    return [({}, max(0.0, round(now - values[name], 1)))] if name in values else []


def _gauge(name: str, says: str, samples: Iterable[Sample]) -> list[str]:
    return _family(name, says, "gauge", samples)


def _counter(name: str, says: str, label: str, values: Mapping[str, int]) -> list[str]:
    return _family(name, says, "counter", [({label: what}, n) for what, n in sorted(values.items())])


def _family(name: str, says: str, kind: str, samples: Iterable[Sample]) -> list[str]:
    """Names of labels and their values are our own words: escaped all the same."""
    whole = f"trunkline_{name}"
    rows = [f"{whole}{_labels(labels)} {value}" for labels, value in samples]
    return [f"# HELP {whole} {says}", f"# TYPE {whole} {kind}", *rows]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    escaped = (
        (name, text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n"))
        for name, text in labels.items()
    )
    return "{" + ",".join(f'{name}="{text}"' for name, text in escaped) + "}"
