"""Secrets and keys of addresses and sources on a real store: both versions, exchanged, sealed, published, by kind."""

import base64
import json
from datetime import timedelta

import httpx
import pytest
from fastapi import FastAPI

from spine.expiring import Expiring
from spine.facts.webhooks import SourceClosed, SourceContradicted, SourceOpened
from spine.house import House
from spine.ids import PersonId
from spine.index import Index
from spine.log import Log
from spine.store import OtherBody, Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.service.valkeys import Server
from webhooks.endpoints import Endpoints
from webhooks.guard import Guard
from webhooks.keyring import Keyring, TooManySecrets, VersionsRefused
from webhooks.limits import WebhooksLimits
from webhooks.lists import places
from webhooks.published import Addresses, PublishedKeys, routes
from webhooks.sealing import NotSealedByUs, Seal
from webhooks.signature import PrivateKey, PublicKey, Secret, headers, verify
from webhooks.sources import Sources, SourceUnknown, TooManySources
from webhooks.verified import NotVerified, Verifier

CARRIER, ZOE = "car_3aaaaaaaaaaaaaaa", PersonId("per_2aaaaaaaaaaaaaaa")
URL = "https://shop.example/hooks"
LIMITS = WebhooksLimits()
DAY, NOTHING = timedelta(hours=24), timedelta()
BODY = b'{"call":"call_1","state":"ringing"}'


@pytest.fixture
def endpoints(store: Store, clock: SetClock) -> Endpoints:
    return Endpoints(store, clock, LIMITS, Guard(), Keyring(Seal(b"k" * 32)))


@pytest.fixture
def sources(store: Store, clock: SetClock) -> Sources:
    return Sources(store, clock, LIMITS, Keyring(Seal(b"k" * 32)))


@pytest.fixture
def verifier(sources: Sources, store: Store, valkey: Valkey, clock: SetClock) -> Verifier:
    return Verifier(store, Expiring(valkey), clock, LIMITS, sources)


def on_disk(server: Server) -> bytes:
    """Every byte the store has written since its folder was made."""
    return b"".join(path.read_bytes() for path in server.folder.rglob("*") if path.is_file())


def raw(made: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in made.items()]


async def signers(endpoints: Endpoints, endpoint: str) -> list[object]:
    target = await endpoints.target(endpoint)  # type: ignore[arg-type]
    assert target is not None
    return [each.public if isinstance(each, PrivateKey) else each for each in target.secrets]


async def test_an_address_that_verifies_with_an_open_key(endpoints: Endpoints) -> None:
    one, shown = await endpoints.add(CARRIER, URL, signatures=["v1a"])
    assert isinstance(shown, PublicKey)
    assert [each.key for each in one.public_keys] == [shown]
    assert one.signatures == ("v1a",)
    assert await signers(endpoints, one.id) == [shown]


async def test_an_address_with_both(endpoints: Endpoints) -> None:
    one, shown = await endpoints.add(CARRIER, URL, signatures=["v1a", "v1", "v1"], key="k")
    assert isinstance(shown, Secret), "the secret is what has to be shown, the key stays to be seen"
    assert one.signatures == ("v1", "v1a")
    assert await signers(endpoints, one.id) == [shown, one.public_keys[0].key]
    assert await endpoints.add(CARRIER, URL, signatures=["v1", "v1a"], key="k") == (one, shown)
    with pytest.raises(OtherBody):
        await endpoints.add(CARRIER, URL, signatures=["v1"], key="k")
    with pytest.raises(VersionsRefused):
        await endpoints.add(CARRIER, URL, signatures=[])


async def test_both_kinds_are_exchanged_together(endpoints: Endpoints, clock: SetClock) -> None:
    one, first = await endpoints.add(CARRIER, URL, signatures=["v1", "v1a"])
    second = await endpoints.rotate(one.id, CARRIER)
    after = await endpoints.one(one.id, CARRIER)
    new, old = after.public_keys
    assert (old.key, old.until, new.until) == (one.public_keys[0].key, clock.now() + DAY, None)
    assert await signers(endpoints, one.id) == [second, new.key, first, old.key]
    clock.advance(DAY)
    assert await signers(endpoints, one.id) == [second, new.key]
    third = await endpoints.rotate(one.id, CARRIER, overlap=NOTHING)
    last = (await endpoints.one(one.id, CARRIER)).public_keys
    assert await signers(endpoints, one.id) == [third, last[0].key]
    assert len(last) == 1
    for _ in range(LIMITS.secrets_most - 1):
        await endpoints.rotate(one.id, CARRIER)
    with pytest.raises(TooManySecrets):
        await endpoints.rotate(one.id, CARRIER)


async def test_from_a_secret_to_a_key_without_a_gap(endpoints: Endpoints, clock: SetClock) -> None:
    one, secret = await endpoints.add(CARRIER, URL)
    key = await endpoints.rotate(one.id, CARRIER, signatures=["v1a"])
    assert await signers(endpoints, one.id) == [key, secret]
    clock.advance(DAY)
    assert await signers(endpoints, one.id) == [key]
    assert isinstance(await endpoints.rotate(one.id, CARRIER), PublicKey), "as before, where nothing is said"


async def test_a_message_carries_every_signature_that_is_good(endpoints: Endpoints, clock: SetClock) -> None:
    one, secret = await endpoints.add(CARRIER, URL, signatures=["v1", "v1a"])
    await endpoints.rotate(one.id, CARRIER)
    new, old = (await endpoints.one(one.id, CARRIER)).public_keys
    target = await endpoints.target(one.id)
    assert target is not None
    made = headers(target.secrets, "msg_1", int(clock.now().timestamp()), BODY)
    assert [each.partition(",")[0] for each in made["webhook-signature"].split(" ")] == ["v1", "v1a"] * 2
    for checker in (secret, old.key, new.key):
        assert verify([checker], raw(made), BODY, now=clock.now())


async def test_a_read_of_the_store_gives_no_secret_away(
    endpoints: Endpoints, sources: Sources, store: Store, clock: SetClock, valkey_server: Server
) -> None:
    """After adding, exchanging and linking: not in what the store ever wrote to disk, in no encoding."""
    one, first = await endpoints.add(CARRIER, URL, signatures=["v1", "v1a"])
    second = await endpoints.rotate(one.id, CARRIER)
    target = await endpoints.target(one.id)
    assert target is not None
    linked, third = await sources.link(ZOE, "House app")
    fourth = await sources.rotate(linked.id, ZOE)
    center, fifth = await sources.open_center("Center")
    everything = on_disk(valkey_server)
    assert one.id.encode() in everything
    assert center.id.encode() in everything
    texts = [each.reveal() for each in (*target.secrets, first, second, third, fourth, fifth)]
    assert len(set(texts)) == 7
    for text in texts:
        key = base64.b64decode(text.partition("_")[2])[:32]
        for form in (
            text.partition("_")[2][:40].encode(),
            base64.urlsafe_b64encode(key)[:40],
            key.hex().encode(),
            key.hex().upper().encode(),
            key,
        ):
            assert form not in everything
    stranger = Keyring(Seal(b"x" * 32))
    with pytest.raises(NotSealedByUs):
        await Endpoints(store, clock, LIMITS, Guard(), stranger).target(one.id)
    with pytest.raises(NotSealedByUs):
        await Sources(store, clock, LIMITS, stranger).verifiers(center.id, clock.now())


async def test_the_sealing_key_is_changed(endpoints: Endpoints, store: Store, clock: SetClock) -> None:
    """The new key first, the former one still opens; what is made from then on needs the new one alone."""
    one, first = await endpoints.add(CARRIER, URL)
    both = Endpoints(store, clock, LIMITS, Guard(), Keyring(Seal(b"n" * 32, [b"k" * 32])))
    assert await signers(both, one.id) == [first]
    second = await both.rotate(one.id, CARRIER, overlap=NOTHING)
    new = Endpoints(store, clock, LIMITS, Guard(), Keyring(Seal(b"n" * 32)))
    assert await signers(new, one.id) == [second]
    with pytest.raises(NotSealedByUs):
        await endpoints.target(one.id)


async def test_a_sealed_secret_opens_where_it_stands_only(endpoints: Endpoints, store: Store) -> None:
    """Who may write to the store but has no key cannot give one address the secret of another."""
    one, _ = await endpoints.add(CARRIER, URL)
    two, _ = await endpoints.add(CARRIER, URL + "/2")
    kept = json.loads((await store.load(one.id)).body)["secrets"][0]["sealed"]
    keyring = Keyring(Seal(b"k" * 32))
    assert keyring.seal.open(kept, one.id)
    with pytest.raises(NotSealedByUs):
        keyring.seal.open(kept, two.id)


async def test_a_system_with_a_key_of_its_own(sources: Sources, verifier: Verifier, clock: SetClock) -> None:
    pair = PrivateKey.new()
    linked, shown = await sources.link(ZOE, "House app", key=pair.public)
    assert (shown, linked.own_key) == (pair.public, True)
    at = int(clock.now().timestamp())
    found = await verifier.verified(raw(headers([pair], "msg_1", at, BODY)), BODY, linked.id)
    assert found.person == ZOE
    public = base64.b64decode(pair.public.reveal().removeprefix("whpk_"))
    for forger in (Secret(public), PrivateKey.new(), Secret.new()):
        with pytest.raises(NotVerified):
            await verifier.verified(raw(headers([forger], "msg_2", at, BODY)), BODY, linked.id)
    newer = PrivateKey.new()
    assert await sources.rotate(linked.id, ZOE, key=newer.public, overlap=NOTHING) == newer.public
    assert await verifier.verified(raw(headers([newer], "msg_3", at, BODY)), BODY, linked.id)
    with pytest.raises(NotVerified):
        await verifier.verified(raw(headers([pair], "msg_4", at, BODY)), BODY, linked.id)


async def test_a_contact_center_reports_and_decides_nothing(
    sources: Sources, verifier: Verifier, clock: SetClock, valkey: Valkey, house: House
) -> None:
    center, secret = await sources.open_center("Center North")
    linked, own = await sources.link(ZOE, "House app")
    assert (center.kind, center.person, linked.kind) == ("center", None, "system")
    at = int(clock.now().timestamp())
    signed, systems = raw(headers([secret], "msg_1", at, BODY)), raw(headers([own], "msg_1", at, BODY))
    assert not (await verifier.callback(signed, BODY, center.id)).repeated
    assert (await verifier.callback(signed, BODY, center.id)).repeated
    with pytest.raises(NotVerified):
        await verifier.verified(signed, BODY, center.id)
    with pytest.raises(NotVerified):
        await verifier.callback(systems, BODY, linked.id)
    other = raw(headers([secret], "msg_1", at, b"{}"))
    with pytest.raises(OtherBody):
        await verifier.callback(other, b"{}", center.id)
    await sources.unlink(center.id, None)
    with pytest.raises(NotVerified):
        await verifier.callback(signed, BODY, center.id)
    facts = [entry.fact for entry in await Log(valkey, house).read(0)]
    kinds = [type(fact) for fact in facts]
    assert kinds == [SourceOpened, SourceContradicted, SourceClosed]


async def test_a_center_is_an_operators_and_a_system_a_persons(sources: Sources) -> None:
    center, secret = await sources.open_center("Center North")
    linked, _ = await sources.link(ZOE, "House app")
    again = await sources.open_center("Center North", source=center.id)
    assert again == (center, secret)
    assert await sources.of(None) == [center]
    assert await sources.of(ZOE) == [linked]
    for source, person in ((center.id, ZOE), (linked.id, None)):
        with pytest.raises(SourceUnknown):
            await sources.rotate(source, person)
        with pytest.raises(SourceUnknown):
            await sources.unlink(source, person)
    for n in range(LIMITS.centers_most - 1):
        await sources.open_center(f"Center {n}")
    with pytest.raises(TooManySources):
        await sources.open_center("One more")


async def test_public_keys_are_published(
    endpoints: Endpoints, clock: SetClock, valkey: Valkey, house: House
) -> None:
    index = Index(valkey, house)
    addresses = Addresses(endpoints, index)
    published = PublishedKeys(endpoints, addresses, clock, LIMITS)
    app = FastAPI()
    app.include_router(routes(published))
    path = "/.well-known/webhook-jwks.json"
    secret_only, _ = await endpoints.add(CARRIER, URL)
    one, _ = await endpoints.add(CARRIER, URL + "/2", signatures=["v1a"])
    gone, _ = await endpoints.add(CARRIER, URL + "/3", signatures=["v1a"])
    await endpoints.remove(gone.id, CARRIER)
    for partition in range(house.partitions):
        for entry in await Log(valkey, house).read(partition):
            await index.place(places(entry))
    page = await addresses.page(after=None, limit=10)
    assert {each.id for each in page.addresses} == {one.id, secret_only.id}
    jwk = one.public_keys[0].key.jwk
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
        assert (await client.get(path)).json() == {"keys": [jwk]}
        own = await client.get(path, params={"endpoint": one.id})
        assert (own.json(), own.headers["cache-control"]) == ({"keys": [jwk]}, "public, max-age=60")
        await endpoints.rotate(one.id, CARRIER, overlap=timedelta(hours=1))
        assert len((await client.get(path, params={"endpoint": one.id})).json()["keys"]) == 2
        assert len((await client.get(path)).json()["keys"]) == 1, "it is a minute old at most"
        clock.advance(LIMITS.jwks_for)
        assert len((await client.get(path)).json()["keys"]) == 2
        clock.advance(timedelta(hours=1))
        (last,) = (await client.get(path)).json()["keys"]
        assert last != jwk
        for unknown in (
            gone.id,
            secret_only.id,
            CARRIER,
            "",
            "ep_3",
            "ep_\x00",
            "../x",
            "ep_zzzzzzzzzzzzzzzz",
        ):
            assert (await client.get(path, params={"endpoint": unknown})).json() == {"keys": []}
