"""Slots, appointments, invitations and their words without a store."""

import re
from datetime import UTC, date, datetime, timedelta
from email.message import EmailMessage
from itertools import pairwise
from typing import Any, get_args
from zoneinfo import ZoneInfo

import icalendar
import pytest
import vobject
from pydantic import ValidationError

from maintenance.appointments import (
    Appointment,
    Verdict,
    appointment_of,
    case_of,
    number_of,
    uid_of,
    verdict,
)
from maintenance.calendar import Entry, Party, invitation
from maintenance.explaining import LANGUAGES
from maintenance.garage_model import BayBody, Details, Garage, GarageBody
from maintenance.model import AppointmentBody, CaseBody, Read, SlotBody, Trigger
from maintenance.slots import Slot, garage_of, made_of, openings, slot_id
from maintenance.states import (
    APPOINTMENT,
    SLOT,
    AppointmentState,
    SlotState,
    StepNotAllowed,
    TriggerState,
    follows,
    step,
)
from maintenance.visit_pages import _by_day
from maintenance.visit_views import SlotOut
from maintenance.visit_words import every, moment, reference_of, say
from spine.facts.maintenance import MaintenanceFact
from spine.ids import AppointmentId, CaseId, GarageId, NotAnId, PersonId, SlotId, VehicleId
from webhooks.mail import Invitation, Letter, Link, Mail

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
GARAGE = GarageId("gar_2m4x7k9d1w8hq3e6")
CASE = CaseId("cse_3k7m9qxd4hwe2a5t.brakes.1")
VEHICLE = VehicleId("veh_3k7m9qxd4hwe2a5t")
APT = appointment_of(CASE, 1)
HOUR = timedelta(hours=1)
FACTS = get_args(MaintenanceFact)


def details(**more: Any) -> Details:
    return Details.model_validate(
        {"name": "Garage Noord", "address": "Kade 1", "mail": "n@example.org", **more}
    )


# ---- tables


@pytest.mark.parametrize("state", [*SlotState, *AppointmentState])
def test_every_state_meets_every_fact(state: SlotState | AppointmentState) -> None:
    table = SLOT if isinstance(state, SlotState) else APPOINTMENT
    for kind in FACTS:
        fact = kind.model_construct()
        if (state, kind) in table:
            assert follows(state, fact)
            assert step(state, fact) is table[state, kind]
        else:
            assert not follows(state, fact)
            with pytest.raises(StepNotAllowed):
                step(state, fact)


def test_every_slot_and_appointment_state_is_reached() -> None:
    for table, states in ((SLOT, SlotState), (APPOINTMENT, AppointmentState)):
        reached = {states("new")}
        for _ in states:
            reached |= {states(after) for (before, _), after in table.items() if before in reached}
        assert reached == set(states)


def _slot(**more: Any) -> Slot:
    body = SlotBody(
        garage=GARAGE, bay=1, start=NOW + HOUR, end=NOW + 2 * HOUR, case=CASE, appointment=APT, by="agt_x"
    )
    state = more.pop("state", SlotState.BOOKED)
    return Slot(id=slot_id(GARAGE, 1, NOW + HOUR), state=state, body=body.but(**more))


def _appointment(state: AppointmentState, *, slot: SlotId | None = None, sequence: int = 0) -> Appointment:
    body = AppointmentBody(
        case=CASE, vehicle=VEHICLE, garage=GARAGE, slot=slot or _slot().id, start=NOW, end=NOW + HOUR,
        sequence=sequence, booked_by="agt_x", booked_at=NOW,
    )  # fmt: skip
    return Appointment(id=APT, state=state, body=body)


def _case(state: TriggerState = TriggerState.OFFERED, **trigger: Any) -> Read:
    body = CaseBody(
        vehicle=VEHICLE, system="brakes", n=1, severity="high", opened_at=NOW,
        trigger=Trigger(since=NOW, **trigger),
    )  # fmt: skip
    return Read(id=CASE, state=state, body=body)


OTHER = slot_id(GARAGE, 2, NOW)


@pytest.mark.parametrize(
    ("slot", "appointment", "case", "gone", "said"),
    [
        (None, None, _case(), False, Verdict.NOTHING),
        (_slot(state=SlotState.HELD, appointment=None), None, _case(), False, Verdict.NOTHING),
        (_slot(), None, _case(), False, Verdict.MAKE),
        (_slot(), None, _case(TriggerState.LEASED), False, Verdict.MAKE),
        (_slot(), None, _case(TriggerState.ENDED), False, Verdict.FREE),
        (_slot(), None, None, False, Verdict.FREE),
        (_slot(), None, _case(), True, Verdict.FREE),
        (_slot(), None, _case(appointments=1), False, Verdict.FREE),
        (_slot(), None, _case(appointment=APT), False, Verdict.FREE),
        (_slot(sequence=1), None, _case(), False, Verdict.FREE),
        (_slot(), _appointment(AppointmentState.BOOKED), _case(), False, Verdict.STANDS),
        (_slot(), _appointment(AppointmentState.DONE), _case(), False, Verdict.STANDS),
        (_slot(), _appointment(AppointmentState.CANCELLED), _case(), False, Verdict.FREE),
        (_slot(), _appointment(AppointmentState.BOOKED, slot=OTHER), _case(), False, Verdict.FREE),
        (_slot(sequence=1), _appointment(AppointmentState.BOOKED, slot=OTHER), _case(), False, Verdict.MOVE),
        (_slot(sequence=1), _appointment(AppointmentState.RECEIVED, slot=OTHER), _case(), False, Verdict.FREE),
        (_slot(sequence=1), _appointment(AppointmentState.BOOKED, slot=OTHER, sequence=1), _case(), False, Verdict.FREE),
        (_slot(sequence=3), _appointment(AppointmentState.BOOKED, slot=OTHER, sequence=1), _case(), False, Verdict.FREE),
    ],
)  # fmt: skip
def test_whether_a_case_takes_a_slot(
    slot: Slot | None, appointment: Appointment | None, case: Read | None, gone: bool, said: Verdict
) -> None:
    assert verdict(slot, appointment, case, gone=gone) is said


def test_names_lead_back_to_what_they_are_of() -> None:
    assert (case_of(APT), number_of(APT)) == (CASE, 1)
    assert garage_of(_slot().id) == GARAGE
    for wrong in (
        "slt_",
        "slt_2m4x7k9d1w8hq3e6",
        "slt_2m4x7k9d1w8hq3e6.1",
        "gar_2m4x7k9d1w8hq3e6.1.2",
        "",
        "x",
    ):
        with pytest.raises((NotAnId, ValueError)):
            garage_of(SlotId(wrong))
    assert len(reference_of(APT)) == 6
    assert reference_of(APT) != reference_of(appointment_of(CASE, 2))


# ---- opening hours


def test_a_day_is_cut_into_whole_appointments() -> None:
    said = details(
        hours={"mon": [{"start": "08:00", "end": "10:30"}, {"start": "13:00", "end": "14:00"}]}, minutes=60
    )
    made = [
        start.astimezone(ZoneInfo("Europe/Amsterdam")).strftime("%H:%M")
        for start, _ in made_of(said, date(2030, 5, 6))
    ]
    assert made == ["08:00", "09:00", "13:00"]
    assert list(made_of(said, date(2030, 5, 7))) == []


@pytest.mark.parametrize(
    ("day", "hours"),
    [(date(2030, 3, 31), 23), (date(2030, 10, 27), 25), (date(2030, 5, 5), 24)],
)
def test_a_night_garage_when_the_clocks_change(day: date, hours: int) -> None:
    said = details(hours={"sun": [{"start": "00:00", "end": "24:00"}]}, minutes=60)
    made = list(made_of(said, day))
    assert len(made) == hours
    assert all(end - start == HOUR for start, end in made)
    assert all(one[1] == two[0] for one, two in pairwise(made))


def test_an_opening_that_the_clocks_leave_out_is_none() -> None:
    spring = date(2030, 3, 31)
    said = details(
        hours={"sun": [{"start": "02:10", "end": "02:50"}, {"start": "03:00", "end": "04:00"}]}, minutes=30
    )
    found = list(openings(said, spring))
    assert all(start < end for start, end in found)
    spans = sorted(made_of(said, spring))
    assert all(end - start == timedelta(minutes=30) for start, end in spans)


@pytest.mark.parametrize(
    "wrong",
    [
        {"zone": "Mars/Olympus"}, {"zone": "../../etc/passwd"}, {"zone": ""}, {"country": "nl"}, {"mail": "no"},
        {"mail": "a@b\r\nBcc: c@d.example"}, {"name": "a\u202eb"}, {"address": "Kade\n1"}, {"systems": ["wings"]},
        {"bays": 0}, {"minutes": 5}, {"notice_minutes": -1}, {"languages": []}, {"languages": ["fr"]},
        {"hours": {"mon": [{"start": "08:00", "end": "08:00"}]}}, {"hours": {"mon": [{"start": "25:00", "end": "26:00"}]}},
        {"hours": {"mon": [{"start": "08:00", "end": "12:00"}, {"start": "11:00", "end": "13:00"}]}},
        {"hours": {"someday": []}}, {"more": 1},
    ],
)  # fmt: skip
def test_a_garage_that_cannot_be_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        details(**wrong)


def test_a_bay_knows_what_overlaps() -> None:
    bay = BayBody().plus((100, 200), (300, 400))
    assert bay.fits(200, 300)
    for start, end in ((150, 250), (50, 101), (100, 200), (120, 130), (0, 1000)):
        assert not bay.fits(start, end)
    assert bay.minus(100).fits(100, 200)


# ---- invitations


def _entry(**more: Any) -> Entry:
    said: dict[str, Any] = {
        "uid": "3f2a", "sequence": 2, "start": NOW + HOUR, "end": NOW + 2 * HOUR, "stamp": NOW,
        "summary": "Garage visit: Müller; Söhne, & Co \\ " + "long " * 30, "description": "One\ntwo, three; four\\five",
        "location": "Garage Noord, Kade 1, 3511 AB Utrecht", "organizer": Party('The "best" garage', "n@example.org"),
        "attendee": Party("Zoë", "zoe@example.org"),
    }  # fmt: skip
    return Entry(**{**said, **more})


@pytest.mark.parametrize("method", ["REQUEST", "CANCEL"])
def test_an_invitation_is_read_back_alike_by_two_readers(method: Any) -> None:
    entry = _entry()
    text = invitation(entry, method, host="trunkline.test")
    raw = text.encode()
    assert all(len(line) <= 75 for line in raw.split(b"\r\n"))
    assert b"\n" not in raw.replace(b"\r\n", b"")
    read = icalendar.Calendar.from_ical(raw)
    assert str(read["METHOD"]) == method
    (event,) = read.walk("VEVENT")
    assert not event.errors
    assert str(event["UID"]) == "3f2a@trunkline.test"
    assert int(event["SEQUENCE"]) == 2
    assert event.decoded("DTSTART") == entry.start
    assert event.decoded("DTEND") == entry.end
    assert event.decoded("DTSTAMP") == NOW
    assert str(event["SUMMARY"]) == " ".join(entry.summary.split())
    assert str(event["DESCRIPTION"]) == entry.description
    assert str(event["STATUS"]) == ("CANCELLED" if method == "CANCEL" else "CONFIRMED")
    assert str(event["ORGANIZER"]) == "mailto:n@example.org"
    assert str(event["ATTENDEE"]) == "mailto:zoe@example.org"
    assert event["ATTENDEE"].params["CN"] == "Zoë"
    other = vobject.readOne(text)
    assert other.method.value == method
    assert other.vevent.uid.value == "3f2a@trunkline.test"
    assert other.vevent.sequence.value == "2"
    assert other.vevent.dtstart.value == entry.start
    assert other.vevent.summary.value == " ".join(entry.summary.split())
    assert other.vevent.description.value == entry.description
    assert other.vevent.organizer.params["CN"] == ["The 'best' garage"]


def test_no_name_ends_a_line_or_begins_another_property() -> None:
    text = invitation(
        _entry(
            summary="x\r\nATTENDEE:mailto:evil@example.org",
            location="y\nEND:VEVENT",
            attendee=Party("Zoe\r\nX-EVIL:1", "zoe@example.org"),
            description="a\r\nMETHOD:PUBLISH",
        ),
        "REQUEST",
        host="trunkline.test",
    )
    lines = text.replace("\r\n ", "").split("\r\n")
    assert sum(line.startswith("ATTENDEE") for line in lines) == 1
    assert sum(line.startswith("METHOD") for line in lines) == 1
    assert not [line for line in lines if line.startswith("X-EVIL")]
    assert sum(line == "END:VEVENT" for line in lines) == 1


class _Door:
    def __init__(self) -> None:
        self.sent: list[EmailMessage] = []

    async def deliver(self, mail: EmailMessage, name: str) -> int | None:
        self.sent.append(mail)
        return None


async def test_the_calendar_part_stands_beside_the_text() -> None:
    async def mint(_: Link) -> str:
        return "https://trunkline.test/book#secret"

    door = _Door()
    text = invitation(_entry(), "REQUEST", host="trunkline.test")
    link = Link("Move it", "/book", PersonId("per_5c2h8tq4n6w0rj3v"), {}, NOW)
    letter = Letter("zoe@example.org", "Afgesproken", ["Tot dan."], link, Invitation("REQUEST", text), "nl")
    await Mail(door, mint, sender="T <no-reply@trunkline.test>").send(letter, "msg_1", now=NOW)
    (mail,) = door.sent
    parts = {part.get_content_type(): part for part in mail.walk() if not part.is_multipart()}
    assert list(parts) == ["text/plain", "text/html", "text/calendar"]
    assert mail.get_content_type() == "multipart/alternative"
    assert parts["text/calendar"]["Content-Type"].params["method"] == "REQUEST"
    assert parts["text/calendar"].get_content().replace("\r\n", "\n") == text.replace("\r\n", "\n")
    assert "secret" not in parts["text/calendar"].get_content()
    assert 'lang="nl"' in parts["text/html"].get_content()
    (event,) = icalendar.Calendar.from_ical(parts["text/calendar"].get_payload(decode=True)).walk("VEVENT")
    assert int(event["SEQUENCE"]) == 2


def test_a_calendar_entry_is_called_by_a_name_that_tells_nothing_and_stays() -> None:
    body = AppointmentBody(
        case=CASE, vehicle=VehicleId("veh_" + CASE[4:20]), garage=GARAGE, slot=slot_id(GARAGE, 1, NOW), start=NOW,
        end=NOW + HOUR, booked_by="per_5c2h8tq4n6w0rj3v", booked_at=NOW, uid=uid_of(APT),
    )  # fmt: skip
    found = Appointment(id=APT, state=AppointmentState.BOOKED, body=body)
    assert found.uid == uid_of(APT) != uid_of(appointment_of(CASE, 2))
    assert CASE[4:20] not in found.uid
    assert "brakes" not in found.uid
    assert re.fullmatch("[0-9a-f]{32}", found.uid)
    older = Appointment.model_validate({**dict(found), "body": body.but(uid="")})
    assert older.uid == APT, "what lies in somebody's calendar under its own id is found there again"


# ---- words


def test_every_language_says_the_same() -> None:
    def shape(said: Any) -> Any:
        if isinstance(said, dict):
            return {name: shape(one) for name, one in said.items()}
        return len(said) if isinstance(said, list) else type(said)

    assert len({str(shape(every(language))) for language in LANGUAGES}) == 1


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_text_can_be_said(language: Any) -> None:
    body = GarageBody(details=details(), hash="", made_at=NOW)
    garage = Garage(id=GARAGE, body=body)
    for whom in ("owner", "garage"):
        for what in every(language)[whom]:
            for there in (garage, None):
                said = say(
                    f"{whom}.{what}", language, garage=there, appointment=APT, start=NOW, system="brakes"
                )
                assert said.subject
                assert said.lines
                assert "{" not in said.subject + "".join(said.lines)
    assert "11:00" in moment(NOW, ZoneInfo("Europe/Amsterdam"), language)


def test_the_identity_of_an_unknown_appointment_says_nothing_of_the_car() -> None:
    assert VEHICLE[4:10].upper() not in reference_of(AppointmentId(APT))


def test_free_times_stand_under_their_day_by_the_garages_clock() -> None:
    hours = [
        datetime(2030, 5, 6, 21, tzinfo=UTC),
        datetime(2030, 5, 6, 22, tzinfo=UTC),
        datetime(2030, 5, 7, 7, tzinfo=UTC),
    ]
    slots = [
        SlotOut(slot=SlotId(f"slt_{n}"), start=at, end=at + timedelta(hours=1)) for n, at in enumerate(hours)
    ]
    days = _by_day(slots, ZoneInfo("Europe/Amsterdam"), "nl")
    assert [(day, [time for _, time in times]) for day, times in days] == [
        ("ma 6 mei 2030", ["23:00"]),
        ("di 7 mei 2030", ["00:00", "09:00"]),
    ]
    assert [one for _, times in days for one, _ in times] == slots
