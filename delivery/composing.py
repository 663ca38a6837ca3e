"""The bodies of news, made when it is sent from the records as they are then; nothing rests in a queue."""

from typing import Any, Final

from delivery import car_letters, letter_words
from delivery.deciding import Deciding
from delivery.events import CarrierNamed, OwnersEventOut
from delivery.fallback import Fallbacks
from delivery.hours import Quiet
from delivery.mailed import BLOCK_PAGE, PAGE
from delivery.model import Read
from delivery.notices import as_notice
from delivery.notifying import OVER
from delivery.ports import CarPeople, Carriers, Persons
from delivery.problems import NoSuchDelivery
from delivery.questions import Question
from delivery.rules import RuleBook
from delivery.service import Deliveries
from delivery.states import ACTS, Act, State
from delivery.views import asked_out, carrier_view, key_out
from delivery.waiting import Waiting
from people.model import PersonView
from spine.ids import CarrierId, DeliveryId, PersonId, VehicleId, prefix_of
from spine.words import UTC, Speak, Text, Words, untranslated
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.mail import Letter, Link

_UNDONE: Final = frozenset({"delivery.failed", "delivery.expired", "delivery.declined"})


class Composing:
    """The composer of everything whose type begins with ``delivery``."""

    def __init__(  # noqa: PLR0913 - each knows a part of what is told
        self,
        deliveries: Deliveries,
        deciding: Deciding,
        persons: Persons,
        carriers: Carriers,
        waiting: Waiting,
        cars: CarPeople,
        fallbacks: Fallbacks,
        *,
        public_url: str,
        speak: Speak = untranslated,
    ) -> None:
        """``speak``: what mails are written with."""
        self._deliveries = deliveries
        self._deciding = deciding
        self._persons = persons
        self._carriers = carriers
        self._waiting = waiting
        self._cars = cars
        self._fallbacks = fallbacks
        self._public_url = public_url
        self._speak = speak

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
        words = self._speak(view.language)
        carrier = await self._carrier(read, words)
        if brief.type == OVER:
            return await self._over(read, view, words, carrier)
        subject = words.say(letter_words.SUBJECTS[brief.type], carrier=carrier)
        question = await self._deciding.question(read)
        if brief.type == "delivery.asked":
            if not _asks(read, question) or read.body.question is None:
                return None
            link = Link(
                label=words.say(letter_words.LOOK_AND_ANSWER),
                page=PAGE,
                person=person,
                reference={"question": read.body.question, "entry": view.email_entry},
                until=brief.expires_at,
            )
            courier = question.content().get("courier") if question is not None else None
            named = courier["name"] if courier is not None else None
            lines = letter_words.asked(words, read.body, carrier, named, await self._zone(read.body.vehicle))
            return Letter(view.email, subject, lines, link, language=words.language)
        lines = [words.say(letter_words.WORDS[brief.type])]
        if (who := _who(brief.type, question, person)) is not None:
            lines.insert(0, words.say(who))
        if brief.type == "delivery.out_of_place" and read.body.out_by:
            lines.insert(0, words.say(letter_words.OUT_BY, metres=str(read.body.out_by)))
        if brief.type in {"delivery.unsure", "delivery.left_open"} and _is_shut(read):
            lines.append(words.say(letter_words.SHUT))
        if brief.type in _UNDONE and (line := await self._instead(read, words)) is not None:
            lines.append(line)
        lines.append(words.say(letter_words.PAGE, page=f"{self._public_url}/deliveries/{read.id}"))
        link_or_none = await self._to_block(brief, read, view, words)
        return Letter(view.email, subject, lines, link_or_none, language=words.language)

    async def _instead(self, read: Read, words: Words) -> str | None:
        """Of a parcel that was not handed over: that another place is named, and until when its carrier may read it."""
        told = await self._fallbacks.told(read)
        if told is None or told.until is None:
            return None
        until = words.moment(told.until, await self._zone(read.body.vehicle))
        return words.say(letter_words.FALLBACKS[told.to], time=until)

    async def _over(self, read: Read, person: PersonView, words: Words, carrier: str) -> Letter:
        """In a question's place on a screen: what was decided and by whom, or that nothing is asked any more."""
        question = await self._deciding.question(read)
        decided = question.decided if question is not None else None
        type_ = f"delivery.{'approved' if decided.answer == 'approve' else 'declined'}" if decided else ""
        who = _who(type_, question, person.id)
        subject = words.say(letter_words.SUBJECTS.get(type_, letter_words.OVER), carrier=carrier)
        said = words.say(who or letter_words.NOT_ASKED)
        return Letter(person.email, subject, [said], language=words.language)

    async def _to_block(self, brief: Brief, read: Read, person: PersonView, words: Words) -> Link | None:
        """Who was not asked can stop it from the mail itself: by a button of its page, never by looking."""
        approval = read.body.approval
        unasked = brief.type == "delivery.approved" and approval is not None and approval.level == "standing"
        if not unasked or read.body.question is None or read.state not in ACTS[Act.BLOCK]:
            return None
        if not await self._deciding.may_decide(person.id, read):
            return None
        reference = {"question": read.body.question, "entry": person.email_entry}
        return Link(
            words.say(letter_words.LOOK_AND_BLOCK), BLOCK_PAGE, person.id, reference, brief.expires_at
        )

    async def _about_the_car(self, brief: Brief) -> Letter | None:
        """Mails about a car and no single delivery: what waits, and what changed about how it is guarded."""
        vehicle = VehicleId(brief.reference["vehicle"])
        if brief.person is None or not await self._deciding.decides_for(brief.person, vehicle):
            return None
        view = await self._persons.view(brief.person)
        if view is None:
            return None
        words = self._speak(view.language)
        if brief.type == "delivery.waiting":
            waits = await self._waiting.at(vehicle, brief.person)
            said = [(await self._carrier(one, words), one.body.window) for one in waits]
            return car_letters.waiting(words, view.email, said, self._public_url, await self._zone(vehicle))
        carrier = await self._carriers.view(CarrierId(brief.reference.get("carrier", "")))
        name = carrier.name if carrier else words.say(letter_words.A_CARRIER)
        return car_letters.changed(words, brief.type, view.email, brief.reference, name, self._public_url)

    async def _zone(self, vehicle: VehicleId | None) -> str:
        """By whose clock a letter tells times: the car's, which it names; UTC where nobody said."""
        return (await self._cars.zone_of(vehicle) if vehicle is not None else None) or UTC

    async def _still_concerned(self, person: PersonId, read: Read) -> bool:
        return await self._deciding.concerns(person, read)

    async def _carrier(self, read: Read, words: Words | None = None) -> str:
        view = await self._carriers.view(read.body.carrier)
        return view.name if view else (words or self._speak("")).say(letter_words.A_CARRIER)


def _asks(read: Read, question: Question | None) -> bool:
    return read.state is State.ASKED and question is not None and question.decided is None


def _is_shut(read: Read) -> bool:
    return read.state in {State.CLOSED, State.DELIVERED} or read.body.locked_at is not None


def _who(type_: str, question: Question | None, person: PersonId) -> Text | None:
    """Who decided and how, for whoever reads it; None where that is not what the mail is about."""
    decided = question.decided if question is not None else None
    if decided is None or type_ not in {"delivery.approved", "delivery.declined"}:
        return None
    return letter_words.who(decided.answer, decided.source, mine=decided.by == person)
