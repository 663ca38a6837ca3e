"""``Idempotency-Key``: the same request again gets the same answer, at once, later and after a crash."""

import asyncio

import httpx
import pytest

from people.idempotency import Asked
from people.model import AddressKind
from people.problems import InProgress
from tests.service.people_house import CAR, PeopleHouse, house_of_people, http
from tests.service.test_people_http import bearer, enroller

__all__ = ["house_of_people", "http"]


async def test_a_repeated_request_gets_the_same_answer_and_does_nothing(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house = house_of_people
    carrier, headers = await enroller(house)
    first = await http.post("/v1/couriers", json={"name": "Sam"}, headers=headers)
    assert first.status_code == 201
    again = await http.post("/v1/couriers", json={"name": "Sam"}, headers=headers)
    assert (again.status_code, again.json()) == (201, first.json())
    assert again.headers["Idempotency-Replayed"] == "true"
    other = await http.post("/v1/couriers", json={"name": "Kim"}, headers=headers)
    assert (other.status_code, other.json()["code"]) == (409, "idempotency.other_body")
    _, theirs = await enroller(house)
    assert (await http.post("/v1/couriers", json={"name": "Sam"}, headers=theirs)).json() != first.json()
    assert first.json()["code"] not in await house.everything()
    bad = await http.post("/v1/couriers", json={"name": "Sam"}, headers=headers | {"Idempotency-Key": "a b"})
    assert bad.status_code == 422
    view = await house.people.couriers.courier(first.json()["courier"])
    assert view is not None
    assert view.carrier == carrier


async def test_of_identical_requests_at_once_one_runs(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house = house_of_people
    _, headers = await enroller(house)
    answers = await asyncio.gather(
        *(http.post("/v1/couriers", json={"name": "Sam"}, headers=headers) for _ in range(8))
    )
    assert {answer.status_code for answer in answers} <= {201, 409}
    made = [answer.json() for answer in answers if answer.status_code == 201]
    assert all(one == made[0] for one in made)
    for waiting in (answer for answer in answers if answer.status_code == 409):
        assert (waiting.json()["code"], waiting.headers["Retry-After"]) == (InProgress.code, "1")
    couriers = [key for key in await house.subjects() if key.startswith("cou_")]
    assert len(couriers) == 1


@pytest.mark.parametrize("commits", [0, 1])
async def test_killed_before_its_answer_a_request_is_repeated_not_doubled(
    house_of_people: PeopleHouse, http: httpx.AsyncClient, commits: int
) -> None:
    house = house_of_people
    person = await house.owner("ada@example.org")
    headers = bearer(await house.session(person), **{"Idempotency-Key": "one"})
    path, body = f"/v1/owner/cars/{CAR}/addresses", {"kind": "any"}

    async def ask() -> httpx.Response:
        return await http.post(path, json=body, headers=headers)

    async def crash() -> None:
        # The commit is made, then the process dies before it keeps its answer.
        seed = house.people.pseudonyms.text("seed", f"{person} one")
        assert Asked("one", "").once(person) is not None
        await house.people.addresses.make(CAR, AddressKind.ANY, by=person, seed=seed, now=house.now)

    await house.killed_after(commits, crash)
    made = await ask()
    assert made.status_code == 201, made.text
    assert (await ask()).json() == made.json()
    assert len((await http.get(path, headers=headers)).json()["data"]) == 1


async def test_a_refused_request_may_be_repeated(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house = house_of_people
    person = await house.person("ada@example.org")
    headers = bearer(await house.session(person), **{"Idempotency-Key": "one"})
    refused = await http.post("/v1/owner/cars/claim", json={"code": "ABCD2345"}, headers=headers)
    assert (refused.status_code, refused.json()["code"]) == (409, "code.refused")
    await house.show("ABCD2345")
    claimed = await http.post("/v1/owner/cars/claim", json={"code": "ABCD2345"}, headers=headers)
    assert (claimed.status_code, claimed.json()["vehicle"]) == (201, CAR)
