"""What follows from a fact (group ``centers``): a case is looked at, a center's messages are queued, the owner is told."""

import logging
from datetime import datetime
from typing import Final

from maintenance.centers_ending import Ending
from maintenance.centers_handing import CREATED, Handing
from maintenance.centers_ports import Engine, Owners, Received
from maintenance.centers_states import BACK, Handout, handouts_of, subject_of
from maintenance.service import Cases
from spine.facts import maintenance as f
from spine.facts.webhooks import MessageDied
from spine.ids import CaseId, EndpointId, PersonId
from spine.queues import BacklogFull
from webhooks.messages import Outgoing, message_id

log = logging.getLogger("trunkline.maintenance")

GROUP: Final = "centers"
UPDATED: Final = "appointment.trigger.updated"
CANCELLED: Final = "appointment.trigger.cancelled"
RETURNED: Final = "appointment.trigger.returned"
"""The mail to the owner: nobody at the contact center took it, our own people call."""
OURS: Final = "appointment.trigger."

_Looked = (
    f.TriggerQueued, f.CaseReprioritised, f.TriggerOffered, f.TriggerScheduled, f.TriggerBooked, f.TriggerUnreached,
    f.TriggerDeclined, f.TriggerSuppressed, f.TriggerEnded, f.TriggerLeased,
)  # fmt: skip
_Heard = (*_Looked, f.CallsChosen, f.HandoutMade, f.HandoutChanged, f.HandoutEnded, MessageDied)
KINDS: Final = frozenset(str(each.model_fields["kind"].default) for each in _Heard)
"""What the reader of this group gets."""


class Reactions:
    """Read twice, the same messages are found queued and the same hand-outs made."""

    def __init__(
        self, cases: Cases, handing: Handing, ending: Ending, engine: Engine, owners: Owners
    ) -> None:
        self._cases = cases
        self._handing = handing
        self._ending = ending
        self._engine = engine
        self._owners = owners
        self._limits = cases.limits.centers

    async def handle(self, received: Received) -> None:
        """One entry of the log."""
        fact = received.fact
        match fact:
            case f.HandoutMade():
                await self._created(fact, received.position)
            case f.HandoutChanged():
                await self._told(fact, UPDATED, received.position, f"updated.{received.position}")
            case f.HandoutEnded():
                await self._ended(fact, received.position)
            case f.CallsChosen(on=False):
                await self._ending.calls_off(fact.vehicle)
            case MessageDied(type=type_, endpoint=endpoint) if type_ == CREATED and endpoint is not None:
                named = handed_by(fact.message)
                if named is not None:
                    await self._ending.died(*named, endpoint)
            case MessageDied():
                pass
            case _ if isinstance(fact, _Looked):
                await self._handing.look(fact.case)
            case _:
                pass

    async def _created(self, fact: f.HandoutMade, position: str) -> None:
        handout = await self._handout(fact.case, fact.n)
        if handout is None or handout.ended_at is not None:
            return
        for endpoint in handout.addresses:
            message = Outgoing(
                id=created_id(fact.case, fact.n, endpoint),
                type=CREATED,
                at=fact.at,
                expires_at=handout.claim_by,
                reference=_reference(fact, position),
                endpoint=endpoint,
                interactive=True,
                order_key=fact.vehicle,
                subscriber=fact.center,
            )
            try:
                await self._engine.queue(message, bounded=True)
            except BacklogFull:
                log.warning("center.address_full", extra={"endpoint": endpoint, "case": fact.case})
                await self._ending.died(fact.case, fact.n, endpoint)

    async def _ended(self, fact: f.HandoutEnded, position: str) -> None:
        handout = await self._handout(fact.case, fact.n)
        if handout is not None:
            for endpoint in handout.addresses:
                await self._engine.withdraw(created_id(fact.case, fact.n, endpoint))
        if fact.why != "concluded":
            await self._told(fact, CANCELLED, position, f"cancelled.{fact.n}")
        if fact.why in BACK:
            await self._tell_owners(fact, position)

    async def _told(
        self, fact: f.HandoutChanged | f.HandoutEnded, type_: str, position: str, what: str
    ) -> None:
        """To every address that its first message went to, after it."""
        handout = await self._handout(fact.case, fact.n)
        if handout is None or (type_ == UPDATED and handout.ended_at is not None):
            return
        until = handout.claim_by if type_ == UPDATED else fact.at + self._limits.cancel_life
        for endpoint in handout.addresses:
            message = Outgoing(
                id=message_id(fact.case, what, endpoint),
                type=type_,
                at=fact.at,
                expires_at=max(until, fact.at + self._limits.vendor_timeout),
                reference=_reference(fact, position),
                endpoint=endpoint,
                interactive=True,
                order_key=fact.vehicle,
                subscriber=fact.center,
            )
            try:
                await self._engine.queue(message, bounded=True)
            except BacklogFull:
                log.warning("center.address_full", extra={"endpoint": endpoint, "case": fact.case})

    async def _tell_owners(self, fact: f.HandoutEnded, position: str) -> None:
        now = self._cases.clock.now()
        for person in await self._owners.owners_of(fact.vehicle, now=now):
            await self._engine.queue(self._letter(fact, person, position, now))

    def _letter(self, fact: f.HandoutEnded, person: PersonId, position: str, now: datetime) -> Outgoing:
        return Outgoing(
            id=message_id(fact.case, f"returned.{fact.n}", person),
            type=RETURNED,
            at=fact.at,
            expires_at=max(now, fact.at) + self._limits.cancel_life,
            reference=_reference(fact, position),
            person=person,
            interactive=True,
        )

    async def _handout(self, case: CaseId, n: int) -> Handout | None:
        body = handouts_of(await self._cases.store.load(subject_of(case)))
        return body.numbered(n) if body else None


def created_id(case: CaseId, n: int, endpoint: EndpointId) -> str:
    """The message that hands a case out: found again to be withdrawn, and told of when it dies."""
    return message_id(case, f"created.{n}", endpoint)


def handed_by(message: str) -> tuple[CaseId, int] | None:
    """The case and the number of the hand-out that such a message is about; None for any other message."""
    head, _, rest = message.partition("_")
    parts = rest.rsplit(".", 4)
    if head != "msg" or len(parts) != 5 or parts[1] != "created" or not parts[2].isdigit():
        return None
    return CaseId(f"cse_{parts[0]}"), int(parts[2])


def _reference(fact: f.HandoutMade | f.HandoutChanged | f.HandoutEnded, position: str) -> dict[str, str]:
    """Ids and codes only: the body is made when it is sent."""
    found = {"case": fact.case, "n": str(fact.n), "center": fact.center, "position": position}
    return {**found, "why": fact.why} if isinstance(fact, f.HandoutEnded) else found
