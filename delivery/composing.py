"""The bodies of news, made when it is sent from the records as they are then; nothing rests in a queue."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from delivery import car_letters
from delivery.deciding import Deciding
from delivery.events import CarrierNamed, OwnersEventOut
from delivery.fallback import Fallbacks
from delivery.hours import Quiet
from delivery.mailed import BLOCK_PAGE, PAGE
from delivery.model import Read
from delivery.notices import as_notice
from delivery.notifying import OVER
from delivery.ports import Carriers, Persons
from delivery.problems import NoSuchDelivery
from delivery.questions import Question
from delivery.rules import RuleBook
from delivery.service import Deliveries
from delivery.states import ACTS, Act, State
from delivery.views import asked_out, carrier_view, key_out
from delivery.waiting import Waiting
from people.model import PersonView
from spine.ids import CarrierId, DeliveryId, PersonId, VehicleId, prefix_of
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.mail import Letter, Link

SUBJECTS: Final[Mapping[str, str]] = {
    "delivery.asked": "May {carrier} deliver into your car?",
    "delivery.approved": "Approved: a delivery by {carrier}",
    "delivery.opened": "Your car was opened for {carrier}",
    "delivery.declined": "Declined: a delivery by {carrier}",
    "delivery.disowned": "Blocked: {carrier} may not ask for your car",
    "delivery.delivered": "Done: the delivery by {carrier}",
    "delivery.failed": "It did not work out: the delivery by {carrier}",
    "delivery.cancelled": "Cancelled: the delivery by {carrier}",
    "delivery.expired": "Over: the window of the delivery by {carrier}",
    "delivery.blocked": "Blocked: the delivery by {carrier}",
    "delivery.unsure": "Please look: your car may be open",
    "delivery.left_open": "Your car stands open",
    "delivery.out_of_place": "Your car is not where {carrier} expects it",
    "delivery.carrier_doubted": "{carrier} came twice and opened nothing",
}
WORDS: Final[Mapping[str, str]] = {
    "delivery.approved": "If that was not right, block it on its page: nothing opens after that.",
    "delivery.declined": "Nobody gets a key, and nothing is opened.",
    "delivery.disowned": (
        "Somebody who decides about your car said that nothing of the kind was ordered. The delivery is declined, "
        "and this carrier's orders for your car are not put to you any more until an owner lifts that on your page. "
        "The people who run the service have been told."
    ),
    "delivery.opened": "The car opened for the courier and locks by itself when the lid is shut.",
    "delivery.delivered": "The car was shut and locked again. The key is used up.",
    "delivery.failed": "The courier could not do it. The key no longer opens anything once it is destroyed.",
    "delivery.cancelled": "The carrier cancelled it.",
    "delivery.expired": "The time agreed for it is over.",
    "delivery.blocked": "It was blocked. Its key is being destroyed; the page says when that is certain.",
    "delivery.unsure": (
        "The car did not say what happened when the courier opened it. It may be open: please have a look. "
        "As soon as the car answers, the page shows it."
    ),
    "delivery.left_open": (
        "The lid was still up two minutes after the opening. "
        "The lock is armed and shuts when the lid comes down."
    ),
    "delivery.out_of_place": "Move the car, or change the place on the delivery's page.",
    "delivery.carrier_doubted": (
        "Two deliveries of this carrier ended unopened after the courier could see where your car stands. "
        "You can block its orders. What you allowed it beforehand rests until you let it come again on your page."
    ),
}


class Composing:
    """The composer of everything whose type begins with ``delivery``."""

    def __init__(
        self,
        deliveries: Deliveries,
        deciding: Deciding,
        persons: Persons,
        carriers: Carriers,
        waiting: Waiting,
        fallbacks: Fallbacks,
        *,
        public_url: str,
    ) -> None:
        self._deliveries = deliveries
        self._deciding = deciding
        self._persons = persons
        self._carriers = carriers
        self._waiting = waiting
        self._fallbacks = fallbacks
        self._public_url = public_url

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now; None where there is nothing to say any more."""
        said = await self._said(brief)
        if brief.device is None or not isinstance(said, Letter):
            return said
        quiet = await self._quiet(brief)
        return as_notice(brief, said, quiet, self._deliveries.clock.now(), self._public_url)

    async def _quiet(self, brief: Brief) -> Quiet | None:
        """When the household of the car that this is about sleeps."""
        vehicle = VehicleId(brief.reference["vehicle"]) if "vehicle" in brief.reference else None
        if vehicle is None:
            vehicle = (await self._deliveries.read(DeliveryId(brief.reference["delivery"]))).body.vehicle
        if vehicle is None:
            return None
        rules, _ = await RuleBook(self._deliveries.store).of(vehicle)
        return rules.quiet

    async def _said(self, brief: Brief) -> News | Letter | None:
        if "vehicle" in brief.reference:
            return await self._about_the_car(brief)
        try:
            read = await self._deliveries.read(DeliveryId(brief.reference["delivery"]))
        except NoSuchDelivery:
            return None
        if brief.person is not None:
            return await self._letter(brief, read, brief.person)
        if brief.subscriber is None:
            return None
        if prefix_of(brief.subscriber) == "car":
            data = carrier_view(read, await self._fallbacks.told(read)).model_dump(mode="json")
        else:
            found = await self._for_a_system(brief, read, PersonId(brief.subscriber))
            if found is None:
                return None
            data = found
        return News(data=data, subject=read.id, sequence=sequence_of(brief.reference["position"]))

    async def _for_a_system(self, brief: Brief, read: Read, person: PersonId) -> dict[str, Any] | None:
        """For a system linked to a person of the car: with the question where it is put."""
        question = await self._deciding.question(read)
        if brief.type == "delivery.asked" and not _asks(read, question):
            return None
        if not await self._still_concerned(person, read):
            return None
        told = OwnersEventOut(
            delivery=read.id,
            state=read.state,
            livemode=read.body.livemode,
            vehicle=read.body.vehicle,
            carrier=CarrierNamed(id=read.body.carrier, name=await self._carrier(read)),
            window=read.body.window,
            key=key_out(read),
            question=asked_out(read, question, await self._deciding.needed(person, read)),
            page=f"{self._public_url}/deliveries/{read.id}",
        )
        return told.model_dump(mode="json")

    async def _letter(self, brief: Brief, read: Read, person: PersonId) -> Letter | None:
        view = await self._persons.view(person)
        if view is None or not await self._still_concerned(person, read):
            return None
        carrier = await self._carrier(read)
        if brief.type == OVER:
            return await self._over(read, view, carrier)
        subject = SUBJECTS[brief.type].format(carrier=carrier)
        if brief.type == "delivery.asked":
            question = await self._deciding.question(read)
            if not _asks(read, question) or read.body.question is None:
                return None
            link = Link(
                label="Look and answer",
                page=PAGE,
                person=person,
                reference={"question": read.body.question, "entry": view.email_entry},
                until=brief.expires_at,
            )
            return Letter(view.email, subject, await self._asked(read, question, carrier), link)
        lines = [WORDS[brief.type]]
        if (who := self._who(brief.type, await self._deciding.question(read), person)) is not None:
            lines.insert(0, who)
        if brief.type == "delivery.out_of_place" and read.body.out_by:
            lines.insert(0, f"It stands about {read.body.out_by} m outside the place you agreed to.")
        if brief.type in {"delivery.unsure", "delivery.left_open"} and _is_shut(read):
            lines.append("Meanwhile the car has said: the boot is shut.")
        lines.append(f"The delivery's page: {self._public_url}/deliveries/{read.id}")
        return Letter(view.email, subject, lines, await self._to_block(brief, read, view))

    async def _over(self, read: Read, person: PersonView, carrier: str) -> Letter:
        """In a question's place on a screen: what was decided and by whom, or that nothing is asked any more."""
        question = await self._deciding.question(read)
        decided = question.decided if question is not None else None
        type_ = f"delivery.{'approved' if decided.answer == 'approve' else 'declined'}" if decided else ""
        who = self._who(type_, question, person.id)
        subject = SUBJECTS.get(type_, "Nothing to answer any more: a delivery by {carrier}").format(
            carrier=carrier
        )
        return Letter(person.email, subject, [who] if who else ["It is not asked any more."])

    async def _to_block(self, brief: Brief, read: Read, person: PersonView) -> Link | None:
        """Who was not asked can stop it from the mail itself: by a button of its page, never by looking."""
        approval = read.body.approval
        unasked = brief.type == "delivery.approved" and approval is not None and approval.level == "standing"
        if not unasked or read.body.question is None or read.state not in ACTS[Act.BLOCK]:
            return None
        if not await self._deciding.may_decide(person.id, read):
            return None
        reference = {"question": read.body.question, "entry": person.email_entry}
        return Link("Look, and block it", BLOCK_PAGE, person.id, reference, brief.expires_at)

    def _who(self, type_: str, question: Question | None, person: PersonId) -> str | None:
        """Who decided and how, for whoever reads it; None where that is not what the mail is about."""
        decided = question.decided if question is not None else None
        if decided is None or type_ not in {"delivery.approved", "delivery.declined"}:
            return None
        mine, how = decided.by == person, decided.source.partition(":")[0]
        did = "approved" if decided.answer == "approve" else "declined"
        if how == "standing":
            whose = "your standing approval" if mine else "the standing approval of another owner"
            return f"Nobody was asked: {whose} let it in."
        if how == "system":
            return f"A system linked to {'you' if mine else 'another person of your car'} {did} it."
        return f"{'You' if mine else 'Another person of your car'} {did} it."

    async def _about_the_car(self, brief: Brief) -> Letter | None:
        """Mails about a car and no single delivery: what waits, and what changed about how it is guarded."""
        vehicle = VehicleId(brief.reference["vehicle"])
        if brief.person is None or not await self._deciding.decides_for(brief.person, vehicle):
            return None
        view = await self._persons.view(brief.person)
        if view is None:
            return None
        if brief.type == "delivery.waiting":
            waits = await self._waiting.at(vehicle, brief.person)
            said = [(await self._carrier(one), one.body.window) for one in waits]
            return car_letters.waiting(view.email, said, self._public_url)
        carrier = await self._carriers.view(CarrierId(brief.reference.get("carrier", "")))
        return car_letters.changed(
            brief.type,
            view.email,
            brief.reference,
            carrier.name if carrier else "a carrier",
            self._public_url,
        )

    async def _asked(self, read: Read, question: Question | None, carrier: str) -> list[str]:
        body = read.body
        courier = question.content().get("courier") if question is not None else None
        what = "leave something in" if body.kind == "dropoff" else "fetch something from"
        where = "the boot" if body.act == "boot" else "the boot and the cabin"
        lines = [f"{carrier} would like to {what} {where} of your car."]
        if courier is not None:
            lines.append(f"The courier is {courier['name']}.")
        lines += [
            f"When: {_time(body.window.start)} to {_time(body.window.end)}.",
            f"Please answer before {_time(body.approve_by)}. Without an answer nothing happens.",
        ]
        return lines

    async def _still_concerned(self, person: PersonId, read: Read) -> bool:
        return await self._deciding.concerns(person, read)

    async def _carrier(self, read: Read) -> str:
        view = await self._carriers.view(read.body.carrier)
        return view.name if view else "a carrier"


def _asks(read: Read, question: Question | None) -> bool:
    return read.state is State.ASKED and question is not None and question.decided is None


def _is_shut(read: Read) -> bool:
    return read.state in {State.CLOSED, State.DELIVERED} or read.body.locked_at is not None


def _time(at: datetime) -> str:
    return f"{at:%a %d %b %H:%M} UTC"
