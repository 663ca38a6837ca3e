"""What a contact center is given: routing, flat attributes and their bounds, and the mappings to two vendors."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from maintenance.centers import Center, Centers, CentersUnreadable, ConnectInstance, TwilioWorkspace
from maintenance.centers_amazon import Connect, request_of
from maintenance.centers_handing import claimed_within
from maintenance.centers_reactions import created_id, handed_by
from maintenance.centers_states import Handout, key_of
from maintenance.centers_task import ATTRIBUTES_MOST, VALUE_MOST, Places, Task, cut, fitted, task_of
from maintenance.centers_twilio import ATTRIBUTES_MOST as FORM_MOST
from maintenance.centers_twilio import TaskRouter, form_of, is_signed
from maintenance.centers_vendors import VendorFailed
from maintenance.model import Calls, CaseBody, Read, Trigger
from maintenance.states import TriggerState
from spine.ids import CaseId, EndpointId, PersonId, VehicleId

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
CASE = CaseId("cse_3k7m9qxd4hwe2a5t.brakes.1")
CAR = VehicleId("veh_3k7m9qxd4hwe2a5t")
PERSON = PersonId("per_5c2h8tq4n6w0rj3v")
SOURCE = "src_0c2h8tq4n6w0rj3v"
ENDPOINT = EndpointId("ep_0c2h8tq4n6w0rj3v")
INSTANCE = ConnectInstance(region="eu-central-1", instance_id="i-1", contact_flow_id="f-1")
WORKSPACE = TwilioWorkspace(
    account_sid="AC" + "0" * 32,
    workspace_sid="WS" + "1" * 32,
    workflow_sid="WW" + "2" * 32,
    auth_token_file=Path("token"),
)
CENTER = Center.model_validate({"source": SOURCE})
PLACES = Places("https://trunkline.example")


def case(**more: Any) -> CaseBody:
    said = {
        "vehicle": CAR, "system": "brakes", "n": 1, "severity": "high", "codes": ("C0040", "P0301"),
        "severity_source": "rule:C0035-C0051", "opened_at": NOW, "odometer_m": 84_000_123,
        "freeze": {"speed": 63}, "trigger": Trigger(since=NOW),
    }  # fmt: skip
    return CaseBody.model_validate({**said, **more})


def calls(**more: Any) -> Calls:
    said = {"person": PERSON, "on": True, "phone": "+31612345678", "language": "nl", "chosen_at": NOW}
    return Calls.model_validate({**said, **more})


def handout(**more: Any) -> Handout:
    said = {
        "n": 1, "center": SOURCE, "via": "webhook", "token": "t", "at": NOW, "claim_by": NOW + timedelta(minutes=15),
        "until": NOW + timedelta(minutes=15), "expires_at": NOW + timedelta(hours=2), "severity": "high", "person": PERSON,
    }  # fmt: skip
    return Handout.model_validate({**said, **more})


def task(body: CaseBody | None = None, choice: Calls | None = None, **more: Any) -> Task:
    read = Read(id=CASE, state=TriggerState.LEASED, body=body or case())
    made = task_of(read, handout(), CENTER, choice or calls(), PLACES)
    assert made is not None
    return made.but(**more)


# ---- routing


def routes(*centers: dict[str, Any]) -> Centers:
    sources = [f"src_0c2h8tq4n6w0rj{n:02d}" for n in range(len(centers))]
    rows = [{"source": source, **each} for source, each in zip(sources, centers, strict=True)]
    return Centers.model_validate({"center": rows})


def test_the_first_center_that_takes_a_case_gets_it() -> None:
    table = routes(
        {"severities": ["critical"]}, {"countries": ["DE"], "languages": ["de"]}, {"severities": ["high", "medium"]}
    )  # fmt: skip

    def chosen(**more: Any) -> str | None:
        body, choice = case(severity=more.pop("severity", "high")), calls(**more)
        center = table.for_case(body, choice)
        return None if center is None else center.source[-1]

    assert chosen(severity="critical") == "0"
    assert chosen(country="DE", language="de") == "1"
    assert chosen(country="DE", language="en") == "2"
    assert chosen(severity="medium") == "2"
    assert chosen(severity="low") is None
    assert Centers().for_case(case(), calls()) is None, "by default every call is the own desk's"


@pytest.mark.parametrize("choice", [None, calls(on=False), calls(do_not_call=True), calls(phone=None)])
def test_nobody_who_wants_no_calls_is_handed_out(choice: Calls | None) -> None:
    assert routes({}).for_case(case(), choice) is None


@pytest.mark.parametrize("what", ["help", "canary"])
def test_help_and_the_canary_stay_here(what: str) -> None:
    assert routes({}).for_case(case(what=what), calls()) is None


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[[center]", "TOMLDecodeError"),
        ('[[center]]\nsource = "per_3k7m9qxd4hwe2a5t"', "center.0.source"),
        (f'[[center]]\nsource = "{SOURCE}"\nvia = "connect"', "center.0"),
        (f'[[center]]\nsource = "{SOURCE}"\nseverities = ["low"]', "severities"),
        (f'[[center]]\nsource = "{SOURCE}"\n[[center]]\nsource = "{SOURCE}"', "twice"),
        (f'[[center]]\nsource = "{SOURCE}"\nvia = "connect"\n[center.connect]\nregion = "eu-central-1"\ninstance_id = "i"', "exactly one"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_says_why(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "centers.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(CentersUnreadable, match=says):
        Centers.read(file)
    with pytest.raises(CentersUnreadable, match="FileNotFoundError"):
        Centers.read(tmp_path / "none.toml")
    assert Centers.read(None) == Centers()


def test_half_of_what_is_left_to_the_service_level_but_never_less_than_is_set() -> None:
    least = timedelta(minutes=2)

    def within(by: timedelta | None) -> timedelta:
        trigger = Trigger(since=NOW, claim_by=None if by is None else NOW + by)
        read = Read(id=CASE, state=TriggerState.QUEUED, body=case(trigger=trigger))
        return claimed_within(read, NOW, least)

    assert within(timedelta(minutes=30)) == timedelta(minutes=15)
    assert within(timedelta(minutes=2)) == least
    assert within(timedelta(minutes=-5)) == least
    assert within(None) == least


# ---- the task


def test_a_task_says_what_the_call_needs() -> None:
    made = task()
    assert (made.idempotency_key, made.priority, made.phone) == (key_of(CASE, 1), 2, "+31612345678")
    said = made.attributes
    assert list(said)[:3] == ["case", "vehicle", "severity"]
    assert (said["codes"], said["odometer_km"], said["freeze_speed"]) == ("C0040 P0301", "84000", "63")
    assert said["means"]
    assert said["means_2"]
    assert made.callback_url == f"https://trunkline.example/v1/centers/{SOURCE}/callbacks"
    assert "+31" not in repr(made)
    assert "+31" not in json.dumps(said), "the number stands in one place"


@pytest.mark.parametrize("choice", [calls(on=False), calls(do_not_call=True), calls(phone=None)])
def test_there_is_no_task_once_the_owner_wants_no_calls(choice: Calls) -> None:
    read = Read(id=CASE, state=TriggerState.LEASED, body=case())
    assert task_of(read, handout(), CENTER, choice, PLACES) is None


def test_attributes_that_do_not_fit_are_left_out_from_the_end_and_counted() -> None:
    many = {f"a{n:03d}": "é" * 600 for n in range(60)}
    kept = fitted(many)
    size = sum(len(name.encode()) + len(value.encode()) for name, value in kept.items())
    assert size <= ATTRIBUTES_MOST < size + VALUE_MOST + 4 + len("attributes_cut60")
    assert list(kept)[:-1] == list(many)[: len(kept) - 1]
    assert int(kept["attributes_cut"]) == 60 - (len(kept) - 1)
    assert all(len(value.encode()) <= VALUE_MOST for value in kept.values())
    assert kept["a000"].endswith("é…")


def test_names_become_plain_and_none_takes_anothers_place() -> None:
    assert fitted({"a b": "1", "a_b": "2", "é": "3", "": "4"}) == {"a_b": "1", "_": "3"}


@settings(max_examples=60)
@given(
    st.dictionaries(st.text(max_size=80), st.text(max_size=1_500), max_size=20),
    st.integers(20, 9_000),
)
def test_whatever_comes_the_bound_holds(attributes: dict[str, str], most: int) -> None:
    kept = fitted(attributes, most)
    assert sum(len(name.encode()) + len(value.encode()) for name, value in kept.items()) <= most
    assert all(
        name and set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        for name in kept
    )


@given(st.text(max_size=400), st.integers(4, 300))
def test_a_cut_is_never_half_a_letter(text: str, most: int) -> None:
    assert len(cut(text, most).encode()) <= most


def test_a_message_names_its_hand_out() -> None:
    assert handed_by(created_id(CASE, 12, ENDPOINT)) == (CASE, 12)
    for other in (
        "msg_3k7m.asked.1.per.x",
        "msg_3k7m9qxd4hwe2a5t.brakes.1.cancelled.1.ep.x",
        "",
        "msg_",
        "x_a.created.1.ep.x",
    ):
        assert handed_by(other) is None


# ---- Amazon Connect


def test_connect_is_asked_for_one_task_under_one_token() -> None:
    asked = request_of(task(), INSTANCE, NOW)
    assert (asked["ClientToken"], asked["ContactFlowId"]) == (key_of(CASE, 1), "f-1")
    assert "TaskTemplateId" not in asked
    assert "ScheduledTime" not in asked, "due now"
    assert asked["References"]["phone"] == {"Type": "STRING", "Value": "+31612345678"}
    assert asked == request_of(task(), INSTANCE, NOW), "the same request at every try"
    template = ConnectInstance(region="eu-central-1", instance_id="i-1", task_template_id="t-1")
    asked = request_of(task(), template, NOW)
    assert (asked["TaskTemplateId"], "ContactFlowId" in asked) == ("t-1", False)


@pytest.mark.parametrize(("ahead", "scheduled"), [(2, 2), (6, 5.9), (40, 5.9)])
def test_connect_schedules_at_most_six_days_ahead(ahead: float, scheduled: float) -> None:
    due = NOW + timedelta(days=ahead)
    asked = request_of(task(due_at=due, expires_at=due), INSTANCE, NOW)
    assert NOW < asked["ScheduledTime"] < NOW + timedelta(days=6)
    assert asked["ScheduledTime"] >= NOW + timedelta(days=scheduled)


def test_connect_gets_no_more_than_it_takes() -> None:
    long = task(attributes=fitted({"means": "x" * 9_000, "codes": "P0301 " * 900}))
    asked = request_of(long, INSTANCE, NOW)
    assert len(asked["Name"]) <= 1_024
    assert len(asked["Description"]) <= 4_096


class _Refuses:
    """A client of AWS whose service answers with an error."""

    def __init__(self, code: str) -> None:
        self.code = code

    def start_task_contact(self, **request: Any) -> dict[str, Any]:
        failure = RuntimeError("text that may hold what was sent")
        failure.response = {"Error": {"Code": self.code}}  # type: ignore[attr-defined]
        raise failure

    stop_contact = search_contacts = start_task_contact


@pytest.mark.parametrize(
    ("code", "for_good"),
    [("ThrottlingException", False), ("InternalServiceException", False), ("AccessDeniedException", True), ("InvalidParameterException", True)],
)  # fmt: skip
async def test_a_failure_of_connect_is_told_by_its_code(code: str, for_good: bool) -> None:
    with pytest.raises(VendorFailed) as failed:
        await Connect(INSTANCE, _Refuses(code)).start(task(), now=NOW, again=False)
    assert (failed.value.reason, failed.value.for_good) == (code, for_good)
    assert "sent" not in str(failed.value)
    await Connect(INSTANCE, _Refuses("ContactNotFoundException")).stop("c-1", why="withdrawn")


class _Finds(_Refuses):
    """A client whose search knows these tasks, and whose tokens give ``c-token``."""

    def __init__(self, *names: str, refuses: str = "") -> None:
        super().__init__(refuses)
        self.names, self.asked = names, list[dict[str, Any]]()

    def search_contacts(self, **request: Any) -> dict[str, Any]:
        if self.code:
            return self.start_task_contact(**request)
        self.asked.append(request)
        return {"Contacts": [{"Id": f"c-{n}", "Name": name} for n, name in enumerate(self.names)]}


async def test_a_task_of_connect_is_found_by_the_key_in_its_name() -> None:
    key, name = key_of(CASE, 1), request_of(task(), INSTANCE, NOW)["Name"]
    assert name.endswith(f"({key})")
    longest = request_of(task(attributes={"codes": "P0301 " * 900}), INSTANCE, NOW)["Name"]
    assert len(longest) == 1_024
    client = _Finds(f"{name}1", f"another ({key}1)", name)
    found = await Connect(INSTANCE, client).find(key, None, since=NOW, now=NOW + timedelta(hours=1))
    assert found == "c-2", "not what the search takes for alike"
    assert client.asked[0]["TimeRange"]["StartTime"] < NOW
    with pytest.raises(VendorFailed) as failed:
        await Connect(INSTANCE, _Finds()).find(key, None, since=NOW, now=NOW)
    assert not failed.value.for_good, "the search learns of it later: it is asked again"
    with pytest.raises(VendorFailed) as failed:
        await Connect(INSTANCE, _Finds(refuses="AccessDeniedException")).find(key, None, since=NOW, now=NOW)
    assert failed.value.for_good


async def test_where_connect_may_not_be_searched_the_token_finds_the_task() -> None:
    class Client(_Finds):
        def start_task_contact(self, **request: Any) -> dict[str, Any]:
            assert request["ClientToken"] == key_of(CASE, 1)
            return {"ContactId": "c-token"}

        def search_contacts(self, **request: Any) -> dict[str, Any]:
            return _Refuses("AccessDeniedException").start_task_contact()

    assert await Connect(INSTANCE, Client()).find(key_of(CASE, 1), task(), since=NOW, now=NOW) == "c-token"


# ---- Twilio


def test_twilio_gets_a_form_with_one_json_text() -> None:
    form = form_of(task(), WORKSPACE, NOW)
    said = json.loads(form["Attributes"])
    assert (said["trunkline_key"], said["trunkline_case"], said["phone"]) == (
        key_of(CASE, 1),
        CASE,
        "+31612345678",
    )
    assert (form["Priority"], form["Timeout"], form["WorkflowSid"]) == ("30", "7200", WORKSPACE.workflow_sid)
    urgent = form_of(task(case(severity="critical")), WORKSPACE, NOW)
    assert int(urgent["Priority"]) > int(form["Priority"]), "a greater number is more urgent there"


def test_twilio_gets_no_more_than_fits_and_is_told_what_is_missing() -> None:
    full = task(
        attributes=fitted({f"x{n}": "y" * 900 for n in range(30)}), expires_at=NOW + timedelta(days=30)
    )
    form = form_of(full, WORKSPACE, NOW)
    assert len(form["Attributes"]) <= FORM_MOST
    assert json.loads(form["Attributes"])["attributes_cut"] >= 20
    assert form["Timeout"] == str(14 * 86_400)


class _Line:
    """What TaskRouter would answer, in order."""

    def __init__(self, *answers: tuple[int, Any] | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, Any]] = []

    async def ask(self, method: str, url: str, form: Any, auth: Any) -> tuple[int, str]:
        self.asked.append((method, url, form))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer[0], json.dumps(answer[1])


def router(*answers: Any) -> tuple[TaskRouter, _Line]:
    line = _Line(*answers)
    return TaskRouter(WORKSPACE, SecretStr("secret"), line), line


async def test_twilio_is_asked_first_whether_an_earlier_try_made_the_task() -> None:
    vendor, line = router((200, {"tasks": [{"sid": "WT7"}]}))
    assert await vendor.start(task(), now=NOW, again=True) == "WT7"
    assert [method for method, _, _ in line.asked] == ["GET"]
    vendor, line = router((200, {"tasks": []}), (201, {"sid": "WT8"}))
    assert await vendor.start(task(), now=NOW, again=True) == "WT8"
    assert [method for method, _, _ in line.asked] == ["GET", "POST"]


@pytest.mark.parametrize(
    ("answer", "for_good"),
    [((500, {}), False), ((429, {}), False), ((401, {}), True), ((400, {}), True), ((201, []), False), ((201, {"sid": 7}), False), (OSError("x"), False), (TimeoutError(), False)],
)  # fmt: skip
async def test_a_failure_of_twilio_says_whether_a_later_try_can_help(answer: Any, for_good: bool) -> None:
    vendor, _ = router(answer)
    with pytest.raises(VendorFailed) as failed:
        await vendor.start(task(), now=NOW, again=False)
    assert failed.value.for_good is for_good
    assert "secret" not in repr(failed.value)


async def test_a_task_that_is_over_at_twilio_is_cancelled_already() -> None:
    vendor, line = router((404, {}))
    await vendor.stop("WT7", why="withdrawn")
    assert line.asked[0][2] == {"AssignmentStatus": "canceled", "Reason": "withdrawn"}
    vendor, _ = router((500, {}))
    with pytest.raises(VendorFailed):
        await vendor.stop("WT7", why="withdrawn")


def test_a_form_that_twilio_did_not_sign_is_none_of_its() -> None:
    form = [("EventType", "task.created"), ("TaskSid", "WT7")]
    assert not is_signed("https://t.example/x", form, "", SecretStr("token"))
    assert not is_signed("https://t.example/x", form, "ü" * 40, SecretStr("token"))
