"""Who may come to the desk: made by an operator, known by passkey within the shift, and nobody to any car by that."""

from datetime import timedelta
from typing import Any

from people.agents import agent_of
from tests.service.desk_house import CAR, OURS, DeskHouse, desk_house
from tests.service.people_house import house_of_people

__all__ = ["desk_house", "house_of_people"]

ROUTES = (
    ("GET", "/me"), ("GET", "/cases"), ("POST", "/claim"), ("GET", "/cases/{case}"), ("GET", "/wallboard"),
    ("POST", "/cases/{case}/heartbeat"), ("POST", "/cases/{case}/release"), ("PUT", "/cases/{case}/draft"),
    ("POST", "/cases/{case}/dial"), ("POST", "/cases/{case}/disposition"), ("POST", "/cases/{case}/lock"),
    ("POST", "/cases/{case}/close"), ("GET", "/cases/{case}/audit"),
)  # fmt: skip
GOOD = {"token": "ab" * 16, "disposition": "busy", "n": 0, "answers": {}}
MEMBERS = {"disposition": {"token", "disposition"}, "draft": {"token", "n", "answers"}, "claim": set[str]()}


def body_of(path: str) -> dict[str, Any]:
    wanted = MEMBERS.get(path.rsplit("/", 1)[1], {"token"})
    return {name: value for name, value in GOOD.items() if name in wanted}


async def each(house: DeskHouse, headers: dict[str, str]) -> set[tuple[int, str]]:
    """What every route of the desk answers."""
    case, found = f"cse_{CAR[4:]}.brakes.1", set()
    for method, path in ROUTES:
        given = {} if method == "GET" else {"json": body_of(path)}
        answer = await house.http.request(
            method, "/v1/desk" + path.format(case=case), headers=headers, **given
        )
        found.add((answer.status_code, answer.json()["code"]))
    return found


async def test_nobody_but_agents_with_a_passkey_of_this_shift(desk_house: DeskHouse) -> None:
    house, people = desk_house, desk_house.people.people
    await house.choose()
    await house.case()
    assert await each(house, {}) == {(401, "auth.unauthenticated")}
    for stolen in ("tls_3k7m9qxd4hwe2a5t." + "A" * 43, "x", "tlo_3k7m9qxd4hwe2a5t." + "A" * 43):
        assert await each(house, {"Authorization": f"Bearer {stolen}"}) == {(401, "auth.unauthenticated")}
    stranger, _ = await people.sessions.make(house.owner, level="passkey", now=house.now)
    assert await each(house, {"Authorization": f"Bearer {stranger.text}"}) == {(403, "desk.not_an_agent")}
    ann = await house.agent("ann@example.org")
    by_mail, _ = await people.sessions.make(ann.view.person, level="link", now=house.now)
    known, _ = await people.sessions.make(ann.view.person, level="session", now=house.now)
    for made in (by_mail, known):
        answers = await each(house, {"Authorization": f"Bearer {made.text}"})
        assert answers == {(401, "auth.passkey_needed")}
    assert (await house.http.get("/v1/desk/me", headers=ann.headers)).json()["role"] == "agent"
    house.people.clock.advance(timedelta(hours=12, seconds=1))
    assert await each(house, ann.headers) == {(401, "auth.passkey_needed")}, "the shift is over"


async def test_an_agent_ends_with_the_role_or_the_person(desk_house: DeskHouse) -> None:
    house, people = desk_house, desk_house.people.people
    ann, bob = await house.agent("ann@example.org"), await house.agent("bob@example.org")
    await people.agents.remove(ann.view.id, now=house.now)
    await people.agents.remove(ann.view.id, now=house.now)
    assert await each(house, ann.headers) == {(403, "desk.not_an_agent")}
    await people.persons.erase(bob.view.person, now=house.now)
    assert await each(house, bob.headers) == {(401, "auth.unauthenticated")}
    assert await people.agents.find(bob.view.id) is None
    await house.settle()
    again = await house.agent("ann@example.org", "supervisor")
    assert (again.view.id, again.view.role) == (ann.view.id, "supervisor")


async def test_an_agents_session_is_nobody_on_any_car(desk_house: DeskHouse) -> None:
    house, people = desk_house, desk_house.people.people
    await house.choose()
    boss, case = await house.agent("boss@example.org", "supervisor"), await house.case()
    await house.claim(boss, case)
    assert await people.cars.cars_of(boss.view.person, now=house.now) == []
    for method, path in (
        ("GET", f"/v1/owner/cars/{CAR}/people"), ("POST", f"/v1/owner/cars/{CAR}/addresses"),
        ("POST", f"/v1/owner/cars/{CAR}/release"), ("GET", f"/v1/owner/cars/{CAR}/addresses"),
    ):  # fmt: skip
        answer = await house.http.request(method, path, headers=boss.headers)
        assert answer.status_code in {403, 404, 422}, (path, answer.status_code)
    assert (await house.http.get("/v1/owner/cars", headers=boss.headers)).json()["data"] == []


async def test_operators_make_and_remove_agents(desk_house: DeskHouse) -> None:
    house, people = desk_house, desk_house.people.people
    token = await people.operators.make("op", now=house.now)
    operator = {"Authorization": f"Bearer {token.text}"}
    wanted = {"email": "Eva@Example.org", "role": "supervisor", "languages": ["nl", "de", "nl"]}
    for headers in ({}, (await house.agent("ann@example.org", "supervisor")).headers):
        assert (await house.http.post("/v1/operator/agents", json=wanted, headers=headers)).status_code == 401
    made = await house.http.post("/v1/operator/agents", json=wanted, headers=operator)
    assert made.status_code == 201, made.text
    agent = made.json()["id"]
    assert (made.json()["languages"], agent) == (["de", "nl"], agent_of(made.json()["person"]))
    path = f"/v1/operator/agents/{agent}"
    assert (await house.http.get(path, headers=operator)).json() == made.json()
    kinds = await house.settle()
    every = "/v1/operator/agents"
    listed = (await house.http.get(every, headers=operator)).json()
    assert made.json() in listed["data"]
    assert listed["next"] is None
    first = (await house.http.get(f"{every}?limit=1", headers=operator)).json()
    rest = (await house.http.get(f"{every}?after={first['next']}", headers=operator)).json()
    assert first["data"] + rest["data"] == listed["data"]
    for headers in ({}, (await house.agent("ann@example.org", "supervisor")).headers):
        assert (await house.http.get(every, headers=headers)).status_code == 401
    assert (await house.http.delete(path, headers=operator)).status_code == 204
    assert (await house.http.get(path, headers=operator)).status_code == 404
    for wrong in ({"languages": []}, {"languages": ["fr"]}, {"role": "boss"}, {"email": "x"}, {"more": 1}):
        answer = await house.http.post("/v1/operator/agents", json={**wanted, **wrong}, headers=operator)
        assert answer.status_code == 422, wrong
    nobody = await house.http.delete("/v1/operator/agents/agt_0000000000000000", headers=operator)
    assert nobody.status_code == 404
    kinds += await house.settle()
    assert [kind for kind in kinds if kind.startswith("agent.")] == ["agent.made", "agent.removed"]
    assert "eva@example.org" not in " ".join(one.fact.model_dump_json() for one in house.seen)


async def test_with_the_cookie_only_our_own_pages(desk_house: DeskHouse) -> None:
    house = desk_house
    await house.choose()
    ann, case = await house.agent("ann@example.org"), await house.case()
    cookie = {"Cookie": f"tl_session={ann.token}"}
    theirs = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
    for headers in ({**cookie, **theirs}, cookie, {**cookie, "Sec-Fetch-Site": "same-site"}):
        for method, path in ROUTES:
            if method == "GET":
                continue
            answer = await house.http.request(
                method, "/v1/desk" + path.format(case=case), json=body_of(path), headers=headers
            )
            assert (answer.status_code, answer.json()["code"]) == (403, "auth.cross_site"), path
    assert (await house.read(case)).state == "queued"
    ours = await house.http.post("/v1/desk/claim", json={}, headers={**cookie, **OURS})
    assert ours.json()["case"] == case
