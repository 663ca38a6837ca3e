"""What the policy's happenings make of a case in the store: opened, more urgent, closed, open again. Pure."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from maintenance import hearing, starting
from maintenance.cases import Case, CaseState, Happening
from maintenance.model import LEVELS, Calls, CaseBody, Read
from maintenance.starting import Starting, Story
from maintenance.states import TriggerState
from spine.facts import maintenance as f
from spine.facts.maintenance import CanarySent
from spine.ids import CaseId, VehicleId

log = logging.getLogger("trunkline.maintenance")


@dataclass(frozen=True, slots=True)
class About:
    """What a case takes from the scan that opened it."""

    odometer_m: int | None = None
    freeze: hearing.Freeze | None = None
    sung: CanarySent | None = None
    """It is a canary's: told with the case that it opens, or opens again."""


@dataclass(frozen=True, slots=True)
class Telling:
    """When it is told, and by which rules."""

    now: datetime
    rules: Starting


def story_of(
    name: CaseId, read: Read | None, vehicle: VehicleId, case: Case, happened: Sequence[Happening], calls: Calls | None,
    about: About, telling: Telling,
) -> Story | None:  # fmt: skip
    """One case after what happened to it; None where its subject is gone."""
    now, rules = telling.now, telling.rules
    opened = next((one for one in happened if one.kind == "case.opened"), None)
    if read is not None:
        story = Story(name, read.body, read.state, now)
    elif opened is not None:
        story = Story(name, _new(vehicle, opened, about, now), TriggerState.NEW, now)
        story.tell(
            f.CaseOpened, what=_what(opened), system=opened.system, severity=opened.severity.word,
            severity_source=opened.source, codes=opened.codes, why=opened.why,
        )  # fmt: skip
        starting.begin(story, calls, rules, opened.why)
    else:
        log.error("case.missing", extra={"case": name})
        return None
    for one in happened:
        level = LEVELS[one.severity - 1]
        match one.kind:
            case "case.reprioritised":
                starting.more_urgent(story, calls, rules, level, one.why)
            case "case.closed" if story.state is not TriggerState.ENDED:
                starting.end(story, one.why)
            case "case.reopened" if story.state is TriggerState.ENDED:
                starting.resume(story, calls, rules, one.why)
            case _:  # its opening was told above
                pass
    story.change(
        codes=case.codes,
        state=case.state,
        severity=story.body.at_least(LEVELS[case.severity - 1]),
        odometer_m=about.odometer_m if about.odometer_m is not None else story.body.odometer_m,
    )
    return story


def _what(opened: Happening) -> Literal["fault", "canary"]:
    return "canary" if opened.system == "canary" else "fault"


def _new(vehicle: VehicleId, opened: Happening, about: About, now: datetime) -> CaseBody:
    return CaseBody(
        what=_what(opened),
        vehicle=vehicle,
        system=opened.system,
        n=opened.n,
        state=CaseState.OPEN,
        severity=LEVELS[opened.severity - 1],
        severity_source=opened.source,
        codes=opened.codes,
        why=opened.why,
        opened_at=opened.at,
        odometer_m=about.odometer_m,
        freeze=about.freeze or {},
        trigger=starting.new_trigger(now),
    )
