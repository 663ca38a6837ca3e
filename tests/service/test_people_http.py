"""The routes as a stranger, a browser and programs meet them: who gets in, what a repeated request gets."""

import base64
from typing import Any

import httpx
import pytest

from people.limits import PeopleLimits
from people.mail_links import MailKind
from people.model import Role, Scope
from people.problems import TooMany, Unauthenticated
from people.states import Carrier
from people.tokens import read
from spine.ids import PersonId
from tests.people_signing import ORIGIN, Device
from tests.service.people_house import CAR, PeopleHouse, house_of_people, http

__all__ = ["house_of_people", "http"]

LIMITS = PeopleLimits()
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}


def bearer(token: str, **more: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", **more}


async def link(house: PeopleHouse, http: httpx.AsyncClient, email: str = "ada@example.org") -> str:
    answer = await http.post("/v1/sign-in", json={"email": f"  {email.upper()} "})
    assert (answer.status_code, answer.json()) == (202, {"accepted": True})
    person = PersonId(list(house.mailbox.queued)[-1][0])
    return await house.follow(person, MailKind.SIGN_IN)


async def test_a_program_signs_in_by_mail_and_out(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house = house_of_people
    token = await link(house, http)
    made = await http.post("/v1/session", json={"token": token})
    assert made.status_code == 201, made.text
    assert "set-cookie" not in made.headers
    session = bearer(made.json()["token"])
    me = (await http.get("/v1/me", headers=session)).json()
    assert (me["id"], me["email"], me["new_email"]) == (made.json()["person"], "ada@example.org", None)
    assert (await http.put("/v1/me/name", headers=session, json={"name": " Ada "})).status_code == 204
    listed = (await http.get("/v1/sessions", headers=session)).json()["data"]
    assert [(one["level"], one["current"]) for one in listed] == [("link", True)]
    again = await http.post("/v1/session", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (410, "link.refused")
    assert (await http.delete("/v1/session", headers=session)).status_code == 204
    out = await http.get("/v1/me", headers=session)
    assert (out.status_code, out.json()["code"]) == (401, "auth.unauthenticated")
    assert 'error="invalid_token"' in out.headers["WWW-Authenticate"]


async def test_a_browser_gets_a_cookie_that_only_our_pages_can_use(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    token = await link(house_of_people, http)
    foreign = await http.post(
        "/v1/session", json={"token": token}, headers={"Origin": "https://evil.example"}
    )
    assert (foreign.status_code, foreign.json()["code"]) == (403, "auth.cross_site")
    made = await http.post("/v1/session", json={"token": token}, headers=OURS)
    assert made.status_code == 201
    assert made.json()["token"] is None
    cookie = made.headers["set-cookie"]
    assert cookie.startswith("tl_session=tls_")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert (await http.get("/v1/me")).status_code == 200
    for headers in ({}, {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "none"},
                    {"Origin": "http://localhost:9999"}, {"Origin": "null"}):  # fmt: skip
        refused = await http.put("/v1/me/name", json={"name": "Eve"}, headers=headers)
        assert refused.status_code == 403, headers
    assert (await http.put("/v1/me/name", json={"name": "Ada"}, headers=OURS)).status_code == 204
    assert (
        await http.put("/v1/me/name", json={"name": "Ada"}, headers={"Origin": ORIGIN})
    ).status_code == 204


async def test_mails_speak_the_language_of_the_last_sign_in_until_one_is_chosen(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, email = house_of_people, "ada@example.org"

    async def mailed() -> str:
        letter = await house.letter(PersonId(list(house.mailbox.queued)[-1][0]), MailKind.SIGN_IN)
        assert letter is not None
        return letter.language

    async def signs_in(accepts: str) -> str:
        token = await link(house, http, email)
        headers = {**OURS, "Accept-Language": accepts}
        assert (await http.post("/v1/session", json={"token": token}, headers=headers)).status_code == 201
        return str((await http.get("/v1/me")).json()["language"])

    dutch = {"Accept-Language": "nl-BE, en;q=0.5"}
    await http.post("/v1/sign-in", json={"email": email}, headers=dutch)
    assert await mailed() == "nl"  # nobody is known yet: as the page was on which it was asked for
    assert [await signs_in(accepts) for accepts in ("de", "fr", "nl")] == ["de", "de", "nl"]
    await http.post("/v1/sign-in", json={"email": email}, headers={"Accept-Language": "sv"})
    assert await mailed() == "nl"  # a stranger, perhaps

    chosen = {"language": "sv", "back": "/account"}
    assert (
        await http.post("/language", data=chosen, headers={"Sec-Fetch-Site": "cross-site"})
    ).status_code == 403
    assert (await http.get("/v1/me")).json()["language"] == "nl"
    assert (await http.post("/language", data=chosen, headers=OURS)).status_code == 303
    http.cookies.delete("tl_language")
    assert await signs_in("nl") == "sv"
    assert (await http.put("/v1/me/language", json={"language": "xx"}, headers=OURS)).status_code == 422
    assert (await http.put("/v1/me/language", json={"language": "de"}, headers=OURS)).status_code == 204
    await link(house, http, email)
    assert await mailed() == "de"
    http.cookies.set("tl_session", "tls_of_nobody")
    assert (await http.post("/language", data=chosen, headers=OURS)).status_code == 303
    await link(house, http, email)
    assert await mailed() == "de"

    ada = PersonId(list(house.mailbox.queued)[-1][0])
    await house.people.persons.erase(ada, now=house.now)
    await house.people.persons.speaks(ada, "nl", chosen=True)
    assert (await house.store.load(ada)).body == "{}"


async def test_whoever_signs_in_where_somebody_else_was_signs_them_out_there(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    async def sign_in(email: str, there: str = "") -> str:
        token = await link(house_of_people, http, email)
        http.cookies.clear()
        headers = {**OURS, "Cookie": f"tl_session={there}"} if there else OURS
        made = await http.post("/v1/session", json={"token": token}, headers=headers)
        assert made.status_code == 201
        http.cookies.clear()
        return made.cookies["tl_session"]

    async def known(session: str) -> int:
        return (await http.get("/v1/me", headers=bearer(session))).status_code

    ada, elsewhere = await sign_in("ada@example.org"), await sign_in("ada@example.org")
    again = await sign_in("ada@example.org", there=ada)
    assert await known(ada) == 200, "the same person: what this browser is notified by goes on"
    bob = await sign_in("bob@example.org", there=again)
    assert await known(again) == 401
    assert [await known(one) for one in (ada, elsewhere, bob)] == [200, 200, 200]
    await sign_in("cyd@example.org", there=f"{bob[:-1]}_")
    assert await known(bob) == 200, "no session was there"


async def test_with_tls_the_cookie_is_bound_to_the_host(house_of_people: PeopleHouse) -> None:
    from people.access import Access

    people = house_of_people.people
    access = Access(
        people.sessions, people.carrier_tokens, people.courier_tokens, people.operators, people.doorkeeper, people.clock,
        "https://trunkline.example",
    )  # fmt: skip
    assert (access.cookie, access.secure) == ("__Host-tl_session", True)


async def tokens(house: PeopleHouse) -> dict[str, str]:
    device, phone = Device(), Device()
    person = await house.owner("ada@example.org")
    carrier = (await house.people.carriers.enrol("P", public_jwk=device.jwk, now=house.now)).client_id
    courier = await house.courier(carrier, phone)
    assertion = phone.sign_in(courier, house.now)
    return {
        "session": await house.session(person),
        "carrier": await house.carrier_token(device, carrier),
        "courier": (await house.people.courier_tokens.sign_in(assertion, now=house.now)).token,
        "operator": (await house.people.operators.make("root", now=house.now)).text,
    }


DOORS = {
    "session": "/v1/owner/cars",
    "carrier": "/v1/couriers",
    "courier": "/v1/courier/me",
    "operator": "/v1/operator/carriers",
}


async def test_each_door_opens_for_its_own_token_alone(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    held = await tokens(house_of_people)
    stolen = held["session"].replace(".", "x")
    for door, path in DOORS.items():
        for whose, token in (*held.items(), ("stranger", "nonsense"), ("stranger", stolen), ("stranger", "")):
            method = "POST" if door == "operator" else "GET"
            answer = await http.request(method, path, headers=bearer(token), json={"name": "Q"})
            assert answer.status_code == ({"POST": 201, "GET": 200}[method] if whose == door else 401), (
                door,
                whose,
            )
            assert whose == door or answer.headers["WWW-Authenticate"].startswith("Bearer")
        assert (await http.request(method, path)).status_code == 401


async def test_scopes_and_the_stop_of_orders(house_of_people: PeopleHouse, http: httpx.AsyncClient) -> None:
    from fastapi import Depends, FastAPI

    from trunkline import problems

    house = house_of_people
    made = await house.people.carriers.enrol("P", now=house.now)
    basic = base64.b64encode(f"{made.client_id}:{made.client_secret}".encode()).decode()
    form = {"grant_type": "client_credentials"}
    granted = await http.post("/v1/oauth/token", data=form, headers={"Authorization": f"Basic {basic}"})
    assert granted.status_code == 200, granted.text
    assert granted.json()["token_type"] == "Bearer"
    assert granted.json()["expires_in"] == 600
    assert granted.headers["Cache-Control"] == "no-store"
    token = granted.json()["access_token"]
    refused = await http.post("/v1/couriers", json={"name": "Sam"}, headers=bearer(token))
    assert (refused.status_code, refused.json()["code"]) == (403, "auth.scope")
    assert 'scope="couriers:enrol"' in refused.headers["WWW-Authenticate"]

    app = FastAPI()
    problems.install(app)
    writes = Scope.DELIVERIES_WRITE
    app.get("/order", dependencies=[Depends(house.people.access.carrier(writes))])(lambda: "ok")
    app.get("/cancel", dependencies=[Depends(house.people.access.carrier(writes, even_stopped=True))])(
        lambda: "ok"
    )
    saved = await house.store.load(made.client_id)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ORIGIN) as other:
        assert (await other.get("/order", headers=bearer(token))).status_code == 200
        from spine.store import Change, Write

        stopped = Change({made.client_id: Write(Carrier.STOPPED, saved.body)})
        await house.store.change([made.client_id], lambda _: stopped)
        assert (await other.get("/order", headers=bearer(token))).json()["code"] == "carrier.orders_stopped"
        assert (await other.get("/cancel", headers=bearer(token))).status_code == 200
        await house.people.carriers.freeze(made.client_id, now=house.now)
        assert (await other.get("/cancel", headers=bearer(token))).status_code == 401


@pytest.mark.parametrize(
    ("form", "headers", "error"),
    [
        ({}, {}, "unsupported_grant_type"),
        ({"grant_type": "password"}, {}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, {}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "x", "client_secret": "y"}, {}, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic !!!"}, "invalid_client"),
        ({"grant_type": "client_credentials"}, {"Authorization": "Basic /w=="}, "invalid_client"),
        (
            {"grant_type": "client_credentials", "client_secret": "y"},
            {"Authorization": "Basic eDp5"},
            "invalid_client",
        ),
        ({"grant_type": "client_credentials", "scope": "root"}, {}, "invalid_scope"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, {}, "invalid_request"),
    ],
)
async def test_the_token_endpoint_says_no_as_rfc_6749_has_it(
    http: httpx.AsyncClient, form: dict[str, str], headers: dict[str, str], error: str
) -> None:
    answer = await http.post("/v1/oauth/token", data=form, headers=headers)
    assert answer.status_code == (401 if error == "invalid_client" else 400)
    assert answer.json()["error"] == error
    assert answer.headers["Cache-Control"] == "no-store"


async def enroller(house: PeopleHouse) -> tuple[str, dict[str, str]]:
    device = Device()
    carrier = (await house.people.carriers.enrol("P", public_jwk=device.jwk, now=house.now)).client_id
    return carrier, bearer(await house.carrier_token(device, carrier), **{"Idempotency-Key": "one"})


async def test_an_owners_day(house_of_people: PeopleHouse, http: httpx.AsyncClient) -> None:
    house = house_of_people
    owner = bearer(await house.session(await house.owner("ada@example.org")))
    car = f"/v1/owner/cars/{CAR}"
    offered = await http.post(
        f"{car}/people", json={"email": "ben@example.org", "role": "driver"}, headers=owner
    )
    assert offered.status_code == 201, offered.text
    assert "ben@example.org" not in offered.text
    found = await house.people.persons.find("ben@example.org")
    assert found is not None
    entry = house.people.persons.entry_of("ben@example.org")
    await house.people.persons.confirm(found.person, entry, now=house.now)
    driver = bearer(await house.session(found.person))
    invitation = f"/v1/invitations/{offered.json()['id']}"
    assert (await http.get(invitation, headers=owner)).status_code == 404
    assert (await http.get(car, headers=driver)).status_code == 404
    assert (await http.post(f"{invitation}/acceptance", json={}, headers=driver)).json()["state"] == "bound"
    await house.settle()
    assert (await http.get(car, headers=driver)).json()["role"] == "driver"
    crew = (await http.get(f"{car}/people", headers=driver)).json()
    assert [one["role"] for one in crew["data"]] == ["owner", "driver"]
    made = await http.post(f"{car}/addresses", json={"kind": "one_order", "label": "books"}, headers=owner)
    assert made.status_code == 201, made.text
    assert (await http.post(f"{car}/addresses", json={}, headers=driver)).status_code == 403
    assert (await http.delete(f"{car}/addresses/{made.json()['id']}", headers=owner)).status_code == 204
    assert (await http.delete(f"{car}/people/{found.person}", headers=owner)).status_code == 204
    assert (await http.post(f"{car}/release", headers=owner)).status_code == 204
    assert (await http.get(car, headers=owner)).status_code == 404
    assert (await http.delete("/v1/me", headers=owner)).status_code == 204
    assert (await http.get("/v1/me", headers=owner)).status_code == 401


async def test_a_car_is_on_the_list_of_whoever_was_just_told_that_it_is_theirs(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    """Whatever reads the log may be late: the next page shows the car all the same."""
    house = house_of_people
    ada, ben = await house.person("ada@example.org"), await house.person("ben@example.org")
    owner, driver = bearer(await house.session(ada)), bearer(await house.session(ben))

    async def listed(who: dict[str, str]) -> list[str]:
        return [one["vehicle"] for one in (await http.get("/v1/owner/cars", headers=who)).json()["data"]]

    await house.show("ABCD2345")
    assert (await http.post("/v1/owner/cars/claim", json={"code": "ABCD2345"}, headers=owner)).is_success
    assert await listed(owner) == [CAR]
    offered = await house.people.invitations.offer(
        CAR, "ben@example.org", Role.DRIVER, by=ada, may_approve=True, now=house.now
    )
    assert (await http.post(f"/v1/invitations/{offered.id}/acceptance", json={}, headers=driver)).is_success
    assert await listed(driver) == [CAR]
    await house.settle()
    assert (await listed(owner), await listed(driver)) == ([CAR], [CAR])


async def test_a_car_has_the_clock_of_where_it_was_claimed_until_an_owner_says_another(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, cars = house_of_people, house_of_people.people.cars
    ada = await house.person("ada@example.org")
    owner, car = bearer(await house.session(ada)), f"/v1/owner/cars/{CAR}"

    async def claimed(code: str, zone: str | None) -> httpx.Response:
        await house.show(code)
        made = await http.post("/v1/owner/cars/claim", json={"code": code, "zone": zone}, headers=owner)
        await house.settle()
        return made

    async def says(zone: object, who: dict[str, str] = owner) -> int:
        return (await http.put(f"{car}/zone", json={"zone": zone}, headers=who)).status_code

    assert await says("Europe/Helsinki") == 404  # nobody's yet
    assert (await claimed("ABCD2345", "x" * 65)).status_code == 422
    # A browser may know names that this machine does not: nobody is kept from a car by that.
    assert (await claimed("BCDE2345", "Atlantis/Poseidonia")).json()["zone"] is None
    assert (await claimed("CDEF2345", "Europe/Helsinki")).json()["zone"] is None  # it is theirs already
    for wrong in ("Atlantis/Poseidonia", "../../etc/passwd", "", None, 3):
        assert await says(wrong) == 422
    assert await says("Europe/Stockholm") == 204
    assert (await http.get(car, headers=owner)).json()["zone"] == "Europe/Stockholm"

    offered = await house.people.invitations.offer(
        CAR, "ben@example.org", Role.DRIVER, by=ada, may_approve=True, now=house.now
    )
    ben = await house.person("ben@example.org")
    await house.people.invitations.accept(offered.id, person=ben, code=None, now=house.now)
    await house.settle()
    driver = bearer(await house.session(ben))
    assert await says("Europe/Berlin", driver) == 403
    assert (await http.get("/v1/owner/cars", headers=driver)).json()["data"][0]["zone"] == "Europe/Stockholm"
    await house.people.invitations.offer(
        CAR, "zoe@example.org", Role.OWNER, by=ada, may_approve=True, now=house.now
    )
    notice = await house.letter(ada, MailKind.INVITATION_NOTICE)
    assert notice is not None
    assert "(car's time, Stockholm)" in notice.paragraphs[0]

    await cars.release(CAR, by=ada, now=house.now)
    await house.settle()
    assert await cars.zone_of(CAR) is None  # it was of that household
    assert (await claimed("DEFG2345", "Europe/Helsinki")).json()["zone"] == "Europe/Helsinki"


async def test_a_couriers_first_day(house_of_people: PeopleHouse, http: httpx.AsyncClient) -> None:
    house, phone = house_of_people, Device()
    _, carrier = await enroller(house)
    named = (await http.post("/v1/couriers", json={"name": "Sam"}, headers=carrier)).json()
    body: dict[str, Any] = {
        "code": named["code"], "jwk": phone.jwk, "proof": phone.enrolment(named["code"], house.now),
    }  # fmt: skip
    enrolled = await http.post("/v1/courier/enrolment", json=body)
    assert enrolled.status_code == 201, enrolled.text
    signed = await http.post(
        "/v1/courier/session", json={"assertion": phone.sign_in(named["courier"], house.now)}
    )
    assert signed.status_code == 201, signed.text
    device = bearer(signed.json()["token"])
    me = (await http.get("/v1/courier/me", headers=device)).json()
    assert (me["id"], me["name"], me["state"]) == (named["courier"], "Sam", "enrolled")
    path = f"/v1/couriers/{named['courier']}"
    assert (await http.get(path, headers=carrier)).json()["jkt"] == me["jkt"]
    assert (await http.delete(path, headers=carrier)).status_code == 204
    assert (await http.get("/v1/courier/me", headers=device)).status_code == 401


async def test_an_operators_day(house_of_people: PeopleHouse, http: httpx.AsyncClient) -> None:
    house = house_of_people
    operator = await house.people.operators.make("root", now=house.now)
    headers = bearer(operator.text)
    made = (await http.post("/v1/operator/carriers", json={"name": "P"}, headers=headers)).json()
    carrier = f"/v1/operator/carriers/{made['client_id']}"
    renewed = await http.post(f"{carrier}/secret", headers=headers)
    assert renewed.json()["client_secret"] != made["client_secret"]
    assert (
        await http.put(f"{carrier}/key", json={"public_jwk": Device().jwk}, headers=headers)
    ).status_code == 204
    assert (await http.put(f"{carrier}/key", json={"public_jwk": {}}, headers=headers)).status_code == 422
    assert (await http.put(f"{carrier}/frozen", headers=headers)).status_code == 204
    assert (await http.delete(f"{carrier}/frozen", headers=headers)).status_code == 204
    person = (
        await http.post("/v1/operator/people", json={"email": "ada@example.org"}, headers=headers)
    ).json()
    await house.owner("ada@example.org")
    assert (await http.post(f"/v1/operator/cars/{CAR}/release", headers=headers)).status_code == 204
    assert await house.people.cars.owners_of(CAR, now=house.now) == []
    assert (await http.delete(f"/v1/operator/people/{person['person']}", headers=headers)).status_code == 204
    await house.people.operators.remove(operator.subject, now=house.now)
    assert (await http.put(f"{carrier}/frozen", headers=headers)).status_code == 401


async def test_strangers_are_slowed_down(http: httpx.AsyncClient) -> None:
    for _ in range(LIMITS.redeems_per_client):
        await http.post("/v1/session", json={"token": "x" * 43})
    slowed = await http.post("/v1/session", json={"token": "x" * 43})
    assert slowed.status_code == 429
    assert 0 < int(slowed.headers["Retry-After"]) <= 600


async def test_a_stolen_session_fills_nothing_and_stops_nobody_else(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, path = house_of_people, "/v1/me/name"
    person = await house.owner("ada@example.org")
    stolen, own = bearer(await house.session(person)), bearer(await house.session(person))

    async def rename(by: dict[str, str]) -> httpx.Response:
        return await http.put(path, headers=by, json={"name": "Ada"})

    house.people.doorkeeper._limits = LIMITS.model_copy(update={"acts_per_session": 3})
    for _ in range(3):
        assert (await rename(stolen)).status_code == 204
    slow = await rename(stolen)
    assert (slow.status_code, slow.json()["code"]) == (429, "rate.limited")
    assert 0 < int(slow.headers["Retry-After"]) <= 60
    assert (await http.get("/v1/me", headers=stolen)).status_code == 200
    assert (await rename(own)).status_code == 204
    assert (await http.delete("/v1/sessions", headers=own)).status_code == 204
    assert (await rename(stolen)).status_code == 401


async def test_a_carrier_a_courier_and_an_operator_can_each_ask_too_often(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, device, phones = house_of_people, Device(), [Device(), Device()]
    house.people.doorkeeper._limits = LIMITS.model_copy(
        update={
            "acts_per_carrier": 3, "acts_per_courier": 2, "requests_per_operator": 3,
        }
    )  # fmt: skip
    carrier = (await house.people.carriers.enrol("P", public_jwk=device.jwk, now=house.now)).client_id
    other = (await house.people.carriers.enrol("Q", public_jwk=device.jwk, now=house.now)).client_id
    first, second = [bearer(await house.carrier_token(device, carrier)) for _ in range(2)]
    operator = bearer((await house.people.operators.make("root", now=house.now)).text)

    async def status(method: str, path: str, by: dict[str, str], **body: Any) -> int:
        return (await http.request(method, path, headers=by, **body)).status_code

    named: dict[str, Any] = {"json": {"name": "Cy"}}
    assert [await status("POST", "/v1/couriers", by, **named) for by in (first, second, first)] == [201] * 3
    before = (await http.get("/v1/couriers", headers=first)).json()["data"]
    slow = await http.post("/v1/couriers", headers=second, **named)
    said = slow.json()
    assert (slow.status_code, said["code"]) == (429, "rate.limited"), "both tokens are the carrier's"
    assert (said["may_have_happened"], said["try_again"]) == (False, True)
    assert "Nothing was done" in said["detail"]
    assert 0 < int(slow.headers["Retry-After"]) <= 60
    assert (await http.get("/v1/couriers", headers=first)).json()["data"] == before
    assert await status("GET", "/v1/couriers", second) == 200, "a look is not counted"
    stopped = await house.carrier_token(device, other)
    assert await status("POST", "/v1/couriers", bearer(stopped), **named) == 201
    assert await status("POST", "/v1/couriers", bearer("tla_nobody"), **named) == 401

    tokens = []
    for phone in phones:
        courier = await house.courier(carrier, phone)
        assertion = phone.sign_in(courier, house.now)
        tokens.append((await house.people.courier_tokens.sign_in(assertion, now=house.now)).token)
    enter, acted = house.people.access._couriers_in, list[str]()

    async def act(token: str) -> None:
        async def counted(who: Any) -> None:
            await house.people.doorkeeper.courier(who.id, now=house.now)
            acted.append(who.id)

        read_token = read(token)
        assert read_token is not None
        await enter.enter(read_token, counted)

    await act(tokens[0])
    await act(tokens[0])
    with pytest.raises(TooMany) as refused:
        await act(tokens[0])
    assert 0 < (refused.value.retry_after or 0) <= 60
    await act(tokens[1])
    await house.people.carriers.freeze(carrier, now=house.now)
    for token in tokens:  # it was good a moment ago: that counts for nobody twice
        with pytest.raises(Unauthenticated):
            await act(token)

    frozen = f"/v1/operator/carriers/{other}/frozen"
    asked = [await status(method, frozen, operator) for method in ("PUT", "DELETE", "PUT", "DELETE")]
    assert asked == [204, 204, 204, 429]
    assert await status("GET", "/v1/couriers", bearer(stopped)) == 401, "what was too much did nothing"


async def test_the_notice_of_a_new_email_takes_it_back_without_a_session(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house = house_of_people
    person = await house.person("ada@example.org")
    owner = bearer(await house.session(person))
    asked = await http.post("/v1/me/email", json={"email": "ada@new.example"}, headers=owner)
    assert asked.status_code == 202
    token = {"token": await house.follow(person, MailKind.EMAIL_NOTICE)}
    assert (await http.get("/v1/me", headers=owner)).json()["new_email"] == "ada@new.example"
    assert (await http.post("/v1/session", json=token)).status_code == 410
    assert (await http.post("/v1/email-confirmation", json=token)).status_code == 410
    kept = await http.post("/v1/email-cancellation", json=token)
    assert (kept.status_code, kept.content, "set-cookie" in kept.headers) == (204, b"", False)
    assert (await http.get("/v1/me", headers=owner)).json()["new_email"] is None
    again = await http.post("/v1/email-cancellation", json=token)
    assert (again.status_code, again.json()["code"]) == (410, "link.refused")
