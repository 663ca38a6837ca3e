"""The bodies of ``appointment.trigger.*``, made when they are sent; their types for the catalogue; the owner's mail."""

from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from maintenance import calls as choice
from maintenance.centers import Centers
from maintenance.centers_handing import CREATED
from maintenance.centers_reactions import CANCELLED, RETURNED, UPDATED
from maintenance.centers_states import Handout, handouts_of, key_of, subject_of
from maintenance.centers_task import ATTRIBUTES_MOST, Places, Task, task_of
from maintenance.explaining import Language
from maintenance.model import Calls, Frozen, Read
from maintenance.service import Cases
from maintenance.states import TriggerState
from people.model import PersonView
from spine.ids import CaseId, PersonId, VehicleId
from webhooks.catalogue import EventType, Heard, Hearer
from webhooks.dispatch import Brief
from webhooks.envelope import News, sequence_of
from webhooks.mail import Letter

Views = Callable[[PersonId], Awaitable[PersonView | None]]
Concerns = Callable[[PersonId, VehicleId], Awaitable[bool]]
"""Whether a person owns a car now."""


class HandedOut(Task):
    """A case that this contact center is to call about, by whoever of its people claims it."""

    attributes: Annotated[
        dict[str, str],
        Field(
            repr=False,
            description=f"Flat, at most {ATTRIBUTES_MOST} bytes of UTF-8 in all; `attributes_cut` counts what was left out.",
        ),
    ]


class TakenBack(Frozen):
    """A case that is this contact center's no more: do not call. ``why``: a code."""

    idempotency_key: str
    case: CaseId
    vehicle: VehicleId
    why: str


_CASE: Final = CaseId("cse_3k7m9qxd4hwe2a5t.brakes.1")
_VEHICLE: Final = VehicleId("veh_3k7m9qxd4hwe2a5t")
_KEY: Final = key_of(_CASE, 1)
_SOURCE: Final = "src_0c2h8tq4n6w0rj3v"
_EXAMPLE: Final[Mapping[str, Any]] = {
    "idempotency_key": _KEY,
    "case": _CASE,
    "vehicle": _VEHICLE,
    "severity": "high",
    "priority": 2,
    "phone": "+31201234567",
    "language": "nl",
    "zone": "Europe/Amsterdam",
    "country": "NL",
    "due_at": "2030-05-06T09:00:00Z",
    "claim_by": "2030-05-06T09:15:00Z",
    "expires_at": "2030-05-06T11:00:00Z",
    "script": "fault",
    "attributes": {"case": _CASE, "severity": "high", "system": "brakes", "codes": "C0040"},
    "deep_link": f"https://trunkline.example/desk#{_CASE}",
    "callback_url": f"https://trunkline.example/v1/centers/{_SOURCE}/callbacks",
    "slots_url": f"https://trunkline.example/v1/centers/{_SOURCE}/slots",
}


def types() -> Iterator[EventType]:
    """What a contact center can hear."""
    says = {
        CREATED: "Call this person; claim it before `claim_by` by a signed callback.",
        UPDATED: "The case became more urgent: all of it once more, under the same `idempotency_key`.",
    }
    for name, sentence in says.items():
        yield EventType(name, sentence, _CASE, {Hearer.CENTER: Heard(HandedOut, _EXAMPLE)})
    example = {"idempotency_key": _KEY, "case": _CASE, "vehicle": _VEHICLE, "why": "unclaimed"}
    yield EventType(
        CANCELLED,
        "Do not call: nobody claimed it in time, or it was booked, closed or withdrawn otherwise.",
        _CASE,
        {Hearer.CENTER: Heard(TakenBack, example)},
    )


SUBJECTS: Final[Mapping[Language, str]] = {
    "en": "Our own people will call you about your car",
    "nl": "Onze eigen mensen bellen je over je auto",
    "de": "Unsere eigenen Leute rufen Sie wegen Ihres Autos an",
    "sv": "Våra egna medarbetare ringer dig om din bil",
}
WORDS: Final[Mapping[Language, str]] = {
    "en": "The contact center that was to call you did not take it up in time. Our own people have it now, and it "
    "stands where it stood in the queue. You can also book a visit yourself on your page.",
    "nl": "Het contactcentrum dat je zou bellen, heeft het niet op tijd opgepakt. Onze eigen mensen hebben het nu, op "
    "dezelfde plaats in de rij. Je kunt ook zelf een afspraak maken op je pagina.",
    "de": "Das Servicecenter, das Sie anrufen sollte, hat es nicht rechtzeitig übernommen. Jetzt haben es unsere "
    "eigenen Leute, an derselben Stelle der Reihe. Sie können auf Ihrer Seite auch selbst einen Termin buchen.",
    "sv": "Kundcentret som skulle ringa dig tog inte upp ärendet i tid. Nu har våra egna medarbetare det, på "
    "samma plats i kön. Du kan också boka ett besök själv på din sida.",
}


class Composing:
    """The composer of everything whose type begins with ``appointment.trigger``."""

    def __init__(
        self, cases: Cases, centers: Centers, places: Places, views: Views, concerns: Concerns
    ) -> None:
        self._cases = cases
        self._centers = centers
        self._places = places
        self._views = views
        self._concerns = concerns

    async def __call__(self, brief: Brief) -> News | Letter | None:
        """What to say now; None where there is nothing to say any more."""
        case, n = CaseId(brief.reference["case"]), int(brief.reference["n"])
        read = Read.of(await self._cases.store.load(case))
        body = handouts_of(await self._cases.store.load(subject_of(case)))
        handout = body.numbered(n) if body else None
        if read is None or handout is None:
            return None
        calls = choice.read(await self._cases.store.load(choice.subject_of(read.body.vehicle)))
        if brief.person is not None:
            return await self._letter(brief, read, calls, brief.person)
        if brief.subscriber != handout.center:
            return None
        data = self._data(brief, read, handout, calls)
        if data is None:
            return None
        return News(data.model_dump(mode="json"), read.id, sequence_of(brief.reference["position"]))

    def _data(self, brief: Brief, read: Read, handout: Handout, calls: Calls | None) -> Frozen | None:
        if brief.type == CANCELLED:
            return TakenBack(
                idempotency_key=key_of(read.id, handout.n),
                case=read.id,
                vehicle=read.body.vehicle,
                why=brief.reference.get("why", "withdrawn"),
            )
        center = self._centers.of(handout.center)
        if center is None or calls is None or handout.ended_at is not None:
            return None
        task = task_of(read, handout, center, calls, self._places)
        return None if task is None else HandedOut.model_validate(dict(task))

    async def _letter(self, brief: Brief, read: Read, calls: Calls | None, person: PersonId) -> Letter | None:
        waits = read.state in {TriggerState.QUEUED, TriggerState.LEASED}
        if brief.type != RETURNED or not waits or not await self._concerns(person, read.body.vehicle):
            return None
        view = await self._views(person)
        if view is None:
            return None
        language = choice.written_to(person, calls, view.language)
        lines = [WORDS[language], self._places.public_url + "/"]
        return Letter(view.email, SUBJECTS[language], lines, language=language)
