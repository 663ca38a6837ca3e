"""Carriers: credentials shown once, tokens that die at once, and the stop after too many unusable addresses."""

from datetime import timedelta
from typing import Any

import pytest

from people.carriers import Credentials
from people.limits import PeopleLimits
from people.model import Scope
from people.oauth import CarrierPrincipal, ClientRefused, ScopeRefused
from people.problems import NotFound, ProofRefused, TooMany
from people.states import Carrier
from people.tokens import read
from spine.facts.delivery import DeliveryUnusable
from spine.ids import CarrierId, DeliveryId
from tests.people_signing import Device
from tests.service.people_house import PeopleHouse, house_of_people

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()


async def enrolled(house: PeopleHouse, device: Device | None = None, **more: Any) -> Credentials:
    key = device.jwk if device else None
    return await house.people.carriers.enrol("Parcels & Co", public_jwk=key, now=house.now, **more)


async def by_secret(house: PeopleHouse, made: Credentials, wanted: Any = None) -> str:
    granted = await house.people.carrier_tokens.by_secret(
        made.client_id, made.client_secret, wanted, now=house.now
    )
    return granted.token


async def who(house: PeopleHouse, token: str) -> CarrierPrincipal | None:
    presented = read(token)
    assert presented is not None
    return await house.people.carrier_tokens.find(presented)


async def test_a_secret_gives_tokens_but_never_to_enrol_couriers(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    made = await enrolled(house, Device(), livemode=False)
    found = await who(house, await by_secret(house, made))
    assert found is not None
    assert found.id == made.client_id
    assert found.scopes == {Scope.DELIVERIES_WRITE, Scope.DELIVERIES_READ, Scope.COURIERS_READ}
    assert (found.livemode, found.stopped) == (False, False)
    narrow = await who(house, await by_secret(house, made, frozenset({Scope.DELIVERIES_READ})))
    assert narrow is not None
    assert narrow.scopes == {Scope.DELIVERIES_READ}
    with pytest.raises(ScopeRefused):
        await by_secret(house, made, frozenset({Scope.COURIERS_ENROL}))
    assert made.client_secret not in repr(made) + await house.everything()


async def test_a_signed_assertion_gives_all_scopes_once(house_of_people: PeopleHouse) -> None:
    house, device, tokens = house_of_people, Device(), house_of_people.people.carrier_tokens
    made = await enrolled(house, device)
    assertion = device.client(made.client_id, house.now)
    granted = await tokens.by_assertion(made.client_id, assertion, None, now=house.now)
    assert set(granted.scopes) == set(Scope)
    refused = [
        (None, assertion),
        (made.client_id, Device().client(made.client_id, house.now)),
        ("car_3aaaaaaaaaaaaaaa", device.client(made.client_id, house.now)),
        (None, device.client("car_3aaaaaaaaaaaaaaa", house.now)),
        (None, device.client("../../etc", house.now)),
        (None, device.client(made.client_id, house.now - timedelta(minutes=5))),
        (None, "nonsense"),
    ]
    for client, bad in refused:
        with pytest.raises(ClientRefused):
            await tokens.by_assertion(client, bad, None, now=house.now)


@pytest.mark.parametrize(
    "client", ["", "x", "car_zzzzzzzzzzzzzzzz", "per_3aaaaaaaaaaaaaaa", "car_3aaaaaaaaaaaaaaa", "\x00"]
)
async def test_unknown_clients_and_wrong_secrets_are_refused_alike(
    house_of_people: PeopleHouse, client: str
) -> None:
    house = house_of_people
    made = await enrolled(house)
    for name, secret in ((client, "x"), (made.client_id, made.client_secret + "x"), (made.client_id, "")):
        with pytest.raises(ClientRefused) as refused:
            await house.people.carrier_tokens.by_secret(name, secret, None, now=house.now)
        assert refused.value.detail == "The client is not known, or not by this secret."


async def test_freezing_ends_every_token_at_once_and_thawing_revives_none(
    house_of_people: PeopleHouse,
) -> None:
    house, carriers = house_of_people, house_of_people.people.carriers
    made = await enrolled(house)
    token = await by_secret(house, made)
    await carriers.freeze(made.client_id, now=house.now)
    await carriers.freeze(made.client_id, now=house.now)
    assert await who(house, token) is None
    with pytest.raises(ClientRefused):
        await by_secret(house, made)
    await carriers.thaw(made.client_id, now=house.now)
    assert await who(house, token) is None
    assert await who(house, await by_secret(house, made)) is not None
    kinds = [fact.kind for fact in await house.facts()]
    assert kinds == ["carrier.enrolled", "carrier.frozen", "carrier.thawed"]
    with pytest.raises(NotFound):
        await carriers.freeze(CarrierId("car_3aaaaaaaaaaaaaaa"), now=house.now)


async def test_a_new_secret_or_key_ends_the_former(house_of_people: PeopleHouse) -> None:
    house, carriers, device = house_of_people, house_of_people.people.carriers, Device()
    made = await enrolled(house)
    token = await by_secret(house, made)
    renewed = await carriers.new_secret(made.client_id)
    assert await who(house, token) is None
    with pytest.raises(ClientRefused):
        await by_secret(house, made)
    token = await by_secret(house, renewed)
    await carriers.new_key(made.client_id, device.jwk)
    assert await who(house, token) is None
    assert await who(house, await house.carrier_token(device, made.client_id)) is not None
    with pytest.raises(ProofRefused):
        await carriers.new_key(made.client_id, {"kty": "oct", "k": "x"})


async def test_a_token_of_another_or_with_a_flipped_bit_is_nobodys(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    one, other = await enrolled(house), await enrolled(house)
    token = await by_secret(house, one)
    swapped = token.replace(one.client_id[4:], other.client_id[4:])
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    assert await who(house, swapped) is None
    assert await who(house, flipped) is None


async def test_tokens_expire_and_are_not_had_without_end(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    made = await enrolled(house)
    token = await by_secret(house, made)
    ttls = [
        await house.store.valkey.ask("PTTL", key)
        for key in await house.store.valkey.ask("KEYS", "*carrier_token*")
    ]
    assert all(0 < ttl <= 600_000 for ttl in ttls)
    assert token.split(".")[1] not in await house.everything()
    for _ in range(LIMITS.tokens_per_carrier - 1):
        await by_secret(house, made)
    with pytest.raises(TooMany):
        await by_secret(house, made)


def unusable(house: PeopleHouse, carrier: CarrierId, n: int) -> DeliveryUnusable:
    delivery = DeliveryId(f"dlv_3{n:015d}")
    return DeliveryUnusable(at=house.now, carrier=carrier, delivery=delivery, reason="unknown")


async def test_twenty_unusable_addresses_in_an_hour_stop_the_orders(house_of_people: PeopleHouse) -> None:
    house, carriers = house_of_people, house_of_people.people.carriers
    made = await enrolled(house)
    token = await by_secret(house, made)
    for n in range(LIMITS.unusable_addresses - 1):
        house.clock.advance(timedelta(minutes=2))
        for _ in range(3):
            await house.append(unusable(house, made.client_id, n))
    await house.settle()
    found = await who(house, token)
    assert found is not None
    assert not found.stopped
    await house.append(unusable(house, made.client_id, 99))
    await house.settle()
    found = await who(house, token)
    assert found is not None
    assert found.stopped
    before, log = await house.subjects(), await house.facts()
    house.rewind()
    await house.settle()
    assert (await house.subjects(), await house.facts()) == (before, log)
    assert [fact.kind for fact in log].count("carrier.orders_stopped") == 1
    await carriers.thaw(made.client_id, now=house.now)
    await house.append(unusable(house, made.client_id, 100))
    await house.settle()
    view = await carriers.view(made.client_id)
    assert view is not None
    assert view.state is Carrier.ACTIVE


async def test_nineteen_and_an_hour_later_one_do_not_stop(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    made = await enrolled(house)
    for n in range(LIMITS.unusable_addresses - 1):
        await house.append(unusable(house, made.client_id, n))
    house.clock.advance(timedelta(hours=1))
    for n in range(50, 50 + LIMITS.unusable_addresses - 1):
        await house.append(unusable(house, made.client_id, n))
    await house.append(unusable(house, CarrierId("car_3aaaaaaaaaaaaaaa"), 1))
    await house.settle()
    view = await house.people.carriers.view(made.client_id)
    assert view is not None
    assert view.state is Carrier.ACTIVE
