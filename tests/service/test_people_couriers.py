"""Couriers: one code enrols one device, one device serves one courier, and every crash leaves both sides agreeing."""

import asyncio
from datetime import timedelta

import pytest

from people.limits import PeopleLimits
from people.problems import CodeRefused, DeviceTaken, NotFound, ProofRefused, Unauthenticated
from people.states import Courier, NotNow
from people.tokens import read
from spine.ids import CarrierId, CourierId
from tests.people_signing import Device
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()


async def carrier_of(house: PeopleHouse) -> CarrierId:
    return (await house.people.carriers.enrol("Parcels & Co", now=house.now)).client_id


async def enrol(house: PeopleHouse, code: str, device: Device) -> CourierId:
    proof = device.enrolment(code, house.now)
    return (await house.people.couriers.enrol(code, device.jwk, proof, now=house.now)).id


async def signed_in(house: PeopleHouse, courier: str, device: Device) -> str:
    made = await house.people.courier_tokens.sign_in(device.sign_in(courier, house.now), now=house.now)
    return made.token


async def lives(house: PeopleHouse, token: str) -> bool:
    presented = read(token)
    assert presented is not None
    return await house.people.courier_tokens.find(presented) is not None


async def test_a_named_courier_enrols_a_device_and_signs_in(house_of_people: PeopleHouse) -> None:
    house, couriers, device = house_of_people, house_of_people.people.couriers, Device()
    carrier = await carrier_of(house)
    invited = await couriers.invite(carrier, "Sam", now=house.now)
    assert invited.code not in repr(invited) + await house.everything()
    courier = await enrol(house, invited.code.lower().replace("-", " "), device)
    assert courier == invited.courier
    view = await couriers.courier(courier)
    assert view is not None
    assert (view.name, view.carrier, view.state, view.enrolled_at) == (
        "Sam",
        carrier,
        Courier.ENROLLED,
        house.now,
    )
    assert view.jkt
    assert await enrol(house, invited.code, device) == courier
    token = await signed_in(house, courier, device)
    presented = read(token)
    assert presented is not None
    principal = await house.people.courier_tokens.find(presented)
    assert principal is not None
    assert (principal.id, principal.carrier, principal.jkt) == (courier, carrier, view.jkt)
    assert [fact.kind for fact in await house.facts()] == [
        "carrier.enrolled",
        "courier.invited",
        "courier.enrolled",
    ]


async def test_of_many_devices_with_one_code_exactly_one_is_enrolled(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    carrier = await carrier_of(house)
    invited = await house.people.couriers.invite(carrier, "Sam", now=house.now)
    rivals = [Device() for _ in range(8)]
    done = await asyncio.gather(*(enrol(house, invited.code, one) for one in rivals), return_exceptions=True)
    assert sum(not isinstance(one, BaseException) for one in done) == 1
    assert sum(isinstance(one, CodeRefused) for one in done) == 7
    again = await house.people.couriers.invite(carrier, "Kim", now=house.now)
    loser = rivals[next(n for n, one in enumerate(done) if isinstance(one, CodeRefused))]
    await enrol(house, again.code, loser)  # its key was given back


async def test_a_device_serves_one_courier_until_he_is_removed(house_of_people: PeopleHouse) -> None:
    house, couriers, device = house_of_people, house_of_people.people.couriers, Device()
    carrier, other = await carrier_of(house), await carrier_of(house)
    courier = await house.courier(carrier, device)
    token = await signed_in(house, courier, device)
    invited = await couriers.invite(other, "Kim", now=house.now)
    with pytest.raises(DeviceTaken):
        await enrol(house, invited.code, device)
    with pytest.raises(NotFound):
        await couriers.remove(other, courier, now=house.now)
    await couriers.remove(carrier, courier, now=house.now)
    await couriers.remove(carrier, courier, now=house.now)
    assert not await lives(house, token)
    with pytest.raises(Unauthenticated):
        await signed_in(house, courier, device)
    await house.settle()
    await enrol(house, invited.code, device)
    assert '"Sam"' not in await house.everything()


async def test_codes_are_refused_when_old_replaced_or_wrong(house_of_people: PeopleHouse) -> None:
    house, couriers, device = house_of_people, house_of_people.people.couriers, Device()
    carrier = await carrier_of(house)
    first = await couriers.invite(carrier, "Sam", now=house.now)
    second = await couriers.invite(carrier, "Sam", courier=first.courier, now=house.now)
    for code in (first.code, "AAAAA-AAAAA", ""):
        with pytest.raises(CodeRefused):
            await enrol(house, code, device)
    with pytest.raises(ProofRefused):
        await couriers.enrol(
            second.code, device.jwk, Device().enrolment(second.code, house.now), now=house.now
        )
    house.clock.advance(LIMITS.enrolment_code_life)
    with pytest.raises(CodeRefused):
        await enrol(house, second.code, device)
    third = await couriers.invite(carrier, "Sam", courier=first.courier, now=house.now)
    await enrol(house, third.code, device)
    with pytest.raises(NotNow):
        await couriers.invite(carrier, "Sam", courier=first.courier, now=house.now)
    with pytest.raises(NotFound):
        await couriers.invite(await carrier_of(house), "Sam", courier=first.courier, now=house.now)


@pytest.mark.parametrize("commits", range(4))
async def test_killed_anywhere_in_an_enrolment_the_device_is_bound_or_free(
    house_of_people: PeopleHouse, commits: int
) -> None:
    house, device = house_of_people, Device()
    carrier = await carrier_of(house)
    invited = await house.people.couriers.invite(carrier, "Sam", now=house.now)
    died = await house.killed_after(commits, lambda: enrol(house, invited.code, device))
    assert died == (commits < 3)
    house.clock.advance(LIMITS.device_confirmed_within)
    await house.fire("dvk")
    await house.fire("dvk")
    rows = {key: row for key, row in (await house.subjects()).items() if key.startswith("dvk_")}
    assert not any(row.wake_at for row in rows.values())
    expected = {0: set(), 1: {"free"}, 2: {"bound"}, 3: {"bound"}}[commits]
    assert {row.state for row in rows.values()} == expected
    assert await enrol(house, invited.code, device) == invited.courier


async def test_tokens_end_with_the_carrier_and_assertions_are_good_once(house_of_people: PeopleHouse) -> None:
    house, device = house_of_people, Device()
    carrier = await carrier_of(house)
    courier = await house.courier(carrier, device)
    assertion = device.sign_in(courier, house.now)
    made = await house.people.courier_tokens.sign_in(assertion, now=house.now)
    bad = [
        assertion,
        Device().sign_in(courier, house.now),
        device.sign_in("cou_3aaaaaaaaaaaaaaa", house.now),
        device.sign_in("nonsense", house.now),
        device.sign_in(carrier, house.now),
        device.sign_in(courier, house.now - timedelta(minutes=2)),
        "nonsense",
    ]
    for one in bad:
        with pytest.raises(Unauthenticated):
            await house.people.courier_tokens.sign_in(one, now=house.now)
    assert await lives(house, made.token)
    await house.people.carriers.freeze(carrier, now=house.now)
    assert not await lives(house, made.token)
    with pytest.raises(Unauthenticated):
        await signed_in(house, courier, device)
    await house.people.carriers.thaw(carrier, now=house.now)
    assert not await lives(house, made.token)
    assert await lives(house, await signed_in(house, courier, device))


async def test_reading_the_log_twice_changes_no_device(house_of_people: PeopleHouse) -> None:
    house, device = house_of_people, Device()
    carrier = await carrier_of(house)
    courier = await house.courier(carrier, device)
    await house.people.couriers.remove(carrier, courier, now=house.now)
    await house.settle()
    again = await house.courier(carrier, device, "Kim")
    await house.settle()
    before, log = await house.subjects(), await house.facts()
    house.rewind()
    await house.settle()
    assert (await house.subjects(), await house.facts()) == (before, log)
    assert await lives(house, await signed_in(house, again, device))
