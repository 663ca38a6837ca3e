"""The mails about appointments, written when they are sent, with their calendar part. Nothing rests in a queue."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from maintenance import booking_links, garage_links
from maintenance import calls as choice
from maintenance.appointments import Appointment, number_of
from maintenance.calendar import Entry, Method, Party, invitation
from maintenance.explaining import Language, about_system
from maintenance.garage_model import Garage
from maintenance.garages import Garages
from maintenance.limits import GarageLimits
from maintenance.model import Read
from maintenance.slots import Slot
from maintenance.states import AppointmentState
from maintenance.visit_words import Said, reference_of, say, word
from people.cars import Cars
from people.persons import Persons
from spine.clock import Clock
from spine.ids import AppointmentId, GarageId, PersonId, SlotId
from spine.store import Store
from webhooks.dispatch import Brief
from webhooks.mail import Invitation, Letter, Link

A = AppointmentState
_STILL: Final = {
    "appointment.booked": A.BOOKED,
    "appointment.moved": A.BOOKED,
    "appointment.cancelled": A.CANCELLED,
    "appointment.no_show": A.NO_SHOW,
    "appointment.done": A.DONE,
}
"""In which state an appointment still is what a mail would say; later mails say the rest."""
_BY_GARAGE: Final = frozenset({"garage", "garage_closed", "slot_lost"})
_FALLEN: Final = frozenset({A.CANCELLED, A.NO_SHOW})


@dataclass(frozen=True, slots=True)
class _Visit:
    """Which entry of a calendar, as of which change."""

    uid: str
    sequence: int
    start: datetime
    end: datetime


class VisitComposing:
    """The composer of everything whose type begins with ``appointment``."""

    def __init__(
        self,
        store: Store,
        garages: Garages,
        cars: Cars,
        persons: Persons,
        clock: Clock,
        limits: GarageLimits,
        *,
        host: str,
        sender: str,
    ) -> None:
        """``host``: of this installation, for names in calendars. ``sender``: the mail address letters come from."""
        self._store = store
        self._garages = garages
        self._cars = cars
        self._persons = persons
        self._clock = clock
        self._limits = limits
        self._host = host
        self._sender = sender

    async def __call__(self, brief: Brief) -> Letter | None:
        """What to say now; None where there is nothing to say any more."""
        if brief.person is None:
            return None
        found = Appointment.of(await self._store.load(AppointmentId(brief.reference["appointment"])))
        if found is None:
            return None
        if "former" in brief.reference:
            return await self._moved_away(brief, found)
        if found.state is not _STILL[brief.type] or str(found.body.sequence) != brief.reference["sequence"]:
            return None
        read = Read.of(await self._store.load(found.body.case))
        garage = await self._garages.view(found.body.garage)
        if "garage" in brief.reference:
            return None if garage is None else self._to_garage(brief, found, garage, read)
        return await self._to_owner(brief, found, garage, read, brief.person)

    async def _to_owner(
        self, brief: Brief, found: Appointment, garage: Garage | None, read: Read | None, person: PersonId
    ) -> Letter | None:
        view, now = await self._persons.view(person), self._clock.now()
        role = await self._cars.role_of(person, found.body.vehicle, now=now)
        if view is None or role is None or not role.may_approve:
            return None
        if role.visible_from > found.body.booked_at:
            return None
        calls = choice.read(await self._store.load(choice.subject_of(found.body.vehicle)))
        language = choice.written_to(person, calls, view.language)
        said = say(
            f"owner.{_owners_text(brief.type, found)}", language, garage=garage, appointment=found.id,
            start=found.body.start, system=read.body.system if read else "",
        )  # fmt: skip
        summary = word("visit", language, garage=garage.details.name if garage else "-")
        calendar = self._calendar(
            found, garage, said, summary, Party(view.name or view.email, view.email), language
        )
        link = self._owners_link(brief, found, read, person, language)
        return Letter(view.email, said.subject, said.lines, link, calendar, language)

    def _to_garage(self, brief: Brief, found: Appointment, garage: Garage, read: Read | None) -> Letter:
        language = garage.details.languages[0]
        system = read.body.system if read else ""
        said = say(
            f"garage.{brief.type.partition('.')[2]}", language, garage=garage, appointment=found.id,
            start=found.body.start, system=system,
        )  # fmt: skip
        summary = word("car", language, reference=reference_of(found.id))
        if system:
            summary = f"{summary}: {about_system(system, language)}"
        to = Party(garage.details.name, garage.details.mail)
        calendar = self._calendar(found, garage, said, summary, to, language)
        link = None
        if found.state is A.BOOKED:
            until = found.body.start + self._limits.garage_link_life
            link = garage_links.wanted(word("open", language), garage.id, found.id, until)
        return Letter(garage.details.mail, said.subject, said.lines, link, calendar, language)

    async def _moved_away(self, brief: Brief, found: Appointment) -> Letter | None:
        """For the garage that had it before: its calendar's entry goes."""
        garage = await self._garages.view(GarageId(brief.reference["garage"]))
        slot = Slot.of(await self._store.load(SlotId(brief.reference["former"])))
        if garage is None or slot is None or found.body.garage == garage.id:
            return None
        language = garage.details.languages[0]
        said = say(
            "garage.moved_away",
            language,
            garage=garage,
            appointment=found.id,
            start=slot.body.start,
            system="",
        )
        visit = _Visit(found.uid, int(brief.reference["sequence"]), slot.body.start, slot.body.end)
        summary = word("car", language, reference=reference_of(found.id))
        to = Party(garage.details.name, garage.details.mail)
        entry = self._entry(visit, garage, said, summary, to, language)
        calendar = Invitation("CANCEL", invitation(entry, "CANCEL", host=self._host))
        return Letter(garage.details.mail, said.subject, said.lines, None, calendar, language)

    def _owners_link(
        self, brief: Brief, found: Appointment, read: Read | None, person: PersonId, language: Language
    ) -> Link | None:
        """Move or cancel this one while it stands; choose the next one once it fell, as long as the case is open."""
        until = self._clock.now() + self._limits.link_life
        if found.state is A.BOOKED:
            last = max(until, found.body.start + timedelta(days=1))
            return booking_links.wanted(
                word("change", language),
                person,
                found.body.case,
                number_of(found.id),
                last,
                message=brief.message,
            )
        if found.state not in _FALLEN or read is None or not read.open:
            return None
        following = read.body.trigger.appointments + 1
        return booking_links.wanted(
            word("choose", language), person, found.body.case, following, until, message=brief.message
        )

    def _calendar(
        self,
        found: Appointment,
        garage: Garage | None,
        said: Said,
        summary: str,
        to: Party,
        language: Language,
    ) -> Invitation | None:
        """None where the calendar need not change: a missed or finished visit stays where it was."""
        if found.state not in {A.BOOKED, A.CANCELLED}:
            return None
        method: Method = "CANCEL" if found.state is A.CANCELLED else "REQUEST"
        body = found.body
        visit = _Visit(found.uid, body.sequence, body.start, body.end)
        entry = self._entry(visit, garage, said, summary, to, language)
        return Invitation(method, invitation(entry, method, host=self._host))

    def _entry(
        self, visit: _Visit, garage: Garage | None, said: Said, summary: str, to: Party, language: Language
    ) -> Entry:
        return Entry(
            uid=visit.uid,
            sequence=visit.sequence,
            start=visit.start,
            end=visit.end,
            stamp=self._clock.now(),
            summary=summary,
            description="\n".join(said.lines),
            location=f"{garage.details.name}, {garage.details.address}" if garage else "",
            organizer=Party(garage.details.name if garage else "Trunkline", self._sender),
            attendee=to,
            language=language,
        )


def _owners_text(type_: str, found: Appointment) -> str:
    what = type_.partition(".")[2]
    if what == "cancelled" and found.body.why in _BY_GARAGE:
        return "cancelled_garage"
    if what == "cancelled" and found.body.why == "agent":
        return "cancelled_agent"
    return "unheard" if found.body.why == "unheard" and what == "no_show" else what
