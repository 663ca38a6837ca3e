"""A person's one call a day: over cases and cars, at once, killed between the steps, and what the timer mends."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from typing import Any

import pytest

from maintenance.desk_days import Taken, subject_of
from maintenance.desk_rules import Day
from maintenance.model import Asker
from spine.ids import CaseId
from tests.desk_cases import PHONE, leased
from tests.service.desk_house import CAR, Agent, DeskHouse, desk_house
from tests.service.people_house import OTHER_CAR, house_of_people

__all__ = ["desk_house", "house_of_people"]


async def two_cars(house: DeskHouse, **changes: Any) -> tuple[CaseId, CaseId]:
    """Two cases of two cars of one person."""
    await house.choose(CAR)
    await house.choose(OTHER_CAR)
    return await house.case(**changes), await house.case(vehicle=OTHER_CAR, **changes)


async def taken(house: DeskHouse) -> tuple[str, str]:
    """State of the person's day, and whose it is."""
    saved = await house.store.load(subject_of(house.owner))
    return saved.state, Day.model_validate_json(saved.body).case if saved.version else ""


async def dial(house: DeskHouse, agent: Agent, case: CaseId) -> Any:
    got = await house.claim(agent, case)
    return got["token"], await house.post(agent, f"/cases/{case}/dial", {"token": got["token"]})


async def settle(house: DeskHouse, agent: Agent, case: CaseId, token: str, name: str, **more: Any) -> None:
    said = {"token": token, "disposition": name, **more}
    answer = await house.post(agent, f"/cases/{case}/disposition", said)
    assert answer.status_code == 200, answer.text
    await house.settle()


async def test_one_call_a_day_over_all_cases_and_cars(desk_house: DeskHouse) -> None:
    house = desk_house
    first, second = await two_cars(house)
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    got = await house.claim(bob, second)
    token, answer = await dial(house, ann, first)
    assert answer.json()["phone"] == PHONE
    refused = await house.post(bob, f"/cases/{second}/dial", {"token": got["token"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "desk.called_today")
    assert PHONE not in refused.text
    await settle(house, ann, first, token, "voicemail")
    assert await taken(house) == (Taken.MADE, first)
    await house.post(bob, f"/cases/{second}/release", {"token": got["token"]})
    await house.settle()
    again = await house.post(bob, "/claim", {"case": second})
    assert (again.status_code, again.json()["code"]) == (409, "desk.called_today")
    assert (await house.post(bob, "/claim")).json()["code"] == "desk.empty", "not offered, either"
    house.people.clock.advance(timedelta(hours=22))
    ann = await house.agent("ann@example.org")
    _, answer = await dial(house, ann, second)
    assert answer.status_code == 200, "the next day"


@pytest.mark.parametrize("name", ["no_answer", "busy", "wrong_number"])
async def test_where_nobody_was_spoken_to_the_day_is_given_back(desk_house: DeskHouse, name: str) -> None:
    house = desk_house
    first, second = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    await settle(house, ann, first, token, name)
    assert (await taken(house))[0] == Taken.FREE
    if name == "wrong_number":
        return
    _, answer = await dial(house, ann, second)
    assert answer.status_code == 200
    await house.again()


async def test_the_next_attempt_does_not_wait_for_the_log(desk_house: DeskHouse) -> None:
    """Busy, and again fifteen minutes later, while the reader that gives the day back stands still."""
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    await house.post(ann, f"/cases/{first}/disposition", {"token": token, "disposition": "busy"})
    assert (await taken(house))[0] == Taken.RESERVED
    house.people.clock.advance(timedelta(minutes=15))
    await house.due.on_due(await house.store.load(first))
    got = await house.desk.work.claim(ann.at, first)
    lease = got.body.trigger.lease
    assert lease is not None
    number = await house.desk.work.dial(ann.at, first, lease.token)
    assert number.n == 2
    saved = await house.store.load(subject_of(house.owner))
    assert Day.model_validate_json(saved.body).n == 2
    await house.settle()
    assert (await taken(house))[0] == Taken.RESERVED, "the first call's end, heard late, ends nothing newer"


async def test_a_hundred_dial_at_once(desk_house: DeskHouse) -> None:
    house = desk_house
    agents, held = [], []
    systems = ("brakes", "steering", "airbag", "ignition", "cooling", "network", "body", "tyres")
    for car in (CAR, OTHER_CAR):
        await house.choose(car)
        for system in systems:
            case = await house.case(system, vehicle=car)
            agent = (await house.agent(f"a{len(agents)}@example.org")).at
            agents.append(agent)
            read = await house.desk.work.claim(agent, case)
            assert read.body.trigger.lease is not None
            held.append((case, read.body.trigger.lease.token))
    tries = [(agents[n % 16], *held[n % 16]) for n in range(96)]
    answers = await asyncio.gather(*(house.desk.work.dial(*one) for one in tries), return_exceptions=True)
    told = {
        one[1] for one, answer in zip(tries, answers, strict=True) if not isinstance(answer, BaseException)
    }
    assert len(told) == 1, "one case has the person's call of the day"


async def test_killed_between_the_steps(desk_house: DeskHouse) -> None:
    house = desk_house
    first, second = await two_cars(house)
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    read = await house.desk.work.claim(ann.at, first)
    assert read.body.trigger.lease is not None
    token = read.body.trigger.lease.token

    def work() -> Awaitable[object]:
        return house.desk.work.dial(ann.at, first, token)

    assert await killed(house, 1, work), "after the day was taken, before the case knew"
    assert await taken(house) == (Taken.RESERVED, first)
    assert (await house.read(first)).body.trigger.dialled is None
    assert (await house.desk.work.dial(ann.at, first, token)).n == 1, "asked again: it goes on"
    assert (await house.read(first)).body.trigger.dialled is not None
    house.people.clock.advance(timedelta(seconds=61))
    await house.expire(first)
    # Nobody told the outcome. Who may have been called, was: the person keeps their peace for the day.
    assert await taken(house) == (Taken.MADE, first)
    for case in (first, second):
        assert (await house.post(bob, "/claim", {"case": case})).json()["code"] == "desk.called_today"
    (call,) = (await house.read(first)).body.trigger.calls
    assert (call.n, call.by, call.disposition) == (1, ann.view.id, "unknown")
    house.people.clock.advance(timedelta(days=1))
    bob = await house.agent("bob@example.org")
    _, answer = await dial(house, bob, first)
    assert answer.json()["n"] == 2
    await house.again()


async def test_given_back_after_dialling_is_a_call_too(desk_house: DeskHouse) -> None:
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    await house.post(ann, f"/cases/{first}/release", {"token": token})
    await house.settle()
    assert await taken(house) == (Taken.MADE, first)
    assert (await house.post(ann, "/claim", {"case": first})).json()["code"] == "desk.called_today"


async def test_an_agreed_call_of_the_same_day_is_made(desk_house: DeskHouse) -> None:
    house = desk_house
    first, second = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    later = (house.now + timedelta(hours=1)).isoformat()
    await settle(house, ann, first, token, "callback_at", at=later)
    assert await taken(house) == (Taken.MADE, first)
    house.people.clock.advance(timedelta(hours=1))
    await house.expire(first)
    token, answer = await dial(house, ann, first)
    assert answer.json()["n"] == 2
    await settle(house, ann, first, token, "escalated_supervisor")
    boss = await house.agent("boss@example.org", "supervisor")
    token, answer = await dial(house, boss, first)
    assert answer.json()["n"] == 3
    assert (await house.post(ann, "/claim", {"case": second})).json()["code"] == "desk.called_today"
    await settle(house, boss, first, token, "declined_not_now")
    await house.again()


async def test_what_comes_of_the_last_call_meets_a_human(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    case = await house.case(trigger={"calls": leased(house.now, made=2).body.trigger.calls})
    ann, boss = await house.agent("ann@example.org"), await house.agent("boss@example.org", "supervisor")
    token, answer = await dial(house, ann, case)
    assert answer.json()["n"] == 3
    await settle(house, ann, case, token, "escalated_supervisor")
    token, answer = await dial(house, boss, case)
    assert answer.json()["code"] == "desk.calls_used"
    done = await house.post(boss, f"/cases/{case}/release", {"token": token})
    assert done.json()["state"] == "unreached", "a supervisor has looked at it"


async def test_a_reservation_that_led_to_nothing_is_given_back(desk_house: DeskHouse) -> None:
    house = desk_house
    first, second = await two_cars(house)
    ann = await house.agent("ann@example.org")
    read = await house.desk.work.claim(ann.at, first)
    assert read.body.trigger.lease is not None
    token = read.body.trigger.lease.token
    assert await killed(house, 1, lambda: house.desk.work.dial(ann.at, first, token))
    house.people.clock.advance(timedelta(minutes=10))
    await house.expire(first)
    await fire(house)
    assert await taken(house) == (Taken.FREE, first)
    _, answer = await dial(house, ann, second)
    assert answer.status_code == 200


async def test_a_call_that_goes_on_keeps_the_day(desk_house: DeskHouse) -> None:
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    for _ in range(16):
        house.people.clock.advance(timedelta(seconds=40))
        await house.post(ann, f"/cases/{first}/heartbeat", {"token": token})
    await fire(house)
    assert await taken(house) == (Taken.RESERVED, first)
    await settle(house, ann, first, token, "declined_not_now")
    assert await taken(house) == (Taken.MADE, first)


async def test_what_the_case_refuses_gives_the_day_back_at_once(desk_house: DeskHouse) -> None:
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    await house.claim(ann, first)
    await house.desk.days.take(house.owner, date(2030, 5, 7), first, 1, safety=False)
    await house.desk.days.look(house.owner)
    assert (await taken(house))[0] == Taken.FREE


async def test_a_critical_case_is_told_in_spite_of_the_cap(desk_house: DeskHouse) -> None:
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    await settle(house, ann, first, token, "declined_own_garage")
    critical = await house.case("airbag", severity="critical")
    _, answer = await dial(house, ann, critical)
    assert answer.json() == {"phone": PHONE, "n": 1, "safety": True}
    assert await taken(house) == (Taken.MADE, first), "the day stays whose it was"


async def test_three_calls_and_then_a_message(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    case = await house.case()
    for n, later in ((1, timedelta(hours=2)), (2, timedelta(hours=24, minutes=30)), (3, None)):
        ann = await house.agent("ann@example.org")
        token, answer = await dial(house, ann, case)
        assert answer.json()["n"] == n
        await settle(house, ann, case, token, "no_answer")
        if later is not None:
            house.people.clock.advance(later)
            await house.expire(case)
    read = await house.read(case)
    assert (read.state, len(read.body.trigger.calls)) == ("unreached", 3)
    assert (await house.facts(case)).count("case.called") == 3


async def test_nothing_stays_of_a_person_who_was_erased(desk_house: DeskHouse) -> None:
    house = desk_house
    first, _ = await two_cars(house)
    ann = await house.agent("ann@example.org")
    token, _ = await dial(house, ann, first)
    await settle(house, ann, first, token, "voicemail")
    help_ = await house.desk.help.open(
        "dlv_3k7m9qxd4hwe2a5t",  # type: ignore[arg-type]
        CAR, by="owner", why="asked", asker=Asker(who="owner", id=house.owner, phone="+31687654321"),
    )  # fmt: skip
    await house.settle()
    await house.people.people.persons.erase(house.owner, now=house.now)
    await house.settle()
    assert (await house.store.load(subject_of(house.owner))).ended
    assert (await house.read(help_.id)).body.askers == ()
    assert "+31687654321" not in await house.people.everything()
    await house.again()


async def killed(house: DeskHouse, commits: int, work: Callable[[], Awaitable[object]]) -> bool:
    return await house.people.killed_after(commits, work)


async def fire(house: DeskHouse) -> None:
    """Fire the timer of the person's day, if it is due."""
    saved = await house.store.load(subject_of(house.owner))
    assert saved.wake_at is not None
    assert saved.wake_at <= house.now
    await house.desk.days.on_due(saved)
