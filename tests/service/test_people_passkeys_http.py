"""The routes of passkeys as programs and browsers meet them: by bearer and cookie, in order and out of it."""

from datetime import timedelta
from typing import Any

import httpx
import pytest

from keys.car.jwk import b64, unb64
from people.limits import PeopleLimits
from people.mail_links import MailKind
from people.model import Role
from spine.ids import PersonId
from tests.people_signing import ORIGIN
from tests.service.passkey_hands import key
from tests.service.people_house import CAR, OTHER_CAR, PeopleHouse, house_of_people, http
from trunkline.software_key import SoftwareKey

__all__ = ["house_of_people", "http"]

LIMITS = PeopleLimits()
OURS = {"Sec-Fetch-Site": "same-origin", "Origin": ORIGIN}


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def link(house: PeopleHouse, http: httpx.AsyncClient, email: str = "ada@example.org") -> str:
    await http.post("/v1/sign-in", json={"email": email})
    return await house.follow(PersonId(list(house.mailbox.queued)[-1][0]), MailKind.SIGN_IN)


async def registered(http: httpx.AsyncClient, who: dict[str, str], hand: SoftwareKey) -> httpx.Response:
    begun = await http.post("/v1/me/passkeys/options", headers=who)
    if begun.status_code != 200:
        return begun
    answer = hand.registration(unb64(begun.json()["options"]["challenge"]))
    return await http.post("/v1/me/passkeys", headers=who, json={"name": "My phone", "credential": answer})


async def proven(http: httpx.AsyncClient, who: dict[str, str], hand: SoftwareKey) -> httpx.Response:
    begun = await http.post("/v1/session/passkey/options", headers=who)
    if begun.status_code != 200:
        return begun
    answer = hand.answer(unb64(begun.json()["options"]["challenge"]))
    return await http.post("/v1/session/passkey", headers=who, json={"credential": answer})


async def test_a_program_makes_a_passkey_and_lifts_its_session(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    made = (await http.post("/v1/session", json={"token": await link(house, http)})).json()
    assert (made["level"], made["approves_by"], made["device"]) == ("link", "nothing", None)
    who = bearer(made["token"])
    told = (await http.get("/v1/me/approvals", headers=who)).json()
    assert told == {"by": "nothing", "passkeys": 0, "link_possible": True}
    assert (await http.put("/v1/me/approvals", headers=who, json={"by": "link"})).status_code == 204
    assert (await http.get("/v1/me/approvals", headers=who)).json()["by"] == "link"
    for wrong in ({"by": "nothing"}, {"by": "passkey"}, {}, {"by": "link", "more": 1}):
        assert (await http.put("/v1/me/approvals", headers=who, json=wrong)).status_code == 422
    no = await proven(http, who, hand)
    assert (no.status_code, no.json()["code"]) == (404, "people.not_found")

    kept = await registered(http, who, hand)
    assert (kept.status_code, kept.json()["name"]) == (201, "My phone")
    assert (await http.get("/v1/me/approvals", headers=who)).json() == {
        "by": "passkey",
        "passkeys": 1,
        "link_possible": False,
    }
    over = await http.put("/v1/me/approvals", headers=who, json={"by": "link"})
    assert (over.status_code, over.json()["code"]) == (409, "approvals.passkey_exists")
    (listed,) = (await http.get("/v1/sessions", headers=who)).json()["data"]
    assert (listed["level"], listed["passkey_at"]) == (
        "passkey",
        house.now.isoformat().replace("+00:00", "Z"),
    )

    house.clock.advance(LIMITS.passkey_fresh + timedelta(seconds=1))
    stale = await registered(http, who, key())
    assert (stale.status_code, stale.json()["code"]) == (401, "auth.passkey_needed")
    assert 'error="insufficient_user_authentication"' in stale.headers["WWW-Authenticate"]
    assert "max_age=300" in stale.headers["WWW-Authenticate"]
    shown = await proven(http, who, hand)
    assert (shown.status_code, shown.json()) == (200, {"passkey": kept.json()["id"], "seconds": 300})
    assert (await registered(http, who, key())).status_code == 201
    names = await http.put(
        f"/v1/me/passkeys/{kept.json()['id']}/name", headers=who, json={"name": "Old phone"}
    )
    assert names.status_code == 204
    assert (await http.delete(f"/v1/me/passkeys/{kept.json()['id']}", headers=who)).status_code == 204
    (left,) = (await http.get("/v1/me/passkeys", headers=who)).json()["data"]
    last = await http.delete(f"/v1/me/passkeys/{left['id']}", headers=who)
    assert (last.status_code, last.json()["code"]) == (409, "passkey.last")
    assert (await http.delete(f"/v1/me/passkeys/{'0' * 16}", headers=who)).status_code == 404
    assert (await http.delete("/v1/me/passkeys/nonsense", headers=who)).status_code == 422


async def test_what_gives_others_a_way_in_asks_for_the_passkey(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    person = await house.owner("ada@example.org")
    who = bearer(await house.session(person))
    guarded: list[tuple[str, dict[str, Any]]] = [
        (f"/v1/owner/cars/{CAR}/addresses", {"kind": "any"}),
        (f"/v1/owner/cars/{CAR}/people", {"email": "ben@example.org", "role": "driver", "may_approve": True}),
        (f"/v1/owner/cars/{CAR}/people", {"email": "ben@example.org", "role": "owner"}),
        ("/v1/me/email", {"email": "new@example.org"}),
    ]
    for path, body in guarded:  # somebody without a passkey does it as ever
        assert (await http.post(path, headers=who, json=body)).status_code in {201, 202}, path
    await registered(http, who, hand)
    stolen = bearer(await house.session(person))
    for n, (path, body) in enumerate(guarded):
        no = await http.post(path, headers={**stolen, "Idempotency-Key": f"key-{n}"}, json=body)
        assert (no.status_code, no.json()["code"]) == (401, "auth.passkey_needed"), path
    told = {"email": "cleo@example.org", "role": "told"}
    assert (await http.post(f"/v1/owner/cars/{CAR}/people", headers=stolen, json=told)).status_code == 201
    for path in ("/v1/me", f"/v1/owner/cars/{CAR}/addresses", "/v1/me/passkeys", "/v1/me/devices"):
        assert (await http.get(path, headers=stolen)).status_code == 200
    await proven(http, stolen, hand)
    for n, (path, body) in enumerate(guarded):
        again = {**stolen, "Idempotency-Key": f"key-{n}"}
        assert (await http.post(path, headers=again, json=body)).status_code in {201, 202, 409}, path
    house.clock.advance(LIMITS.passkey_fresh * 2)
    path, body = guarded[0]
    replayed = await http.post(path, headers={**stolen, "Idempotency-Key": "key-0"}, json=body)
    assert (replayed.status_code, replayed.headers["Idempotency-Replayed"]) == (201, "true")


async def test_a_browser_signs_in_by_passkey_and_by_mail_on_a_known_device(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    first = await http.post("/v1/session", json={"token": await link(house, http)}, headers=OURS)
    person = first.json()["person"]
    cookies = first.headers.get_list("set-cookie")
    assert [one.partition("=")[0] for one in cookies] == ["tl_session", f"tl_device_{person[4:]}"]
    assert all("HttpOnly" in one and "SameSite=lax" in one for one in cookies)
    assert (first.json()["level"], first.json()["device"], first.json()["token"]) == ("link", None, None)
    soon = await http.post("/v1/session", json={"token": await link(house, http)}, headers=OURS)
    assert soon.json()["level"] == "link"
    house.clock.advance(LIMITS.device_known_after)
    later = await http.post("/v1/session", json={"token": await link(house, http)}, headers=OURS)
    assert later.json()["level"] == "session"
    assert len(later.headers.get_list("set-cookie")) == 1
    another = await http.post(
        "/v1/session", json={"token": await link(house, http, "ben@example.org")}, headers=OURS
    )
    assert another.json()["level"] == "link"

    await http.post("/v1/session", json={"token": await link(house, http)}, headers=OURS)
    assert (await registered(http, OURS, hand)).status_code == 201
    assert (await http.delete("/v1/session", headers=OURS)).status_code == 204
    begun = await http.post("/v1/sign-in/passkey/options", headers=OURS)
    answer = hand.answer(unb64(begun.json()["options"]["challenge"]), person=person)
    foreign = await http.post(
        "/v1/sign-in/passkey", json={"credential": answer}, headers={"Sec-Fetch-Site": "cross-site"}
    )
    assert (foreign.status_code, foreign.json()["code"]) == (403, "auth.cross_site")
    signed = await http.post("/v1/sign-in/passkey", json={"credential": answer}, headers=OURS)
    assert (signed.status_code, signed.json()["level"]) == (201, "passkey")
    assert (await http.get("/v1/me")).json()["id"] == person
    replayed = await http.post("/v1/sign-in/passkey", json={"credential": answer}, headers=OURS)
    assert (replayed.status_code, replayed.json()["code"]) == (403, "passkey.refused")
    devices = (await http.get("/v1/me/devices")).json()["data"]
    assert len(devices) == 1
    assert (await http.delete(f"/v1/me/devices/{devices[0]['id']}", headers=OURS)).status_code == 204
    unknown = await http.post("/v1/session", json={"token": await link(house, http)}, headers=OURS)
    assert unknown.json()["level"] == "link"


async def test_a_program_is_remembered_where_it_asks_for_it(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    body = {"token": await link(house, http), "remember": True}
    made = (await http.post("/v1/session", json=body)).json()
    assert len(made["device"]) == 43
    house.clock.advance(LIMITS.device_known_after)
    body = {"token": await link(house, http), "device": made["device"]}
    again = (await http.post("/v1/session", json=body)).json()
    assert (again["level"], again["device"]) == ("session", None)
    await registered(http, bearer(again["token"]), hand)
    challenge = unb64((await http.post("/v1/sign-in/passkey/options")).json()["options"]["challenge"])
    answer = {"credential": hand.answer(challenge, person=made["person"]), "remember": True}
    signed = (await http.post("/v1/sign-in/passkey", json=answer)).json()
    assert (signed["level"], len(signed["device"]), signed["approves_by"]) == ("passkey", 43, "passkey")
    assert (await http.get("/v1/me", headers=bearer(signed["token"]))).status_code == 200


async def test_recovery_by_its_routes(house_of_people: PeopleHouse, http: httpx.AsyncClient) -> None:
    house, hand = house_of_people, key()
    person = await house.owner("ada@example.org")
    who = bearer(await house.session(person))
    nothing = await http.post("/v1/me/recovery", headers=who)
    assert (nothing.status_code, nothing.json()["code"]) == (409, "recovery.nothing")
    await registered(http, who, hand)
    other = bearer(await house.session(person))
    asked = await http.post("/v1/me/recovery", headers=other)
    assert asked.status_code == 202
    for session in (who, other):
        assert (await http.get("/v1/me", headers=session)).json()["recovery_from"] == asked.json()["ripe_at"]
        assert (await http.get("/v1/me/recovery", headers=session)).json() == asked.json()
    assert (await http.delete("/v1/me/recovery", headers=who)).status_code == 204
    assert (await http.get("/v1/me/recovery", headers=other)).json() == {"ripe_at": None}
    await http.post("/v1/me/recovery", headers=other)
    await house.settle()
    token = await house.follow(person, MailKind.RECOVERY_ASKED)
    for wrong in ("x", "x" * 43):
        no = await http.post("/v1/recovery-cancellation", json={"token": wrong})
        assert (no.status_code, no.json()["code"]) == (410, "link.refused")
    assert (await http.post("/v1/recovery-cancellation", json={"token": token})).status_code == 204
    assert (await http.post("/v1/recovery-cancellation", json={"token": token})).status_code == 410
    await http.post("/v1/me/recovery", headers=other)
    await house.show("KMNP2345")
    present = await http.post("/v1/me/recovery/presence", headers=other, json={"code": "KMNP-2345"})
    assert present.status_code == 202
    assert (await http.get("/v1/me", headers=who)).status_code == 401
    assert (await http.get("/v1/me/approvals", headers=other)).json() == {
        "by": "nothing",
        "passkeys": 0,
        "link_possible": False,
    }
    assert (await registered(http, other, key())).status_code == 201


DOORS = {
    "options": ("POST", "/v1/me/passkeys/options"),
    "register": ("POST", "/v1/me/passkeys"),
    "list": ("GET", "/v1/me/passkeys"),
    "rename": ("PUT", f"/v1/me/passkeys/{'0' * 16}/name"),
    "remove": ("DELETE", f"/v1/me/passkeys/{'0' * 16}"),
    "proof options": ("POST", "/v1/session/passkey/options"),
    "proof": ("POST", "/v1/session/passkey"),
    "approvals": ("GET", "/v1/me/approvals"),
    "choice": ("PUT", "/v1/me/approvals"),
    "recovery": ("POST", "/v1/me/recovery"),
    "recovery state": ("GET", "/v1/me/recovery"),
    "recovery back": ("DELETE", "/v1/me/recovery"),
    "presence": ("POST", "/v1/me/recovery/presence"),
    "devices": ("GET", "/v1/me/devices"),
    "device": ("DELETE", f"/v1/me/devices/{'0' * 16}"),
}


@pytest.mark.parametrize("door", DOORS.values(), ids=DOORS.keys())
async def test_no_door_opens_to_strangers_ended_sessions_and_other_sites(
    house_of_people: PeopleHouse, http: httpx.AsyncClient, door: tuple[str, str]
) -> None:
    house = house_of_people
    person = await house.person("ada@example.org")
    token = await house.session(person)
    method, path = door
    cookie = {"Cookie": f"tl_session={token}", "Sec-Fetch-Site": "cross-site"}
    if method != "GET":
        assert (await http.request(method, path, headers=cookie)).status_code == 403
    await house.people.sessions.revoke(person, None, now=house.now)
    body: Any = {"by": "link"} if method == "PUT" else None
    for headers in ({}, bearer(token), bearer("tls_nonsense"), bearer(token[:-1] + "A")):
        assert (await http.request(method, path, headers=headers, json=body)).status_code == 401


HANDLE = b64(b"per_3aaaaaaaaaaaaaaa")
GOOD = {"clientDataJSON": "e30", "authenticatorData": "AAAA", "signature": "AAAA", "userHandle": HANDLE}
SHAPED = {"id": "AAAA", "rawId": "AAAA", "type": "public-key", "response": GOOD}
MALFORMED: dict[str, Any] = {
    "nothing": {},
    "null": None,
    "a list": [],
    "a text": "x",
    "no credential": {"credential": None},
    "empty credential": {"credential": {}},
    "credential a list": {"credential": []},
    "id missing": {"credential": {**SHAPED, "id": None}},
    "id long": {"credential": {**SHAPED, "id": "A" * 1367}},
    "id with a line": {"credential": {**SHAPED, "id": "AAAA\n"}},
    "id padded": {"credential": {**SHAPED, "id": "AAA="}},
    "id of standard base64": {"credential": {**SHAPED, "id": "A+/A"}},
    "type unknown": {"credential": {**SHAPED, "type": "password"}},
    "response a text": {"credential": {**SHAPED, "response": "AAAA"}},
    "client data long": {"credential": {**SHAPED, "response": {**GOOD, "clientDataJSON": "A" * 4097}}},
    "client data number": {"credential": {**SHAPED, "response": {**GOOD, "clientDataJSON": 7}}},
    "authenticator data long": {"credential": {**SHAPED, "response": {**GOOD, "authenticatorData": "A" * 2049}}},
    "signature long": {"credential": {**SHAPED, "response": {**GOOD, "signature": "A" * 1025}}},
    "signature empty": {"credential": {**SHAPED, "response": {**GOOD, "signature": ""}}},
    "handle long": {"credential": {**SHAPED, "response": {**GOOD, "userHandle": "A" * 89}}},
    "unknown member beside": {"credential": SHAPED, "admin": True},
}  # fmt: skip
REFUSED: dict[str, Any] = {
    "empty client data": {"credential": SHAPED},
    "base64 of five": {"credential": {**SHAPED, "response": {**GOOD, "clientDataJSON": "AAAAA"}}},
    "handle of bytes": {"credential": {**SHAPED, "response": {**GOOD, "userHandle": b64(b"\xff\xfe")}}},
    "handle of five": {"credential": {**SHAPED, "response": {**GOOD, "userHandle": "AAAAA"}}},
    "challenge of five": {
        "credential": {
            **SHAPED,
            "response": {**GOOD, "clientDataJSON": b64(b'{"challenge": "AAAAA", "type": "webauthn.get"}')},
        }
    },
    "new members of a browser": {
        "credential": {**SHAPED, "clientExtensionResults": {}, "authenticatorAttachment": "platform"}
    },
}


@pytest.mark.parametrize("body", MALFORMED.values(), ids=MALFORMED.keys())
async def test_what_has_no_shape_is_422_and_not_repeated(
    house_of_people: PeopleHouse, http: httpx.AsyncClient, body: Any
) -> None:
    who = bearer(await house_of_people.session(await house_of_people.person("ada@example.org")))
    for path, headers in (
        ("/v1/sign-in/passkey", {}),
        ("/v1/session/passkey", who),
        ("/v1/me/passkeys", who),
    ):
        answer = await http.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "request.invalid"), path
        assert "AAAA" not in answer.text


@pytest.mark.parametrize("body", REFUSED.values(), ids=REFUSED.keys())
async def test_what_has_a_shape_and_is_nothing_is_refused(
    house_of_people: PeopleHouse, http: httpx.AsyncClient, body: Any
) -> None:
    who = bearer(await house_of_people.session(await house_of_people.person("ada@example.org")))
    for path, headers in (("/v1/sign-in/passkey", {}), ("/v1/session/passkey", who)):
        answer = await http.post(path, json=body, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "passkey.refused"), path


async def test_strangers_who_try_passkeys_are_slowed_down_and_nobody_else_is(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    person = await house.person("ada@example.org")
    who = bearer(await house.session(person))
    await registered(http, who, hand)
    for _ in range(LIMITS.redeems_per_client // 2):
        begun = await http.post("/v1/sign-in/passkey/options")
        forged = key().answer(unb64(begun.json()["options"]["challenge"]), person=person)
        assert (await http.post("/v1/sign-in/passkey", json={"credential": forged})).status_code == 403
    slow = await http.post("/v1/sign-in/passkey/options")
    assert (slow.status_code, slow.json()["code"]) == (429, "rate.limited")
    assert int(slow.headers["Retry-After"]) > 0
    assert (await proven(http, who, hand)).status_code == 200  # the person's own tries are not used up


async def a_stolen_session(house: PeopleHouse, person: PersonId) -> dict[str, str]:
    """Of somebody who reads the person's mail."""
    return bearer(await house.session(person))


async def test_what_ends_a_car_or_a_person_asks_for_the_passkey(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    owner = await house.owner("ada@example.org")
    people = house.people
    for email, may in (("ben@example.org", True), ("zoe@example.org", False)):
        await people.invitations.offer(CAR, email, Role.DRIVER, by=owner, may_approve=may, now=house.now)
        person = await house.person(email)
        offered = (await people.invitations.of_car(CAR))[-1]
        await people.invitations.accept(offered.id, person=person, code=None, now=house.now)
        await house.settle()
    ben, zoe = await house.person("ben@example.org"), await house.person("zoe@example.org")
    assert (await registered(http, await a_stolen_session(house, owner), hand)).status_code == 201
    thief, car = await a_stolen_session(house, owner), f"/v1/owner/cars/{CAR}"
    for answer in (
        await http.post(f"{car}/release", headers={**thief, "Idempotency-Key": "r1"}),
        await http.delete(f"{car}/people/{ben}", headers=thief),
        await http.delete(f"{car}/people/{owner}", headers=thief),
        await http.delete("/v1/me", headers=thief),
    ):
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.passkey_needed")
        assert "insufficient_user_authentication" in answer.headers["www-authenticate"]
    assert len(await people.cars.people_of(CAR, now=house.now)) == 3
    assert (await http.delete(f"{car}/people/{zoe}", headers=thief)).status_code == 204  # decides nothing
    assert (await http.delete(f"{car}/people/{ben}", headers=await a_stolen_session(house, ben))).status_code == 204  # fmt: skip
    assert (await proven(http, thief, hand)).status_code == 200
    released = await http.post(f"{car}/release", headers={**thief, "Idempotency-Key": "r2"})
    assert (released.status_code, (await http.delete("/v1/me", headers=thief)).status_code) == (204, 204)


async def test_no_car_is_claimed_or_accepted_by_mail_while_a_recovery_waits(
    house_of_people: PeopleHouse, http: httpx.AsyncClient
) -> None:
    house, hand = house_of_people, key()
    ada = await house.person("ada@example.org")
    assert (await registered(http, await a_stolen_session(house, ada), hand)).status_code == 201
    eve = await house.owner("eve@example.org", "EFGH2345", OTHER_CAR)
    await house.people.invitations.offer(
        OTHER_CAR, "ada@example.org", Role.OWNER, by=eve, may_approve=True, now=house.now
    )
    (offered,) = await house.people.invitations.of_car(OTHER_CAR)
    thief = await a_stolen_session(house, ada)
    assert (await http.post("/v1/me/recovery", headers=thief)).status_code == 202
    await house.show("ABCD2345")
    claim: dict[str, Any] = {"json": {"code": "ABCD2345"}, "headers": {**thief, "Idempotency-Key": "c1"}}
    accept: dict[str, Any] = {"json": {}, "headers": {**thief, "Idempotency-Key": "a1"}}
    for path, how in (("/v1/owner/cars/claim", claim), (f"/v1/invitations/{offered.id}/acceptance", accept)):
        answer = await http.post(path, **how)
        assert (answer.status_code, answer.json()["code"]) == (401, "auth.passkey_needed")
    assert (await http.delete("/v1/me/recovery", headers=thief)).status_code == 204
    claim["headers"]["Idempotency-Key"] = "c2"
    assert (await http.post("/v1/owner/cars/claim", **claim)).status_code == 201
