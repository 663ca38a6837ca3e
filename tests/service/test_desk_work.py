"""Agents at work: the list, claims of many at once, leases, drafts, dialling, outcomes, as the routes answer."""

import asyncio
from datetime import timedelta
from typing import Any

from maintenance.desk_outcomes import DISPOSITIONS
from maintenance.desk_problems import CaseTaken
from maintenance.model import Call
from maintenance.states import TriggerState
from maintenance.sweeping import GAUGES
from spine.counters import Counters
from spine.ids import AppointmentId, VehicleId
from spine.words import ASKED
from tests.desk_cases import PHONE
from tests.service.desk_house import CAR, DeskHouse, desk_house
from tests.service.people_house import OTHER_CAR, house_of_people

__all__ = ["desk_house", "house_of_people"]

SYSTEMS = ("brakes", "steering", "airbag", "ignition", "cooling", "network", "body", "tyres")


def code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json().get("code", "")


async def test_a_call_from_the_list_to_its_outcome(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    agent, case = await house.agent("ann@example.org"), await house.case(severity="high")
    listed = (await house.http.get("/v1/desk/cases", headers=agent.headers)).json()["data"]
    assert [(one["id"], one["bar"], one["language"]) for one in listed] == [(case, "", "en")]
    got = await house.claim(agent)
    assert got["case"] == case
    assert (await house.read(case)).state is TriggerState.LEASED
    seen = (await house.http.get(f"/v1/desk/cases/{case}", headers=agent.headers)).json()
    assert PHONE not in str(seen)
    assert seen["consent"]["phone_known"] is True
    assert seen["codes"][0]["agent"]["means"]
    assert seen["clock"]["local"].startswith("2030-05-07T12:00")
    assert seen["deliveries"][0]["state"] == "left_open"
    assert seen["outcomes"] == ["escalated_supervisor", "emergency"], "no call was made yet"
    token = {"token": got["token"]}
    early = await house.post(agent, f"/cases/{case}/disposition", {**token, "disposition": "no_answer"})
    assert code(early) == (409, "desk.dial_first")
    dialled = (await house.post(agent, f"/cases/{case}/dial", token)).json()
    assert dialled == {"phone": PHONE, "n": 1, "safety": False}
    assert (await house.post(agent, f"/cases/{case}/dial", token)).json() == dialled, "asked again: the same"
    done = await house.post(agent, f"/cases/{case}/disposition", {**token, "disposition": "no_answer"})
    assert done.json()["state"] == "scheduled"
    assert done.json()["due"] == "2030-05-07T12:00:00Z"
    over = await house.post(agent, f"/cases/{case}/disposition", {**token, "disposition": "busy"})
    assert code(over) == (409, "desk.lease_lost")
    await house.settle()
    assert await house.facts(case) == [
        "case.opened", "trigger.queued", "trigger.leased", "case.seen", "case.acted", "case.called",
        "trigger.scheduled",
    ]  # fmt: skip
    trail = (await house.read(case)).body.history
    assert [(one.by, one.why or one.kind) for one in trail if one.by] == [
        (agent.view.id, what) for what in ("trigger.leased", "case.seen", "dial", "no_answer")
    ], "the owner's page shows it"
    for entry in house.seen:
        assert PHONE not in entry.fact.model_dump_json()
    await house.again()


async def test_the_list_is_ordered_by_urgency_then_due_then_age(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    agent = await house.agent("ann@example.org")
    hour = timedelta(hours=1)
    medium = await house.case("body", severity="medium", trigger={"since": house.now - 9 * hour})
    young = await house.case("brakes", severity="high", trigger={"since": house.now - hour})
    old = await house.case("steering", severity="high", trigger={"since": house.now - 5 * hour})
    due = await house.case("cooling", severity="high", trigger={"due": house.now - hour})
    critical = await house.case("airbag", severity="critical")
    await house.case("tyres", severity="critical", trigger={"due": house.now + hour})
    await house.case("network", what="canary", severity="critical")
    help_ = (await house.desk.help.open(_delivery(), CAR, by="system", why="unsure")).id
    await house.settle()
    rows = (await house.http.get("/v1/desk/cases", headers=agent.headers)).json()["data"]
    assert [one["id"] for one in rows] == [help_, critical, due, old, young, medium]
    for expected in (help_, critical, due, old, young, medium):
        assert (await house.claim(agent))["case"] == expected
    empty = await house.post(agent, "/claim")
    assert code(empty) == (404, "desk.empty")


def _delivery() -> Any:
    return "dlv_3k7m9qxd4hwe2a5t"


async def test_two_agents_and_one_case(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    case, other = await house.case("brakes", severity="critical"), await house.case("steering")
    answers = await asyncio.gather(
        house.post(ann, "/claim", {"case": case}), house.post(bob, "/claim", {"case": case})
    )
    assert sorted(one.status_code for one in answers) == [200, 409]
    lost = next(one for one in answers if one.status_code == 409).json()
    assert (lost["code"], lost["next"]) == ("desk.taken", other)


async def test_a_hundred_claims_at_once(desk_house: DeskHouse) -> None:
    house = desk_house
    cars = [VehicleId(f"veh_3{n:015d}".replace("l", "0")) for n in range(13)]
    cases = []
    for car in cars:
        await house.choose(car)
        cases += [await house.case(system, vehicle=car) for system in SYSTEMS]
    cases = cases[:100]
    agents = [(await house.agent(f"agent{n}@example.org")).at for n in range(4)]
    claimed = await asyncio.gather(*(house.desk.work.claim_next(agents[n % 4]) for n in range(100)))
    assert len({read.id for read in claimed}) == 100
    one = await house.case("service", vehicle=cars[0], severity="critical")
    tries = await asyncio.gather(
        *(house.desk.work.claim(agents[n % 4], one) for n in range(100)), return_exceptions=True
    )
    assert sum(not isinstance(each, CaseTaken) for each in tries) == 1


async def test_a_lease_that_runs_out_returns_with_its_age(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    case = await house.case()
    since = (await house.read(case)).body.trigger.since
    got = await house.claim(ann)
    house.people.clock.advance(timedelta(seconds=40))
    beat = await house.post(ann, f"/cases/{case}/heartbeat", {"token": got["token"]})
    assert beat.json()["until"] == "2030-05-07T10:01:40Z"
    await house.expire(case)
    assert (await house.read(case)).state is TriggerState.LEASED
    await house.http.put(
        f"/v1/desk/cases/{case}/draft", headers=ann.headers,
        json={"token": got["token"], "n": 0, "answers": {"noticed": "a grinding noise"}, "note": "left a note"},
    )  # fmt: skip
    house.people.clock.advance(timedelta(seconds=60))
    for path in ("heartbeat", "release", "dial", "lock"):
        answer = await house.post(ann, f"/cases/{case}/{path}", {"token": got["token"]})
        assert code(answer)[1] in {"desk.lease_lost", "help.nothing"}, path
    await house.expire(case)
    read = await house.read(case)
    assert (read.state, read.body.trigger.since) == (TriggerState.QUEUED, since)
    theirs = await house.claim(bob)
    seen = (await house.http.get(f"/v1/desk/cases/{case}", headers=bob.headers)).json()
    assert seen["answers"] == {"noticed": "a grinding noise"}
    assert seen["note"] == "left a note", "the other's work is not lost"
    for token in (got["token"], theirs["token"]):  # the old one, and the other agent's
        answer = await house.post(ann, f"/cases/{case}/heartbeat", {"token": token})
        assert code(answer) == (409, "desk.lease_lost")
    wrong = await house.post(bob, f"/cases/{case}/heartbeat", {"token": got["token"]})
    assert code(wrong) == (409, "desk.lease_lost")
    gone = await house.http.get(f"/v1/desk/cases/{case}", headers=ann.headers)
    assert gone.status_code == 404


async def test_giving_back_keeps_the_age(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    before = (await house.read(case)).body.trigger
    got = await house.claim(ann)
    house.people.clock.advance(timedelta(seconds=5))
    answer = await house.post(ann, f"/cases/{case}/release", {"token": got["token"]})
    assert answer.json()["state"] == "queued"
    after = (await house.read(case)).body.trigger
    assert (after.since, after.due, after.lease) == (before.since, before.due, None)


async def test_a_stale_draft_overwrites_nothing(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    token = (await house.claim(ann))["token"]

    async def save(n: int, note: str, **answers: str) -> Any:
        body = {"token": token, "n": n, "answers": answers, "note": note}
        return await house.http.put(f"/v1/desk/cases/{case}/draft", headers=ann.headers, json=body)

    given = '<b>"as given"</b> \N{SNOWMAN}'
    assert (await save(0, "one", noticed=given)).json() == {"draft_n": 1}
    assert (await save(0, "one", noticed=given)).json() == {"draft_n": 1}, "the same again"
    stale = (await save(0, "two")).json()
    assert (stale["code"], stale["draft_n"]) == ("desk.draft_stale", 1)
    assert (stale["answers"], stale["note"]) == ({"noticed": given}, "one")
    assert (await save(1, "two", noticed=given)).json() == {"draft_n": 2}
    assert (await house.read(case)).body.answers == {"noticed": given}
    assert code(await save(2, "x", boot="open")) == (422, "desk.question"), "a question of another script"
    await house.settle()
    assert (await house.facts(case)).count("case.acted") == 1, "told once a lease"
    assert given not in " ".join(entry.fact.model_dump_json() for entry in house.seen)


async def test_every_outcome_over_the_routes(desk_house: DeskHouse) -> None:
    house = desk_house
    goes = {
        "booked": "booked", "callback_at": "scheduled", "no_answer": "scheduled", "voicemail": "scheduled",
        "busy": "scheduled", "wrong_number": "unreached", "declined_own_garage": "declined",
        "declined_not_now": "suppressed", "already_repaired": "suppressed", "sold_vehicle": "suppressed",
        "language": "queued", "do_not_call": "offered", "escalated_supervisor": "queued", "emergency": "queued",
    }  # fmt: skip
    boss = await house.agent("boss@example.org", "supervisor")
    for number, name in enumerate(DISPOSITIONS):
        await house.choose()
        house.people.clock.advance(timedelta(days=1))
        while house.now.weekday() > 4:
            house.people.clock.advance(timedelta(days=1))
        boss = await house.agent("boss@example.org", "supervisor")
        appointment = AppointmentId(f"apt_{CAR[4:]}.brakes.{number + 1}.1")
        visit = {"appointment": appointment} if name == "booked" else {}
        case = await house.case(n=number + 1, trigger=visit)
        got = await house.claim(boss, case)
        number_told = await house.post(boss, f"/cases/{case}/dial", {"token": got["token"]})
        assert number_told.status_code == 200, number_told.text
        wanted: dict[str, Any] = {"token": got["token"], "disposition": name}
        if name == "callback_at":
            wanted["local"] = (house.now + timedelta(hours=4)).replace(tzinfo=None).isoformat()
        answer = await house.post(boss, f"/cases/{case}/disposition", wanted)
        assert answer.status_code == 200, (name, answer.text)
        assert answer.json()["state"] == goes[name]
        await house.settle()
    await house.again()


async def test_booked_while_the_call_goes_on(desk_house: DeskHouse) -> None:
    """The booking moves the case by itself; the agent still tells the outcome of the call."""
    from maintenance.service import Turn, told
    from spine.facts.maintenance import TriggerBooked

    house = desk_house
    await house.choose()
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    case = await house.case()
    got = await house.claim(ann)
    await house.post(ann, f"/cases/{case}/dial", {"token": got["token"]})
    appointment = AppointmentId(f"apt_{CAR[4:]}.brakes.1.1")

    def book(read: Any, _: Any) -> Turn:
        trigger = read.body.trigger.but(appointment=appointment, lease=None)
        fact = told(TriggerBooked, read, house.now, appointment=appointment)
        return Turn(read.body.but(trigger=trigger), [fact])

    await house.desk.cases.change(case, book)
    wanted = {"token": got["token"], "disposition": "booked"}
    assert code(await house.post(bob, f"/cases/{case}/disposition", wanted)) == (409, "desk.lease_lost")
    other = await house.post(ann, f"/cases/{case}/disposition", {**wanted, "disposition": "no_answer"})
    assert code(other) == (409, "desk.lease_lost")
    assert (await house.post(ann, f"/cases/{case}/disposition", wanted)).json()["state"] == "booked"
    read = await house.read(case)
    assert [one.disposition for one in read.body.trigger.calls] == ["booked"]


async def test_nobody_is_called_who_does_not_want_it(desk_house: DeskHouse) -> None:
    house = desk_house
    ann = await house.agent("ann@example.org")
    for choice in ({"on": False}, {"do_not_call": True}, {"phone": None}):
        await house.choose(**choice)
        case = await house.case(n=len(house.seen) + 1)
        answer = await house.post(ann, "/claim", {"case": case})
        assert code(answer) == (409, "desk.taken")
        assert (await house.read(case)).state is TriggerState.OFFERED
    unasked = await house.case(vehicle=OTHER_CAR)
    assert code(await house.post(ann, "/claim")) == (404, "desk.empty")
    assert (await house.read(unasked)).state is TriggerState.OFFERED


async def test_turned_off_between_claim_and_dial(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    got = await house.claim(ann)
    await house.choose(on=False)
    answer = await house.post(ann, f"/cases/{case}/dial", {"token": got["token"]})
    assert code(answer) == (409, "desk.no_phone")


async def test_outside_the_window_nobody_dials(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    high, critical = (
        await house.case("brakes", severity="high"),
        await house.case("airbag", severity="critical"),
    )
    house.people.clock.advance(timedelta(hours=7, minutes=59, seconds=40))  # 19:59:40
    ann = await house.agent("ann@example.org")
    got = await house.claim(ann, high)
    house.people.clock.advance(timedelta(seconds=30))
    refused = await house.post(ann, f"/cases/{high}/dial", {"token": got["token"]})
    assert code(refused) == (409, "desk.window_closed")
    assert refused.json()["next"].startswith("2030-05-08T07:00")
    house.people.clock.advance(timedelta(seconds=60))
    await house.expire(high)
    again = await house.post(ann, "/claim", {"case": high})
    assert code(again) == (409, "desk.window_closed")
    rows = (await house.http.get("/v1/desk/cases", headers=ann.headers)).json()["data"]
    assert {one["id"]: one["bar"] for one in rows} == {critical: "", high: "window"}
    best = await house.claim(ann)
    assert best["case"] == critical, "the next best is one that may be called"
    number = (await house.post(ann, f"/cases/{critical}/dial", {"token": best["token"]})).json()
    assert number["safety"] is True
    done = {"token": best["token"], "disposition": "voicemail"}
    await house.post(ann, f"/cases/{critical}/disposition", done)
    await house.settle()
    assert (await house.read(critical)).body.trigger.calls[0].safety
    trail = [one.why for one in (await house.read(critical)).body.history]
    assert "dial_safety" in trail, "the owner sees why at this hour"


async def test_languages_and_supervisors(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose(language="de")
    ann = await house.agent("ann@example.org", "agent", "en")
    gert = await house.agent("gert@example.org", "agent", "de", "en")
    boss = await house.agent("boss@example.org", "supervisor", "en")
    case = await house.case()
    assert code(await house.post(ann, "/claim")) == (404, "desk.empty")
    got = await house.claim(gert)
    seen = (await house.http.get(f"/v1/desk/cases/{case}", headers=gert.headers)).json()
    assert (seen["script"]["language"], seen["script_owner"]["language"]) == ("en", "de")
    assert "Guten Tag" in seen["script_owner"]["opening"]
    page = ASKED.set("sv")
    seen = (await house.http.get(f"/v1/desk/cases/{case}", headers=gert.headers)).json()
    ASKED.reset(page)
    assert (seen["script"]["language"], seen["codes"][0]["agent"]["language"]) == ("sv", "sv"), "as the page"
    wanted = {"token": got["token"], "disposition": "escalated_supervisor"}
    assert (await house.post(gert, f"/cases/{case}/disposition", wanted)).json()["state"] == "queued"
    await house.settle()
    assert code(await house.post(gert, "/claim")) == (404, "desk.empty")
    assert code(await house.post(gert, "/claim", {"case": case})) == (404, "case.not_found")
    assert (await house.claim(boss))["case"] == case


ODD_BODIES: list[Any] = [
        {}, {"token": "x"}, {"token": "ab" * 16, "disposition": "sold"}, [], "x", None, {"token": None},
        {"token": "ab" * 16, "disposition": "callback_at", "at": "soon"},
        {"token": "ab" * 16, "disposition": "callback_at", "local": "2030-05-08T10:00:00Z"},
        {"token": "ab" * 16, "disposition": "busy", "more": 1},
        {"token": "ab" * 16, "disposition": "callback_at", "at": "9999-12-31T23:59:59Z"},
        {"token": "ab" * 16, "disposition": "callback_at", "local": "0001-01-01T00:00:00"},
    ]  # fmt: skip


async def test_malformed_bodies(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    got = await house.claim(ann)
    await house.post(ann, f"/cases/{case}/dial", {"token": got["token"]})
    for odd in ODD_BODIES:
        mine = isinstance(odd, dict) and odd.get("token") == "ab" * 16
        body = {**odd, "token": got["token"]} if mine else odd
        answer = await house.http.post(f"/v1/desk/cases/{case}/disposition", json=body, headers=ann.headers)
        assert answer.status_code == 422, (odd, answer.text)
        assert (await house.read(case)).state is TriggerState.LEASED


async def test_huge_and_odd_drafts(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    token = (await house.claim(ann))["token"]
    good = {"token": token, "n": 0, "answers": {}, "note": ""}
    for wrong in (
        {"note": "x" * 4001}, {"answers": {"noticed": "x" * 2001}}, {"answers": {"noticed": 3}},
        {"answers": {f"q{'a' * n}": "" for n in range(41)}}, {"answers": {"../x": "y"}}, {"n": -1}, {"n": "0"},
        {"n": 1e300}, {"answers": None},
    ):  # fmt: skip
        answer = await house.http.put(
            f"/v1/desk/cases/{case}/draft", json={**good, **wrong}, headers=ann.headers
        )
        assert answer.status_code == 422, wrong
    for odd in (
        "cse_x",
        "cse_3k7m9qxd4hwe2a5t.brakes.0",
        "veh_3k7m9qxd4hwe2a5t",
        "cse_zk7m9qxd4hwe2a5t.brakes.1",
    ):
        answer = await house.post(ann, f"/cases/{odd}/heartbeat", {"token": token})
        assert answer.status_code in {404, 422}, odd
    lone = await house.http.put(
        f"/v1/desk/cases/{case}/draft", headers={**ann.headers, "Content-Type": "application/json"},
        content='{"token": "'+ token + '", "n": 0, "answers": {"noticed": "\\ud800"}, "note": ""}',
    )  # fmt: skip
    assert lone.status_code == 422


async def test_a_supervisor_looks_without_a_lease_and_changes_nothing(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    boss, case = await house.agent("boss@example.org", "supervisor"), await house.case()
    seen = (await house.http.get(f"/v1/desk/cases/{case}", headers=boss.headers)).json()
    assert seen["lease"] is None
    assert PHONE not in str(seen)
    trail = await house.http.get(f"/v1/desk/cases/{case}/audit", headers=boss.headers)
    assert [one["kind"] for one in trail.json()["data"]][2:] == ["case.seen", "case.seen"]


async def test_looks_under_one_lease_are_one_row_and_none_after_it(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    await house.claim(ann)
    for _ in range(3):
        assert (await house.http.get(f"/v1/desk/cases/{case}", headers=ann.headers)).status_code == 200
    assert [one.kind for one in (await house.read(case)).body.history].count("case.seen") == 1
    house.people.clock.advance(timedelta(seconds=61))  # its timer has not fired yet
    for path in ("", "/slots"):
        gone = await house.http.get(f"/v1/desk/cases/{case}{path}", headers=ann.headers)
        assert gone.status_code == 404


async def test_the_wallboard(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann = await house.agent("ann@example.org")
    await house.case("brakes", severity="high", trigger={"breached": True})
    await house.case("airbag", severity="critical")
    await house.case("body", severity="low", what="canary")
    await house.desk.help.open(_delivery(), CAR, by="system", why="unsure")
    await house.settle()
    await house.claim(ann)
    board = (await house.http.get("/v1/desk/wallboard", headers=ann.headers)).json()
    assert board["by_severity"] == {"critical": 1, "high": 1, "medium": 0, "low": 0}
    assert (board["help_open"], board["waiting"], board["breaches"], board["agents_at_work"]) == (1, 2, 1, 1)
    assert board["by_state"] == {"leased": 1, "queued": 2}
    assert board["canary_age_s"] is None
    await Counters(house.store.valkey).put(GAUGES, {"canary_at": int(house.now.timestamp()) - 41})
    house.people.clock.advance(timedelta(seconds=3))
    aged = (await house.http.get("/v1/desk/wallboard", headers=ann.headers)).json()
    assert aged["canary_age_s"] == 44


async def test_a_case_with_a_visit_goes_back_to_it_when_nobody_is_to_be_called(desk_house: DeskHouse) -> None:
    """It became critical after it was booked, and the owner turned calls off before an agent took it."""
    house = desk_house
    await house.choose(on=False)
    visit = AppointmentId("apt_3k7m9qxd4hwe2a5t.brakes.1.1")
    case = await house.case(severity="critical", trigger={"appointment": visit, "appointments": 1})
    ann = await house.agent("ann@example.org")
    assert (await house.post(ann, "/claim")).status_code == 404
    read = await house.read(case)
    assert (read.state, read.body.trigger.appointment) == (TriggerState.BOOKED, visit)
    for _ in range(2):
        house.people.clock.advance(timedelta(days=1))
        await house.expire(case)
    assert (await house.facts(case)).count("case.told_again") == 2
    assert (await house.read(case)).state is TriggerState.BOOKED
    await house.again()


async def test_an_agreed_callback_is_dialled_though_three_calls_were_made(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    called = tuple(
        Call(n=n, at=house.now, by="agt_1c2h8tq4n6w0rj3v", person=house.owner, disposition=said)
        for n, said in enumerate(("no_answer", "no_answer", "callback_at"), 1)
    )
    case = await house.case(trigger={"calls": called})
    ann = await house.agent("ann@example.org")
    token = (await house.claim(ann, case))["token"]
    assert (await house.post(ann, f"/cases/{case}/release", {"token": token})).status_code == 200
    assert (await house.read(case)).state is TriggerState.QUEUED, "given back it is still to be called about"
    token = (await house.claim(ann, case))["token"]
    answer = await house.post(ann, f"/cases/{case}/dial", {"token": token})
    assert (answer.status_code, answer.json().get("n")) == (200, 4), answer.text
    said = {"token": token, "disposition": "no_answer"}
    assert (await house.post(ann, f"/cases/{case}/disposition", said)).json()["state"] == "unreached"
    await house.settle()
    await house.again()
