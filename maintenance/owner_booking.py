"""What the people of a car do about an appointment: look, book, move, cancel; in a session or by a mail's link."""

from datetime import datetime

from maintenance.appointing import Appointing
from maintenance.appointments import Appointment, appointment_of, number_of
from maintenance.booking import Booking
from maintenance.booking_links import BookingLink, BookingLinks
from maintenance.explaining import Language
from maintenance.garage_problems import LinkUsed, NoSuchAppointment
from maintenance.garages import Garages
from maintenance.model import Read
from maintenance.offers import Offers
from maintenance.owner import OwnerCases
from maintenance.service import Cases, NoSuchCase
from maintenance.visit_views import VisitOut, visit_out
from people.model import RoleOnCar
from people.problems import NotYours
from spine.ids import CaseId, GarageId, PersonId, SlotId
from spine.store import Store


class OwnerBooking:
    """Asks who may, then hands on to ``maintenance.booking``."""

    def __init__(
        self,
        store: Store,
        cases: Cases,
        owner: OwnerCases,
        garages: Garages,
        offers: Offers,
        booking: Booking,
        appointing: Appointing,
        links: BookingLinks,
    ) -> None:
        self._store = store
        self._cases = cases
        self._owner = owner
        self._garages = garages
        self._offers = offers
        self._booking = booking
        self._appointing = appointing
        self._links = links

    async def visit(
        self,
        person: PersonId,
        case: CaseId,
        *,
        garage: GarageId | None = None,
        start: datetime | None = None,
        n: int | None = None,
        language: Language = "en",
    ) -> VisitOut:
        """A case, its newest appointment and what is free, from ``start`` on; ``language``: what it is about is said in.

        Raises ``NoSuchCase``, ``NotYours``, ``NoSuchGarage``.
        """
        read, role = await self._may(person, case)
        found = await self._newest(case, read.body.trigger.appointments)
        if found is not None and found.body.booked_at < role.visible_from:
            found = None  # of an earlier owner's time
        there = await self._garages.view(found.body.garage) if found is not None else None
        offers = await self._offers.of(read, garage=garage, start=start) if read.open else []
        return visit_out(read, found, there, offers, n=n, language=language)

    async def book(self, person: PersonId, case: CaseId, slot: SlotId) -> VisitOut:
        """Raises what ``Booking.book`` raises."""
        await self._may(person, case)
        await self._booking.book(case, slot, by=person)
        return await self.visit(person, case)

    async def move(self, person: PersonId, case: CaseId, slot: SlotId) -> VisitOut:
        """Raises what ``Booking.move`` raises."""
        await self._may(person, case)
        await self._booking.move((await self._current(case)).id, slot, by=person)
        return await self.visit(person, case)

    async def cancel(self, person: PersonId, case: CaseId) -> VisitOut:
        """Again: nothing. Raises what ``Appointing.cancel`` raises."""
        await self._may(person, case)
        await self._appointing.cancel((await self._current(case)).id, by=person, why="owner")
        return await self.visit(person, case)

    async def open(self, token: str, *, start: datetime | None = None, language: Language = "en") -> VisitOut:
        """What a link shows. Looking changes nothing. Raises ``LinkNotGood``."""
        link = await self._links.open(token)
        return await self.visit(link.person, link.case, start=start, n=link.n, language=language)

    async def book_by_link(self, token: str, slot: SlotId) -> VisitOut:
        """Makes the one appointment the link is for; the same again is fine. Raises ``LinkNotGood``, ``LinkUsed``."""
        link = await self._links.open(token)
        read = await self._cases.read(link.case)
        made = read.body.trigger.appointments
        if link.n != made + 1 and not await self._lives(link, made):
            raise LinkUsed(
                "this link was for an appointment that is over: open the newest mail about this car"
            )
        await self._booking.book(link.case, slot, by=link.person)
        return await self.open(token)

    async def move_by_link(self, token: str, slot: SlotId) -> VisitOut:
        """Moves the one appointment the link is for. Raises ``LinkNotGood``, ``LinkUsed``."""
        link = await self._links.open(token)
        await self._booking.move((await self._its_own(link)).id, slot, by=link.person)
        return await self.open(token)

    async def cancel_by_link(self, token: str) -> VisitOut:
        """Cancels the one appointment the link is for. Raises ``LinkNotGood``, ``LinkUsed``."""
        link = await self._links.open(token)
        await self._appointing.cancel((await self._its_own(link)).id, by=link.person, why="owner")
        return await self.open(token)

    async def _may(self, person: PersonId, case: CaseId) -> tuple[Read, RoleOnCar]:
        """Raises ``NoSuchCase`` alike for no such case and for another car's, ``NotYours`` for who is only told."""
        read, role = await self._owner.read(person, case)
        if read.body.what != "fault":
            raise NoSuchCase("there is no such case")
        if not role.may_approve:
            raise NotYours("You are told about this car, and do not decide about it.")
        return read, role

    async def _newest(self, case: CaseId, n: int) -> Appointment | None:
        return None if n < 1 else Appointment.of(await self._store.load(appointment_of(case, n)))

    async def _current(self, case: CaseId) -> Appointment:
        read = await self._cases.read(case)
        found = await self._newest(case, read.body.trigger.appointments)
        if found is None:
            raise NoSuchAppointment("this case has no appointment")
        return found

    async def _its_own(self, link: BookingLink) -> Appointment:
        found = await self._current(link.case)
        if number_of(found.id) != link.n:
            raise LinkUsed("this link was for another appointment: open the newest mail about this car")
        return found

    async def _lives(self, link: BookingLink, made: int) -> bool:
        found = await self._newest(link.case, made)
        return found is not None and found.living and number_of(found.id) == link.n
