"""A subscriber's addresses and a person's linked systems on a real store: idempotent, bounded, sealed, nobody else's."""

from datetime import timedelta

import pytest

from spine.clock import Clock
from spine.ids import PersonId
from spine.store import OtherBody, Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.test_webhooks_engine import dump
from webhooks.endpoints import Endpoints, EndpointState, EndpointUnknown, TooManyEndpoints, TypesRefused
from webhooks.guard import Guard, UrlRefused
from webhooks.keyring import Keyring, OverlapRefused, TooManySecrets
from webhooks.limits import WebhooksLimits
from webhooks.sealing import NotSealedByUs, Seal
from webhooks.sources import Sources, SourceUnknown, TooManySources

CARRIER, OTHER = "car_3aaaaaaaaaaaaaaa", "car_5bbbbbbbbbbbbbbb"
ZOE, PAUL = PersonId("per_2aaaaaaaaaaaaaaa"), PersonId("per_4bbbbbbbbbbbbbbb")
URL = "https://shop.example/hooks"
LIMITS = WebhooksLimits()
DAY = timedelta(hours=24)


@pytest.fixture
def endpoints(store: Store, clock: SetClock) -> Endpoints:
    return made(store, clock)


def made(store: Store, clock: Clock, key: bytes = b"k" * 32) -> Endpoints:
    return Endpoints(store, clock, LIMITS, Guard(), Keyring(Seal(key)))


@pytest.fixture
def sources(store: Store, clock: SetClock) -> Sources:
    return Sources(store, clock, LIMITS, Keyring(Seal(b"k" * 32)))


async def test_an_address_is_found_by_what_it_wants(endpoints: Endpoints) -> None:
    every, _ = await endpoints.add(CARRIER, URL)
    some, _ = await endpoints.add(CARRIER, URL + "/2", ["delivery.*"])
    await endpoints.add(OTHER, URL)
    assert every.id.startswith("ep_3"), "an address lies in its subscriber's partition"
    assert await endpoints.for_subscriber(CARRIER, "delivery.opened") == [every.id, some.id]
    assert await endpoints.for_subscriber(CARRIER, "key.destroyed") == [every.id]
    assert await endpoints.for_subscriber("car_7nobodyxxxxxxxx", "delivery.opened") == []
    await endpoints.disable(every.id, "operator")
    await endpoints.disable(every.id, "again")
    assert await endpoints.for_subscriber(CARRIER, "delivery.opened") == [some.id]
    view = await endpoints.one(every.id, CARRIER)
    assert (view.state, view.reason) == (EndpointState.DISABLED, "operator")


async def test_adding_again_under_one_key(endpoints: Endpoints, clock: SetClock) -> None:
    first = await endpoints.add(CARRIER, URL, ["delivery.*"], key="k1")
    assert await endpoints.add(CARRIER, URL, ["delivery.*"], key="k1") == first
    assert len(await endpoints.of(CARRIER)) == 1
    with pytest.raises(OtherBody):
        await endpoints.add(CARRIER, URL + "/2", ["delivery.*"], key="k1")
    with pytest.raises(OtherBody):
        await endpoints.add(CARRIER, URL, [], key="k1")
    assert (await endpoints.add(OTHER, URL, key="k1"))[0].id != first[0].id
    clock.advance(DAY)
    assert (await endpoints.add(CARRIER, URL, key="k1"))[0].id != first[0].id


async def test_a_key_of_a_removed_address(endpoints: Endpoints) -> None:
    first, _ = await endpoints.add(CARRIER, URL, key="k1")
    await endpoints.remove(first.id, CARRIER)
    second, _ = await endpoints.add(CARRIER, URL, key="k1")
    assert second.id != first.id
    assert [each.id for each in await endpoints.of(CARRIER)] == [second.id]


async def test_only_so_many(endpoints: Endpoints) -> None:
    for n in range(LIMITS.endpoints_most):
        await endpoints.add(CARRIER, f"{URL}/{n}")
    with pytest.raises(TooManyEndpoints):
        await endpoints.add(CARRIER, URL)
    await endpoints.add(OTHER, URL)


@pytest.mark.parametrize(
    "types", [["Delivery.opened"], ["*"], [""], ["a b"], ["a.*.b"], ["a"] * 51, ["a" * 81]]
)
async def test_filters_that_are_none(endpoints: Endpoints, types: list[str]) -> None:
    with pytest.raises(TypesRefused):
        await endpoints.add(CARRIER, URL, types)


async def test_addresses_we_do_not_send_to(endpoints: Endpoints) -> None:
    with pytest.raises(UrlRefused):
        await endpoints.add(CARRIER, "http://shop.example/")


async def test_nobody_touches_anothers(endpoints: Endpoints) -> None:
    one, _ = await endpoints.add(CARRIER, URL)
    for act in (endpoints.one, endpoints.remove, endpoints.rotate):
        with pytest.raises(EndpointUnknown):
            await act(one.id, OTHER)
    for unknown in ("ep_3zzzzzzzzzzzzzzz", "ep_zzzzzzzzzzzzzzzz", "no id", "", "ep_3", CARRIER):
        with pytest.raises(EndpointUnknown):
            await endpoints.one(unknown, CARRIER)
        with pytest.raises(EndpointUnknown):
            await endpoints.remove(unknown, CARRIER)
        with pytest.raises(EndpointUnknown):
            await endpoints.rotate(unknown, CARRIER)
    await endpoints.remove(one.id, CARRIER)
    with pytest.raises(EndpointUnknown):
        await endpoints.one(one.id, CARRIER)
    assert await endpoints.target(one.id) is None
    await endpoints.disable(one.id, "late")
    await endpoints.answered(one.id)


async def test_secrets_are_exchanged(endpoints: Endpoints, clock: SetClock) -> None:
    one, first = await endpoints.add(CARRIER, URL)
    second = await endpoints.rotate(one.id, CARRIER, key="r1")
    assert await endpoints.rotate(one.id, CARRIER, key="r1") == second, "the same request, the same secret"
    target = await endpoints.target(one.id)
    assert target is not None
    assert target.secrets == [second, first]
    third = await endpoints.rotate(one.id, CARRIER, overlap=timedelta(), key="r2")
    target = await endpoints.target(one.id)
    assert target is not None
    assert target.secrets == [third]
    clock.advance(DAY)
    assert await endpoints.rotate(one.id, CARRIER, key="r2") != third
    for overlap in (timedelta(seconds=-1), timedelta(days=8)):
        with pytest.raises(OverlapRefused):
            await endpoints.rotate(one.id, CARRIER, overlap=overlap)
    for _ in range(LIMITS.secrets_most - 2):
        await endpoints.rotate(one.id, CARRIER)
    with pytest.raises(TooManySecrets):
        await endpoints.rotate(one.id, CARRIER)


async def test_a_copy_of_the_store_opens_nothing(
    endpoints: Endpoints, store: Store, clock: SetClock, valkey: Valkey
) -> None:
    one, secret = await endpoints.add(CARRIER, URL)
    everything = await dump(valkey)
    assert one.id in everything
    assert secret.reveal().removeprefix("whsec_") not in everything
    with pytest.raises(NotSealedByUs):
        await made(store, clock, b"x" * 32).target(one.id)


async def test_a_linked_system(sources: Sources, clock: SetClock) -> None:
    linked, secret = await sources.link(ZOE, "House app")
    assert linked.id.startswith("src_2")
    assert (linked.person, linked.level, linked.name) == (ZOE, "session", "House app")
    assert await sources.of(ZOE) == [linked]
    assert await sources.of(PAUL) == []
    found = await sources.verifiers(linked.id, clock.now())
    assert found == (linked, [secret])
    again, same = await sources.link(ZOE, "House app", source=linked.id)
    assert (again, same) == (linked, secret)
    with pytest.raises(SourceUnknown):
        await sources.link(PersonId("per_2other0000000000"), "x", source=linked.id)

    newer = await sources.rotate(linked.id, ZOE)
    found = await sources.verifiers(linked.id, clock.now())
    assert found is not None
    assert found[1] == [newer, secret]
    with pytest.raises(SourceUnknown):
        await sources.rotate(linked.id, PersonId("per_2other0000000000"))
    with pytest.raises(OverlapRefused):
        await sources.rotate(linked.id, ZOE, overlap=timedelta(days=8))
    with pytest.raises(SourceUnknown):
        await sources.unlink(linked.id, PersonId("per_2other0000000000"))
    for unknown in ("", "no id", "src_zzzz", "src_2zzzzzzzzzzzzzzz"):
        with pytest.raises(SourceUnknown):
            await sources.unlink(unknown, ZOE)
        with pytest.raises(SourceUnknown):
            await sources.rotate(unknown, ZOE)
    await sources.unlink(linked.id, ZOE)
    await sources.unlink(linked.id, ZOE)
    assert await sources.of(ZOE) == []
    assert await sources.verifiers(linked.id, clock.now()) is None


@pytest.mark.parametrize(
    "hint", ["", "src_", "src_zzzzzzzzzzzzzzzz", "ep_2aaaaaaaaaaaaaaa", "src_2é", "x" * 1_000, "src_2\n"]
)
async def test_unknown_systems(sources: Sources, clock: SetClock, hint: str) -> None:
    assert await sources.verifiers(hint, clock.now()) is None


async def test_only_so_many_systems(sources: Sources) -> None:
    for n in range(LIMITS.sources_most):
        await sources.link(ZOE, f"app {n}")
    with pytest.raises(TooManySources):
        await sources.link(ZOE, "one more")
