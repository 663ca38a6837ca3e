"""Help with a delivery: first on the list, one open case a delivery, and what its agent may do: look, call, lock."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from maintenance.model import Asker
from people.problems import TooMany
from spine.facts import delivery as f
from spine.facts.people import CourierRemoved
from spine.ids import CarrierId, CourierId, DeliveryId
from tests.desk_cases import PHONE
from tests.service.desk_house import CAR, DELIVERY, DeskHouse, desk_house
from tests.service.people_house import house_of_people

__all__ = ["desk_house", "house_of_people"]

COURIER, OWNER = "cou_3k7m9qxd4hwe2a5t", "per_5c2h8tq4n6w0rj3v"
CARRIER = CarrierId("car_3k7m9qxd4hwe2a5t")


def about(house: DeskHouse, kind: Any, **more: Any) -> Any:
    return kind(at=house.now, delivery=DELIVERY, carrier=CARRIER, vehicle=CAR, **more)


async def test_help_comes_first_and_is_locked_never_opened(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose(language="sv")
    ann = await house.agent("ann@example.org", "agent", "en")
    await house.case("airbag", severity="critical")
    asked = await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier", call_at="+31687654321")
    await house.settle()
    got = await house.claim(ann)
    assert got["case"] == asked.id == f"cse_{DELIVERY[4:]}.help.1"
    path = f"/v1/desk/cases/{asked.id}"
    seen = (await house.http.get(path, headers=ann.headers)).json()
    assert (seen["what"], seen["asked_by"], seen["help"]["state"]) == ("help", "courier", "left_open")
    assert seen["help"]["receipt"] == 3
    assert [id_ for id_, _ in seen["script"]["questions"]] == ["where", "boot", "wanted"]
    assert "+31687654321" not in str(seen)
    number = await house.post(ann, f"/cases/{asked.id}/dial", {"token": got["token"]})
    assert number.json()["phone"] == "+31687654321"
    locked = await house.post(ann, f"/cases/{asked.id}/lock", {"token": got["token"]})
    assert locked.json()["outcome"] == "done"
    assert house.played.locked == [DELIVERY]
    wrong = await house.post(ann, f"/cases/{asked.id}/lock", {"token": "0" * 32})
    assert wrong.json()["code"] == "desk.lease_lost"
    assert house.played.locked == [DELIVERY], "nothing was asked of the car"
    for act in ("open", "unlock", "challenge", "key", "flash", "approve", "decision"):
        assert (await house.post(ann, f"/cases/{asked.id}/{act}", {"token": got["token"]})).status_code == 404
    done = await house.post(ann, f"/cases/{asked.id}/close", {"token": got["token"]})
    assert done.json()["state"] == "ended"
    await house.settle()
    trail = [
        one.why or one.kind for one in (await house.read(asked.id)).body.history if one.by == ann.view.id
    ]
    assert trail == ["trigger.leased", "case.seen", "dial", "lock"]
    await house.again()


async def test_only_help_is_closed_by_an_agent_and_a_fault_is_locked_by_none(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    token = {"token": (await house.claim(ann))["token"]}
    assert (await house.post(ann, f"/cases/{case}/close", token)).json()["code"] == "desk.outcome"
    assert (await house.post(ann, f"/cases/{case}/lock", token)).json()["code"] == "help.nothing"


async def test_one_open_case_a_delivery(desk_house: DeskHouse) -> None:
    house = desk_house
    asks = (
        house.desk.help.open(
            DELIVERY,
            CAR,
            by="owner",
            why="asked",
            asker=Asker(who="owner", id=OWNER, phone=f"+3161234567{n % 10}"),
        )
        for n in range(30)
    )
    found = await asyncio.gather(*asks)
    assert len({one.id for one in found}) == 1
    await house.settle()
    ann = await house.agent("ann@example.org")
    token = {"token": (await house.claim(ann))["token"]}
    assert (await house.desk.help.open(DELIVERY, CAR, by="owner", why="asked")).state == "leased"
    await house.post(ann, f"/cases/{found[0].id}/close", token)
    second = await house.desk.help.open(DELIVERY, CAR, by="owner", why="asked")
    assert second.id.endswith(".help.2")
    await house.settle()
    assert [one.kind for one in house.seen].count("case.opened") == 2
    await house.again()


async def test_a_delivery_in_trouble_asks_by_itself(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.people.append(about(house, f.DeliveryUnsure))
    await house.settle()
    case = await house.read((await house.desk.help.open(DELIVERY, CAR, by="system", why="x")).id)
    assert (case.state, case.body.asked_by, case.body.why) == ("queued", "system", "unsure")
    house.people.clock.advance(timedelta(seconds=2))
    await house.people.append(about(house, f.DeliveryLeftOpen))
    await house.settle()
    assert [one.kind for one in house.seen].count("case.opened") == 1
    await house.people.append(about(house, f.DeliveryClosed))
    await house.settle()
    assert (await house.read(case.id)).state == "ended", "well again, and nobody had asked"
    await house.again()


async def test_what_a_person_asked_for_is_not_closed_by_itself(desk_house: DeskHouse) -> None:
    house = desk_house
    case = await house.desk.help.open(DELIVERY, CAR, by="courier", why="asked")
    await house.people.append(about(house, f.DeliveryClosed))
    await house.settle()
    assert (await house.read(case.id)).state == "queued"
    other = DeliveryId("dlv_3aaaaaaaaaaaaaaa")
    await house.people.append(about(house, f.DeliveryClosed).model_copy(update={"delivery": other}))
    await house.settle()


async def test_without_a_number_nobody_is_called(desk_house: DeskHouse) -> None:
    house = desk_house
    ann = await house.agent("ann@example.org")
    case = (await house.desk.help.open(DELIVERY, CAR, by="courier", why="asked")).id
    await house.settle()
    token = {"token": (await house.claim(ann))["token"]}
    assert (await house.post(ann, f"/cases/{case}/dial", token)).json()["code"] == "desk.no_phone"
    await house.choose()
    assert (await house.post(ann, f"/cases/{case}/dial", token)).json()["phone"] == PHONE
    again = await house.post(ann, f"/cases/{case}/disposition", {**token, "disposition": "no_answer"})
    assert again.json()["state"] == "scheduled"
    await house.settle()
    assert (await house.store.load(f"dia_{house.owner[4:]}")).version == 0, "help uses nobody's day up"


async def test_asked_too_often(desk_house: DeskHouse) -> None:
    house = desk_house
    for _ in range(house.desk.limits.help_per_hour):
        await house.desk.help.ask(OWNER, DELIVERY, CAR, by="owner")
    asked = await house.desk.help.ask(OWNER, DELIVERY, CAR, by="owner")
    assert asked.state == "queued", "what stands is told, whoever asks how often"
    other = DeliveryId("dlv_3aaaaaaaaaaaaaaa")
    with pytest.raises(TooMany) as slow:
        await house.desk.help.ask(OWNER, other, CAR, by="owner")
    assert slow.value.retry_after


async def test_help_is_never_unreached_and_asked_again_it_comes_back(desk_house: DeskHouse) -> None:
    house = desk_house
    asked = await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier", call_at="+31687654321")
    await house.settle()
    ann = await house.agent("ann@example.org")
    boss = await house.agent("boss@example.org", "supervisor")
    for at_work in (ann, ann, ann, boss):
        token = {"token": (await house.claim(at_work))["token"]}
        assert (await house.post(at_work, f"/cases/{asked.id}/dial", token)).status_code == 200
        said = {**token, "disposition": "no_answer"}
        assert (await house.post(at_work, f"/cases/{asked.id}/disposition", said)).status_code == 200
        await house.settle()
        house.people.clock.advance(timedelta(minutes=6))
        await house.expire(asked.id)
    read = await house.read(asked.id)
    assert (read.state, read.body.trigger.supervisor) == ("queued", True)
    await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier")
    await house.settle()
    assert (await house.claim(ann))["case"] == asked.id, "asked again: any agent's, with all its calls"
    assert (await house.read(asked.id)).body.askers[0].phone == "+31687654321"


async def test_two_who_ask_are_called_each_at_their_number(desk_house: DeskHouse) -> None:
    house = desk_house
    asked = await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier", call_at="+31687654321")
    await house.desk.help.ask(OWNER, DELIVERY, CAR, by="owner", call_at="+31611111111")
    await house.settle()
    ann = await house.agent("ann@example.org")
    token = {"token": (await house.claim(ann))["token"]}
    told = [
        (await house.post(ann, f"/cases/{asked.id}/dial", {**token, **whom})).json()["phone"]
        for whom in ({}, {"whom": "owner"}, {"whom": "courier"})
    ]
    assert told == ["+31687654321", "+31611111111", "+31687654321"]
    seen = (await house.http.get(f"/v1/desk/cases/{asked.id}", headers=ann.headers)).json()
    assert [one["who"] for one in seen["askers"]] == ["courier", "owner"]
    assert "+316" not in str(seen)


async def test_numbers_go_with_the_case_and_with_whoever_leaves(desk_house: DeskHouse) -> None:
    """Whatever the lists know by then: nothing of them was placed yet when the courier is removed."""
    house = desk_house
    asked = await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier", call_at="+31687654321")
    await house.desk.help.ask(OWNER, DELIVERY, CAR, by="owner", call_at="+31611111111")
    await house.desk.help.forget(COURIER)
    assert [one.id for one in (await house.read(asked.id)).body.askers] == [OWNER], "theirs alone"
    await house.settle()
    ann = await house.agent("ann@example.org")
    token = {"token": (await house.claim(ann))["token"]}
    draft = {**token, "n": 0, "answers": {"where": "at the gate"}, "note": "a note"}
    path = f"/v1/desk/cases/{asked.id}"
    assert (await house.http.put(f"{path}/draft", json=draft, headers=ann.headers)).status_code == 200
    assert (await house.post(ann, f"/cases/{asked.id}/close", token)).status_code == 200
    body = (await house.read(asked.id)).body
    assert (body.askers, body.answers, body.note) == ((), {}, "")


async def test_a_removed_courier_is_erased_where_they_asked(desk_house: DeskHouse) -> None:
    house = desk_house
    asked = await house.desk.help.ask(COURIER, DELIVERY, CAR, by="courier", call_at="+31687654321")
    gone = CourierRemoved(at=house.now, carrier=CARRIER, courier=CourierId(COURIER))
    await house.people.append(gone)
    await house.settle()
    assert (await house.read(asked.id)).body.askers == ()
    assert "+31687654321" not in await house.people.everything()
    await house.again()
