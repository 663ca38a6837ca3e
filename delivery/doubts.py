"""A carrier whose deliveries keep ending unopened after the place was shown: the owner is told (Abuse)."""

from collections.abc import Mapping
from datetime import datetime

from pydantic import AwareDatetime

from delivery import barred
from delivery.barred import BarredBody
from delivery.model import Frozen, Read
from delivery.service import Deliveries, Turn, told
from delivery.states import State
from delivery.timing import place_was_shown
from spine.facts.delivery import CarrierDoubted
from spine.ids import body_of, named_after
from spine.store import Saved, Write

_UNOPENED = frozenset({State.CANCELLED, State.EXPIRED, State.FAILED, State.REFUSED, State.RESCHEDULED})


class _Doubt(Frozen):
    """``dbt_<vehicle body>.<carrier body>``: such ends of late, by delivery."""

    ends: Mapping[str, AwareDatetime] = {}


class Doubts:
    """Counts per car and carrier."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries

    async def look(self, read: Read, now: datetime) -> None:
        """Count this end if it is such a one; ``delivery.carrier_doubted`` when it makes too many.

        Then what the household allowed this carrier beforehand rests until an owner lifts that.
        """
        body, limits = read.body, self._deliveries.limits
        ended = body.finished_at or now
        if read.state not in _UNOPENED or body.opened_at is not None or body.vehicle is None:
            return
        if body.test is not None or not place_was_shown(body, ended, limits):
            return
        subject = named_after("dbt", body.vehicle, body_of(body.carrier))
        bars = barred.subject_of(body.vehicle)

        def decide(read: Read, saved: Mapping[str, Saved]) -> Turn | None:
            doubt = _Doubt.model_validate_json(saved[subject].body)
            if read.id in doubt.ends:
                return None
            recent = {one: at for one, at in doubt.ends.items() if ended - at < limits.unopened_within}
            ends = {**recent, read.id: ended}
            full = len(ends) >= limits.unopened_most
            after = _Doubt(ends=ends)
            facts = [told(CarrierDoubted, read, now)] if full else []
            writes = {subject: Write("counted", after.model_dump_json())}
            if full:
                writes[bars] = BarredBody.of(saved[bars]).doubts(read.body.carrier, now).write()
            return Turn(read.body, facts, writes=writes)

        await self._deliveries.change(read.id, decide, also=[subject, bars])
