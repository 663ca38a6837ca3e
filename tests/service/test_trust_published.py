"""Bundles published, keys rotated and removed: which key signs when, what its cars need, what the world is shown."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

import pytest

from keys.bundles import BadBundle, Bundles, NotNext
from keys.car.bundle import Roots, read_bundle
from keys.car.claims import FreshClaims, KeyClaims
from keys.car.fresh import read_fresh
from keys.car.jws import FRESH, KEY, SigningKey, read
from keys.custody import OnToken, SigningKeysUnfit
from keys.signing import SigningKeys, create_signing_keys
from spine.facts.trust import TRUST, TrustPublished
from spine.house import init_house
from spine.log import Log
from spine.store import Change, Store, Write
from tests.keys_trust import NEW_ROOTS, claims, entry, signed
from tests.keys_world import LIST, SECONDS
from tests.service.conftest import SetClock
from tests.service.keys_desk import Desk, desk  # noqa: F401 - a fixture
from tests.softhsm import at
from trunkline.installation import JWKS_FILE, keys_directory, public_keys
from trunkline.roots import Draft, roots_at_hand
from trunkline.settings import Settings
from trunkline.trust import (
    AlreadyRotating,
    Following,
    LateDraft,
    NoSuchServiceKey,
    NoTrust,
    PublicKeys,
    Trust,
    signing_keys,
)

pytestmark = pytest.mark.valkey

PURPOSES = ("key", "fresh", "log")
OTHER = "dlv_7k3mbbbbbbbbbbbb"


class Office:
    """An installation's folder and store, its keys as the process `work` holds them."""

    def __init__(self, store: Store, clock: SetClock, folder: Path) -> None:
        self.store, self.clock, self.folder = store, clock, folder
        self.settings = Settings(data_dir=folder)
        self.keys = keys_directory(self.settings)
        if not self.keys.exists():
            create_signing_keys(self.keys)
        self.settings.roots_dir.mkdir(exist_ok=True)
        (self.settings.roots_dir / JWKS_FILE).write_text((self.keys / "jwks.json").read_text())
        self.trust = Trust(store, self.settings)

    async def begin(self) -> SigningKeys:
        assert await self.trust.begin(self.clock.now()) == ["trust roots", "trust bundle"]
        return await self.signing()

    async def signing(self) -> SigningKeys:
        return await signing_keys(self.store, self.keys, PURPOSES, now=self.clock.now())

    def following(self, signing: SigningKeys) -> Following:
        return Following(self.store, self.clock, self.settings, signing)

    def published(self) -> set[str]:
        return {key["kid"] for key in public_keys(self.settings)["keys"]}


@pytest.fixture
def office(store: Store, clock: SetClock, tmp_path: Path) -> Office:
    return Office(store, clock, tmp_path)


async def test_the_first_bundle_names_the_keys_there_are_and_is_made_once(office: Office) -> None:
    before = office.published()
    signing = await office.begin()
    assert await office.trust.begin(office.clock.now()) == []
    in_force = await office.trust.in_force()
    assert in_force is not None
    assert set(in_force.keys) == before == office.published()
    assert {signing.signer(purpose).tbv for purpose in PURPOSES} == {0}
    assert json.loads((office.settings.roots_dir / "trust.json").read_text()) == in_force.document
    roots = sorted(office.settings.root_keys_dir.iterdir())
    assert [path.name for path in roots] == ["root-1.pem", "root-2.pem", "root-3.pem"]
    assert {path.stat().st_mode & 0o777 for path in roots} == {0o600}


async def test_without_roots_of_its_own_an_installation_waits_for_the_ceremony(office: Office) -> None:
    trust = Trust(office.store, Settings(data_dir=office.folder, local_roots=False))
    assert await trust.begin(office.clock.now()) == []
    assert not office.settings.root_keys_dir.exists()
    with pytest.raises(NoTrust):
        await trust.rotate("key", office.clock.now())
    assert (await office.signing()).signer("key").tbv == 0


async def test_a_new_store_gets_the_bundle_back_and_its_keys_ask_for_just_that_one(office: Office) -> None:
    await office.begin()
    await office.trust.rotate("key", office.clock.now())
    await office.store.valkey.everywhere("FLUSHALL")
    await init_house(office.store.valkey, 8)
    assert await office.trust.begin(office.clock.now()) == []
    in_force = await office.trust.in_force()
    assert in_force is not None
    assert in_force.claims.version == 2
    assert set(in_force.least.values()) == {2}  # who knows what was removed before


async def test_a_store_set_back_to_a_backup_gets_the_newer_bundle_of_the_folder(office: Office) -> None:
    signing = await office.begin()
    old = await office.store.load(TRUST)
    stolen = signing.signer("key").kid
    await office.trust.remove(stolen, office.clock.now())
    back = {TRUST: Write(old.state, old.body)}
    await office.store.change([TRUST], lambda saved: Change(back))
    assert await office.trust.begin(office.clock.now()) == []
    in_force = await office.trust.in_force()
    assert in_force is not None
    assert in_force.claims.version == 2
    assert set(in_force.least.values()) == {2}
    jumped = await office.trust.next_draft(office.clock.now(), version=9)
    assert jumped.in_force is not None
    assert jumped.in_force.claims.version == 9


async def test_publishing_goes_up_and_the_same_again_changes_nothing(
    store: Store, clock: SetClock, log: Log
) -> None:
    bundles, key = Bundles(store), SigningKey.draw()
    first, second = (
        signed(claims(n, entry("key", key), at=SECONDS)) for n in (1, 2)
    )  # fmt: skip
    for _ in range(2):
        await asyncio.gather(*(bundles.publish(first, now=clock.now()) for _ in range(4)))
    await bundles.publish(second, now=clock.now())
    with pytest.raises(NotNext):
        await bundles.publish(first, now=clock.now())
    facts = [entry.fact for entry in await log.read(0, "0-0")]
    assert [fact.version for fact in facts if isinstance(fact, TrustPublished)] == [1, 2]
    other = signed(claims(2, entry("key", SigningKey.draw()), at=SECONDS))
    with pytest.raises(NotNext):
        await bundles.publish(other, now=clock.now())


@pytest.mark.parametrize(
    "document",
    [
        {"bundle": signed(claims(2, entry("key", SigningKey.draw()), at=SECONDS))["bundle"][:1]},
        signed(claims(2, entry("key", SigningKey.draw()), at=SECONDS), *NEW_ROOTS),
        signed(
            claims(2, entry("key", SigningKey.draw()), at=SECONDS, roots=Roots.of_keys(NEW_ROOTS)), *NEW_ROOTS
        ),
        signed(claims(2, entry("key", SigningKey.draw()), at=SECONDS - 40_000_000)),
        {"bundle": []},
        None,
    ],
)
async def test_what_the_roots_in_force_did_not_sign_is_not_published(
    store: Store, clock: SetClock, document: object
) -> None:
    bundles = Bundles(store)
    await bundles.publish(signed(claims(1, entry("key", SigningKey.draw()), at=SECONDS)), now=clock.now())
    with pytest.raises(BadBundle):
        await bundles.publish(document, now=clock.now())
    in_force = await bundles.in_force()
    assert in_force is not None
    assert in_force.claims.version == 1


@pytest.mark.parametrize("purpose", PURPOSES)
async def test_a_next_key_is_published_a_week_ahead_and_signs_from_its_day_on(
    office: Office, purpose: str
) -> None:
    signing = await office.begin()
    old = signing.signer(purpose).kid  # type: ignore[arg-type]
    made = await office.trust.rotate(purpose, office.clock.now())  # type: ignore[arg-type]
    assert made.in_force is not None
    (new,) = set(made.in_force.keys) - {key for key, least in made.in_force.least.items() if least == 1}
    with pytest.raises(AlreadyRotating):
        await office.trust.rotate(purpose, office.clock.now())  # type: ignore[arg-type]
    following = office.following(signing)
    await following.look()
    assert signing.signer(purpose).kid == old  # type: ignore[arg-type]
    office.clock.advance(timedelta(days=7, seconds=-1))
    await following.look()
    assert signing.signer(purpose).kid == old  # type: ignore[arg-type]
    office.clock.advance(timedelta(seconds=1))
    await following.look()
    assert (signing.signer(purpose).kid, signing.signer(purpose).tbv) == (new, 2)  # type: ignore[arg-type]
    assert signing.signer(purpose, old).kid == old  # type: ignore[arg-type] # signs again what it began
    assert made.in_force.keys[old].not_after == int(office.clock.now().timestamp()) + 2 * 86_400
    # A later bundle leaves it out; it was not taken away early, so no car is asked for more.
    office.clock.advance(timedelta(days=3))
    later = await office.trust.next_draft(office.clock.now())
    assert later.in_force is not None
    assert old not in later.in_force.keys
    assert later.in_force.least[new] == 2
    assert not (office.keys / purpose / f"{old}.pem").exists()
    assert old in office.published()  # what it signed stays provable


async def test_a_removed_key_is_replaced_at_once_and_every_car_has_to_know(office: Office) -> None:
    signing = await office.begin()
    stolen = signing.signer("key").kid
    made = await office.trust.remove(stolen, office.clock.now())
    assert made.in_force is not None
    assert stolen not in made.in_force.keys
    assert set(made.in_force.least.values()) == {2}
    await office.following(signing).look()
    assert signing.signer("key").kid != stolen
    assert {signing.signer(purpose).tbv for purpose in PURPOSES} == {2}
    assert not signing.holds("key", stolen)
    with pytest.raises(SigningKeysUnfit):
        signing.signer("key", stolen)
    ended = [key["exp"] for key in public_keys(office.settings)["keys"] if key["kid"] == stolen]
    assert ended == [made.in_force.claims.iat]  # what it signed before is vouched for by the key `log`
    assert not (office.keys / "key" / f"{stolen}.pem").exists()
    with pytest.raises(NoSuchServiceKey):
        await office.trust.remove(stolen, office.clock.now())


async def test_a_removed_key_of_the_record_vouches_for_nothing_more(office: Office) -> None:
    signing = await office.begin()
    stolen = signing.signer("log").kid
    await office.trust.remove(stolen, office.clock.now())
    assert stolen not in office.published()


async def test_the_next_key_steps_in_where_one_was_published(office: Office) -> None:
    signing = await office.begin()
    stolen = signing.signer("key").kid
    planned = await office.trust.rotate("key", office.clock.now())
    assert planned.in_force is not None
    removed = await office.trust.remove(stolen, office.clock.now())
    assert removed.in_force is not None
    await office.following(signing).look()
    assert signing.signer("key").kid in planned.in_force.keys
    assert (signing.signer("key").tbv, len(removed.in_force.keys)) == (3, 4)


async def test_a_next_key_that_was_stolen_before_its_day_is_replaced(office: Office) -> None:
    signing = await office.begin()
    planned = await office.trust.rotate("key", office.clock.now())
    assert planned.in_force is not None
    (coming,) = (kid for kid, key in planned.in_force.keys.items() if key.not_before)
    removed = await office.trust.remove(coming, office.clock.now())
    await office.following(signing).look()
    assert removed.in_force is not None
    office.clock.advance(timedelta(days=30))
    await office.following(signing).look()
    assert signing.signer("key").kid in removed.in_force.keys


async def test_where_the_key_file_is_missing_the_former_keys_go_on(office: Office) -> None:
    signing = await office.begin()
    before = signing.signer("key").kid
    await office.trust.remove(before, office.clock.now())
    for file in (office.keys / "key").iterdir():
        file.unlink()
    await office.following(signing).look()
    assert signing.signer("key").kid == before  # cars refuse it: nothing opens, and the log says why
    with pytest.raises(SigningKeysUnfit, match="names for now"):
        await office.signing()


async def test_roots_that_are_elsewhere_sign_one_after_the_other(office: Office) -> None:
    await office.begin()
    files = sorted(office.settings.root_keys_dir.iterdir())
    held = roots_at_hand(office.settings.root_keys_dir)
    for path in files[1:]:
        path.unlink()
    made = await office.trust.rotate("cmd", office.clock.now())
    assert made.in_force is None
    first = made.draft.signed_by(held[0])
    assert first.signed_by(held[0]) == first
    travelled = Draft.model_validate_json(first.model_dump_json())
    with pytest.raises(BadBundle):
        await office.trust.publish(travelled.document, office.clock.now())
    (fresh,) = (key for key in travelled.claims.keys if key.nbf)
    assert fresh.nbf == int(office.clock.now().timestamp()) + 14 * 86_400  # the roots have a week for it
    whole = travelled.signed_by(held[2])
    with pytest.raises(LateDraft):
        await office.trust.publish(whole.document, office.clock.now() + timedelta(days=7, seconds=1))
    office.clock.advance(timedelta(days=7))
    assert whole.signers == {held[0].kid, held[2].kid}
    in_force = await office.trust.publish(whole.document, office.clock.now())
    assert in_force.claims.version == 2


async def test_roots_are_replaced_by_the_word_of_both(office: Office) -> None:
    await office.begin()
    old = roots_at_hand(office.settings.root_keys_dir)
    made = await office.trust.next_draft(office.clock.now(), roots=Roots.of_keys(NEW_ROOTS))
    assert made.in_force is None
    draft = made.draft
    for root in (*old[1:], *NEW_ROOTS[:2]):
        draft = draft.signed_by(root)
    in_force = await office.trust.publish(draft.document, office.clock.now())
    assert in_force.claims.roots == Roots.of_keys(NEW_ROOTS)
    assert read_bundle(in_force.document, roots=Roots.of_keys(old)).claims.version == 2


async def test_keys_and_lists_say_which_bundle_they_need(desk: Desk, tmp_path: Path) -> None:  # noqa: F811
    office = Office(desk.store, desk.clock, tmp_path)
    signing = desk.keys._signing
    assert signing is not None
    await office.trust.begin(desk.clock.now())
    following = office.following(signing)
    await following.look()
    first = await desk.ready()
    token = await desk.keys.hand_out(first, jkt=desk.wanted().jkt, now=desk.clock.now())
    assert KeyClaims.of(read(token, KEY).claims).tbv is None  # units older than bundles trust it too
    waiting = await desk.issue(OTHER)
    await office.trust.remove(signing.signer("key").kid, desk.clock.now())
    await following.look()
    await desk.settle()
    assert not (await desk.keys.view(waiting)).live  # it cannot be signed any more: no key stands for nothing
    second = await desk.keys.issue(desk.wanted("dlv_7k3mcccccccccccc"), now=desk.clock.now())
    await desk.settle()
    token = await desk.keys.hand_out(second, jkt=desk.wanted().jkt, now=desk.clock.now())
    assert KeyClaims.of(read(token, KEY).claims).tbv == 2
    desk.clock.advance(timedelta(minutes=6))
    await desk.keys.on_due(await desk.store.load(f"rvl_{desk.wanted().unit[3:]}"))
    await desk.settle()
    lists = [fact.signed for fact in desk.seen if fact.kind == "revocation.raised"]  # type: ignore[union-attr]
    assert [FreshClaims.of(read(one, FRESH).claims).bundle for one in lists][-1] == 2


async def test_the_next_key_can_be_drawn_in_a_token(office: Office, hsm: OnToken) -> None:
    signing = await office.begin()
    place = at(hsm, "next")
    made = await office.trust.rotate("fresh", office.clock.now(), place)
    assert made.in_force is not None
    office.clock.advance(timedelta(days=7))
    await office.following(signing).look()
    signer = signing.signer("fresh")
    assert (office.keys / "fresh" / f"{signer.kid}.json").exists()
    trust = read_bundle(made.in_force.document, roots=made.in_force.claims.roots).trust
    news = LIST.model_copy(update={"iat": int(office.clock.now().timestamp())})
    assert read_fresh(signer.sign(news.wire()), trust=trust, unit=LIST.aud) == news
    await office.trust.remove(signer.kid, office.clock.now())
    assert not (office.keys / "fresh" / f"{signer.kid}.json").exists()


async def test_the_world_sees_the_keys_of_the_day(office: Office) -> None:
    await office.begin()
    shown = PublicKeys(office.settings)
    before = len(shown["keys"])
    await office.trust.rotate("log", office.clock.now())
    assert len(shown["keys"]) == before + 1
    assert dict(shown) == public_keys(office.settings)
