"""The routes an owner's page of a car's passkey and a delivery's evidence stand on: whose they are, and what they tell."""

from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from delivery.api_pairing import paired
from delivery.states import State
from keys.car.jwk import b64
from keys.car.owner_keys import MAX_CID, PairedKey, PairedKeys, cid_hash
from people.model import Role
from people.passkey_model import PasskeyBody
from tests.people_signing import ORIGIN
from tests.service import passkey_hands as hands
from tests.service.conftest import MORNING
from tests.service.delivery_house import CAR, DeliveryHouse, home, house_of_people
from tests.service.passkey_owner import Scene
from tests.service.test_delivery_api import Web, web
from tests.service.test_delivery_co_signing import tells
from trunkline.software_key import SoftwareKey, _cbor

__all__ = ["home", "house_of_people", "web"]


def kept(hand: SoftwareKey, **changes: Any) -> PasskeyBody:
    """A passkey as it is kept."""
    body = {"credential": hand.cid, "public_key": b64(_cbor(hand._cose())), "sign_count": 0, "name": "Phone"}
    return PasskeyBody.model_validate({**body, "made_at": MORNING, **changes})


def test_what_a_car_is_told_is_what_it_takes() -> None:
    mine, other = hands.key(), hands.key()
    said = PairedKeys(
        required=True,
        keys=tuple(
            sorted((PairedKey.of(mine.pairing()), PairedKey.of(other.pairing())), key=lambda k: k.cid)
        ),
    ).state
    told = paired({"a": kept(mine)}, said, origin=ORIGIN)
    assert (told.said, told.required, told.others) == (True, True, 1)
    (one,) = told.passkeys
    assert one.document is not None
    given = PairedKey.of(one.document.model_dump())
    assert given == PairedKey.of(mine.pairing())
    assert (one.in_car, one.fingerprint, one.unfit) == (True, given.fingerprint, None)
    assert paired({}, None, origin=ORIGIN).model_dump() == {
        "said": False, "required": False, "others": 0, "passkeys": (),
    }  # fmt: skip


def test_a_passkey_that_no_car_takes_says_why() -> None:
    numbers = rsa.generate_private_key(65537, 2048).public_key().public_numbers()
    windows = b64(_cbor({1: 3, 3: -257, -1: numbers.n.to_bytes(256, "big"), -2: b"\x01\x00\x01"}))
    hand = hands.key()
    for changes, origin, why in (
        ({"public_key": windows}, ORIGIN, "algorithm"),
        ({"credential": b64(bytes(MAX_CID))}, ORIGIN, "too_long"),
        ({}, "http://192.0.2.7:8080", "address"),
    ):
        (one,) = paired({"a": kept(hand, **changes)}, None, origin=origin).passkeys
        assert (one.unfit, one.document, one.fingerprint, one.in_car) == (why, None, "", False), why


async def test_an_owner_reads_what_the_car_said_and_nobody_else(web: Web) -> None:
    home, path = web.home, f"/owner/cars/{CAR}/pairing"
    scene = Scene(web, hands.key())
    assert (await web.call("GET", path, by=web.owner)).json()["passkeys"] == []
    await scene.has_passkey()
    found = (await web.call("GET", path, by=web.owner)).json()
    assert (found["said"], [one["in_car"] for one in found["passkeys"]]) == (False, [False])
    await tells(home, PairedKeys(required=True, keys=(PairedKey.of(found["passkeys"][0]["document"]),)))
    found = (await web.call("GET", path, by=web.owner)).json()
    assert (found["said"], found["required"], found["others"]) == (True, True, 0)
    assert [one["in_car"] for one in found["passkeys"]] == [True]
    assert cid_hash(scene.hand.cid) not in str(found)

    for token in await others(home):
        assert (await web.call("GET", path, by=token)).status_code == 403
    assert (await web.call("GET", path)).status_code == 401
    assert (await web.call("GET", path, by=web.carrier)).status_code == 401
    assert (
        await web.call("GET", "/owner/cars/veh_0000000000000000/pairing", by=web.owner)
    ).status_code == 403


async def test_the_evidence_is_the_carriers_own_file_for_the_people_of_the_car(web: Web) -> None:
    home = web.home
    delivery = await home.asked(courier=home.courier)
    path = f"/owner/deliveries/{delivery}/evidence"
    early = await web.call("GET", path, by=web.owner)
    assert (early.status_code, early.json()["code"]) == (409, "evidence.none")
    await home.decide(delivery)
    await home.settle()
    assert await home.state(delivery) is State.KEYED
    mine = await web.call("GET", path, by=web.owner)
    assert mine.status_code == 200
    assert mine.headers["content-disposition"] == f'attachment; filename="{delivery}.evidence.json"'
    theirs = (await web.call("GET", f"/deliveries/{delivery}/evidence", by=web.carrier)).json()
    assert mine.json()["keys"] == theirs["keys"]
    assert set(mine.json()) == set(theirs)

    stranger = await home.people.session(await home.people.person("stranger@example.org"))
    for token, status in ((stranger, 404), ("", 401), (web.carrier, 401), (web.courier, 401)):
        assert (await web.call("GET", path, by=token)).status_code == status, token


async def others(home: DeliveryHouse) -> list[str]:
    """Sessions of a stranger, and of somebody who only drives the car."""
    people, now = home.people.people, home.now
    driver = await home.people.person("ben@example.org")
    invited = await people.invitations.offer(
        CAR, "ben@example.org", Role.DRIVER, by=home.owner, may_approve=True, now=now
    )
    await people.invitations.accept(invited.id, person=driver, code=None, now=now)
    await home.settle()
    stranger = await home.people.person("stranger@example.org")
    return [await home.people.session(one) for one in (stranger, driver)]
