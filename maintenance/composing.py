"""What a message about a case says: composed when it is sent, from the case as it stands then."""

from datetime import timedelta
from typing import Any, Final

from maintenance.booking_links import wanted
from maintenance.calls import written_to
from maintenance.choosing import Choosing
from maintenance.events import NOT_PROVED, appointment_event, case_event
from maintenance.model import AppointmentBody, Read
from maintenance.ports import Persons
from maintenance.service import Cases, NoSuchCase
from maintenance.states import AppointmentState, TriggerState
from maintenance.words import texts, told
from people.cars import Cars as CarPeople
from people.model import RoleOnCar
from spine.ids import AppointmentId, CaseId, PersonId
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.mail import Letter, Link

_SUBJECTS: Final = {
    "case.opened": "opened", "case.reprioritised": "urgent", "case.reopened": "urgent", "case.told_again": "again",
    "case.unreached": "unreached", "case.closed": "closed",
}  # fmt: skip
_LINK_LIFE: Final = timedelta(days=14)
_BOOKABLE: Final = frozenset(
    {TriggerState.OFFERED, TriggerState.QUEUED, TriggerState.SCHEDULED, TriggerState.UNREACHED}
)


class Composing:
    """The composer of everything whose type begins with ``case`` or ``appointment``."""

    def __init__(
        self, cases: Cases, people: CarPeople, persons: Persons, choosing: Choosing, *, public_url: str
    ) -> None:
        self._cases = cases
        self._people = people
        self._persons = persons
        self._choosing = choosing
        self._public_url = public_url

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now; None where there is nothing to say any more, or the reader has left the car."""
        try:
            read = await self._cases.read(CaseId(brief.reference["case"]))
        except NoSuchCase:
            return None
        who = brief.person or (PersonId(brief.subscriber) if brief.subscriber else None)
        role = await self._role(who, read) if who else None
        if who is None or role is None or role.visible_from > brief.at:
            return None
        if brief.person is not None:
            return await self._letter(brief, read, who)
        data = await self._data(brief, read)
        if data is None:
            return None
        subject = brief.reference.get("appointment", read.id)
        return News(data=data, subject=subject, sequence=sequence_of(brief.reference["position"]))

    async def _data(self, brief: Brief, read: Read) -> dict[str, Any] | None:
        named = brief.reference.get("appointment")
        if named is None:
            return case_event(read, self._public_url).model_dump(mode="json")
        saved = await self._cases.store.load(named)
        if saved.version == 0 or saved.ended:
            return None
        body = AppointmentBody.model_validate_json(saved.body)
        said = appointment_event(AppointmentId(named), AppointmentState(saved.state), body, self._public_url)
        return said.model_dump(mode="json")

    async def _letter(self, brief: Brief, read: Read, person: PersonId) -> Letter | None:
        view = await self._persons.view(person)
        # "Mended" is not said of what came back before the mail was written, nor an alarm of what is over.
        gone_by = read.open if brief.type == "case.closed" else brief.type != "case.opened" and not read.open
        if view is None or gone_by:
            return None
        calls = await self._choosing.of(read.body.vehicle)
        language = written_to(person, calls, view.language)
        every, plain = texts(language), told(read.body, read.state, language)
        name = _SUBJECTS[brief.type]
        if name == "opened" and read.body.severity == "critical":
            name = "critical"
        if name == "again" and read.body.trigger.why == NOT_PROVED:
            name = "not_proved"
        lines = [] if brief.type == "case.closed" else [*dict.fromkeys(plain.means.values())]
        if read.open:
            lines += [plain.drive, plain.next]
        page = f"{self._public_url}/cases/{read.id}"
        lines += [plain.stands, every["mail"]["look"].format(page=page)]
        return Letter(
            view.email,
            every["mail"][name].format(system=plain.system),
            [line for line in lines if line],
            self._booking(brief, read, person, every["page"]["book"]),
            language=language,
        )

    def _booking(self, brief: Brief, read: Read, person: PersonId, label: str) -> Link | None:
        """The page where a visit is booked, for as long as one is needed."""
        if brief.type == "case.closed" or read.state not in _BOOKABLE or read.body.trigger.appointment:
            return None
        return wanted(
            label,
            person,
            read.id,
            read.body.trigger.appointments + 1,
            brief.at + _LINK_LIFE,
            message=brief.message,
        )

    async def _role(self, person: PersonId, read: Read) -> RoleOnCar | None:
        return await self._people.role_of(person, read.body.vehicle, now=self._cases.clock.now())
