"""An agent books while the owner is on the phone: slots, hold, book, and the outcome that follows."""

from spine.ids import GarageId
from tests.service.desk_house import CAR, DeskHouse, desk_house
from tests.service.garage_house import details
from tests.service.people_house import house_of_people

__all__ = ["desk_house", "house_of_people"]


async def garage(house: DeskHouse) -> GarageId:
    token = await house.parts.garages.make(details(), now=house.now)
    await house.settle()
    await house.parts.capacity.fill(await house.parts.garages.read(GarageId(token.subject)))
    await house.settle()
    return GarageId(token.subject)


async def test_from_the_list_to_a_booked_visit(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose(garage=await garage(house))
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    case = await house.case()
    token = {"token": (await house.claim(ann))["token"]}
    path = f"/cases/{case}"
    free = (await house.http.get(f"/v1/desk{path}/slots", headers=ann.headers)).json()["data"]
    slots = [one["slot"] for one in free[0]["slots"]]
    assert free[0]["garage"]["name"] == "Garage Noord"
    assert (await house.http.get(f"/v1/desk{path}/slots", headers=bob.headers)).status_code == 404
    early = await house.post(ann, f"{path}/book", {**token, "slot": slots[0]})
    assert (early.status_code, early.json()["code"]) == (409, "desk.dial_first")
    await house.post(ann, f"{path}/dial", token)
    theirs = await house.post(bob, f"{path}/book", {**token, "slot": slots[0]})
    assert theirs.status_code == 404
    wrong = await house.post(ann, f"{path}/book", {"token": "0" * 32, "slot": slots[0]})
    assert wrong.json()["code"] == "desk.lease_lost"
    held = await house.post(ann, f"{path}/hold", {**token, "slot": slots[0]})
    assert held.json()["until"] == "2030-05-07T10:10:00Z"
    booked = await house.post(ann, f"{path}/book", {**token, "slot": slots[0]})
    assert booked.status_code == 200, booked.text
    assert (await house.read(case)).state == "booked"
    done = await house.post(ann, f"{path}/disposition", {**token, "disposition": "booked"})
    assert done.json()["state"] == "booked"
    await house.settle()
    read = await house.read(case)
    assert (read.body.trigger.appointment, [one.disposition for one in read.body.trigger.calls]) == (
        booked.json()["id"], ["booked"],
    )  # fmt: skip
    trail = [one.why for one in read.body.history if one.by == ann.view.id]
    assert {"dial", "hold", "book", "booked"} <= set(trail)
    rows = (await house.http.get("/v1/desk/cases", headers=ann.headers)).json()["data"]
    assert rows == []
    await house.again()


async def test_help_books_nothing_and_odd_slots_are_refused(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    token = {"token": (await house.claim(ann))["token"]}
    await house.post(ann, f"/cases/{case}/dial", token)
    for slot in ("slt_3k7m9qxd4hwe2a5t.1.1904292000", "slt_0000000000000000.99.0"):
        for act in ("book", "hold"):
            answer = await house.post(ann, f"/cases/{case}/{act}", {**token, "slot": slot})
            assert answer.status_code in {404, 409}, answer.text
    for slot in ("", "x", 3, None, f"slt_{CAR[4:]}.1.-1", "slt_3k7m9qxd4hwe2a5t.1." + "9" * 40):
        answer = await house.post(ann, f"/cases/{case}/book", {**token, "slot": slot})
        assert answer.status_code == 422, slot
    assert (await house.read(case)).state == "leased"
