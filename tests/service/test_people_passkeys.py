"""Passkeys on the real store: who may add, show and remove one, what is refused, and what approves for a person."""

import asyncio
import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from keys.car.jwk import b64, unb64
from people.access import PersonPrincipal
from people.assertions import Assertion, Attestation
from people.limits import PeopleLimits
from people.mail_links import MailKind
from people.problems import (
    LastPasskey,
    LinkIsOver,
    NoPasskeysHere,
    NotFound,
    PasskeyKnown,
    PasskeyNeeded,
    PasskeyRefused,
    TooFull,
    TooMany,
    Unauthenticated,
)
from people.relying_party import RelyingParty
from spine.facts.people import PasskeyAdded
from tests.service.passkey_hands import again, holder, key, made, prove, register, session, shown
from tests.service.people_house import PeopleHouse, house_of_people
from trunkline.software_key import PRESENT, VERIFIED, SoftwareKey

__all__ = ["house_of_people"]

LIMITS = PeopleLimits()
MINUTE = timedelta(minutes=1)


async def test_a_first_passkey_needs_the_session_alone_and_ends_the_choice_of_links(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    passkeys, person = house.people.passkeys, await house.person("ada@example.org")
    assert await passkeys.approves_by(person) == "nothing"
    await house.choose_link(person)
    await house.choose_link(person)
    assert await passkeys.approves_by(person) == "link"
    who = await session(house, person)
    view = await register(house, who, key(), "My phone")
    assert (view.name, view.last_used_at, view.synced, view.backed_up) == ("My phone", None, False, False)
    assert await passkeys.approves_by(person) == "passkey"
    with pytest.raises(LinkIsOver):
        await house.choose_link(person)
    lifted = await again(house, who)
    assert (lifted.session_level, lifted.passkey_at) == ("passkey", house.now)
    assert (await house.settle()).count("passkey.added") == 1
    assert house.mailbox.kinds() == ["passkey_added"]
    letter = await house.letter(person, MailKind.PASSKEY_ADDED)
    assert letter is not None
    assert letter.link.to == "/passkeys"


@pytest.mark.parametrize("kind", ["ES256", "Ed25519"])
async def test_a_gesture_lifts_a_session_for_minutes(house_of_people: PeopleHouse, kind: Any) -> None:
    house = house_of_people
    who, hand = await session(house, await house.person("ada@example.org")), key(kind=kind)
    require = house.people.step_up.require_fresh_passkey
    await require(who, now=house.now)  # who never had one passes
    await register(house, who, hand)
    with pytest.raises(PasskeyNeeded) as asked:
        await require(who, now=house.now)  # the principal of before
    assert asked.value.headers["WWW-Authenticate"] == (
        'Bearer realm="trunkline", error="insufficient_user_authentication", acr_values="passkey", max_age=300'
    )
    house.clock.advance(LIMITS.passkey_fresh + MINUTE)
    with pytest.raises(PasskeyNeeded):
        await require(await again(house, who), now=house.now)
    fresh = await prove(house, who, hand)
    await require(fresh, now=house.now)
    other = await session(house, who.id)
    with pytest.raises(PasskeyNeeded):  # another session of the same person
        await require(other, now=house.now)
    with pytest.raises(PasskeyNeeded):  # a clock that went back
        await require(fresh, now=house.now - MINUTE)


async def test_another_one_needs_a_gesture_with_the_first(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    with pytest.raises(PasskeyNeeded):
        await house.people.step_up.new_options(who, now=house.now)
    fresh = await prove(house, who, hand)
    second = key()
    await register(house, fresh, second, "Second")
    assert [one.name for one in await house.people.passkeys.all_of(who.id)] == ["Key", "Second"]
    with pytest.raises(PasskeyKnown):
        await register(house, fresh, second)
    await prove(house, who, second)


async def test_of_two_sessions_that_race_for_the_first_passkey_one_gets_it(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    person = await house.person("ada@example.org")
    rivals = [await session(house, person) for _ in range(6)]
    answers = [await made(house, who, key()) for who in rivals]
    ended = await asyncio.gather(
        *(
            house.people.step_up.register(who, answer, name="Mine", now=house.now)
            for who, answer in zip(rivals, answers, strict=True)
        ),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in ended) == ["PasskeyNeeded"] * 5 + ["PasskeyView"]
    assert len(await house.people.passkeys.all_of(person)) == 1
    assert len([fact for fact in await house.facts() if isinstance(fact, PasskeyAdded)]) == 1


async def test_a_challenge_is_answered_once_by_the_session_and_for_what_it_was_asked(
    house_of_people: PeopleHouse,
) -> None:
    house = house_of_people
    who, hand = await holder(house)
    step_up = house.people.step_up
    good = await shown(house, who, hand)
    ended = await asyncio.gather(
        *(step_up.prove(who, good, now=house.now) for _ in range(5)), return_exceptions=True
    )
    assert sum(isinstance(one, str) for one in ended) == 1
    assert {type(one) for one in ended if not isinstance(one, str)} == {PasskeyRefused}

    other = await session(house, who.id)
    with pytest.raises(PasskeyRefused):
        await step_up.prove(other, await shown(house, who, hand), now=house.now)
    late = await shown(house, who, hand)
    await house.store.valkey.ask("DEL", *await house.store.valkey.ask("KEYS", "*passkey_challenge*"))
    with pytest.raises(PasskeyRefused):
        await step_up.prove(who, late, now=house.now)
    replaced = await shown(house, who, hand)
    newest = await shown(house, who, hand)
    with pytest.raises(PasskeyRefused):
        await step_up.prove(who, replaced, now=house.now)
    with pytest.raises(PasskeyRefused):  # a wrong answer used the newest up
        await step_up.prove(who, newest, now=house.now)
    sign_in = await step_up.sign_in_options()
    with pytest.raises(PasskeyRefused):  # a challenge of a sign-in lifts nothing
        await step_up.prove(
            who, Assertion.model_validate(hand.answer(unb64(sign_in["challenge"]))), now=house.now
        )


async def test_challenges_lie_in_the_store_for_minutes_and_hashed(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, _ = await holder(house)
    options = await house.people.step_up.proof_options(who, now=house.now)
    (name,) = await house.store.valkey.ask("KEYS", "*passkey_challenge*prove*")
    left = await house.store.valkey.ask("PTTL", name)
    assert 0 < left <= LIMITS.passkey_challenge_life.total_seconds() * 1000
    everything = await house.everything()
    assert options["challenge"] not in everything
    assert unb64(options["challenge"]).hex() not in everything
    assert options["userVerification"] == "required"
    assert options["rpId"] == "localhost"
    assert len(options["allowCredentials"]) == 1


Bend = Callable[[SoftwareKey, bytes], dict[str, Any]]


def _flags(flags: int) -> Bend:
    return lambda hand, challenge: hand.answer(challenge, flags=flags)


def _client(**other: Any) -> Bend:
    def bend(hand: SoftwareKey, challenge: bytes) -> dict[str, Any]:
        said = json.loads(hand.client_data("webauthn.get", challenge))
        given = hand.signed({**said, **other}, hand.authenticator_data(PRESENT | VERIFIED, 0))
        answer = hand.answer(challenge)
        answer["response"] |= {"clientDataJSON": given["clientData"], "signature": given["sig"]}
        return answer

    return bend


def _raw(client: bytes) -> Bend:
    def bend(hand: SoftwareKey, challenge: bytes) -> dict[str, Any]:
        given = hand.signed(client, hand.authenticator_data(PRESENT | VERIFIED, 0))
        answer = hand.answer(challenge)
        answer["response"] |= {"clientDataJSON": given["clientData"], "signature": given["sig"]}
        return answer

    return bend


def _member(name: str, value: str) -> Bend:
    def bend(hand: SoftwareKey, challenge: bytes) -> dict[str, Any]:
        answer = hand.answer(challenge)
        answer["response"][name] = value
        return answer

    return bend


BENT: dict[str, Bend] = {
    "origin of another port": _client(origin="http://localhost:8081"),
    "origin of another host": _client(origin="http://evil.localhost:8080"),
    "origin with a slash": _client(origin="http://localhost:8080/"),
    "https for http": _client(origin="https://localhost:8080"),
    "no origin": _client(origin=None),
    "origin as a list": _client(origin=["http://localhost:8080"]),
    "in a foreign frame": _client(crossOrigin=True),
    "framed by another": _client(topOrigin="https://evil.example"),
    "crossOrigin as a text": _client(crossOrigin="false"),
    "a registration's client data": _client(type="webauthn.create"),
    "another challenge": _client(challenge=b64(os.urandom(32))),
    "no challenge": _client(challenge=None),
    "challenge as a number": _client(challenge=7),
    "challenge with an umlaut": _client(challenge="ä" * 43),
    "empty challenge": _client(challenge=""),
    "client data no JSON": _raw(b"{"),
    "client data a list": _raw(b"[]"),
    "client data no UTF-8": _raw(b"\xff\xfe\x00"),
    "client data deep": _raw(b"[" * 3000),
    "client data empty object": _raw(b"{}"),
    "nobody verified": _flags(PRESENT),
    "nobody present": _flags(VERIFIED),
    "no flags": _flags(0),
    "flags promise extensions": _flags(PRESENT | VERIFIED | 0x80),
    "flags promise a credential": _flags(PRESENT | VERIFIED | 0x40),
    "another rp": lambda hand, challenge: replace(hand, rp_id="evil.example").answer(challenge),
    "another key": lambda hand, challenge: replace(hand, private=key().private).answer(challenge),
    "another credential": lambda hand, challenge: replace(hand, cid=key().cid).answer(challenge),
    "raw id differs": lambda hand, challenge: {**hand.answer(challenge), "rawId": key().cid},
    "somebody else's handle": lambda hand, challenge: hand.answer(challenge, person="per_3aaaaaaaaaaaaaaa"),
    "signature of nothing": _member("signature", b64(b"\x30\x00")),
    "signature of zeros": _member("signature", b64(bytes(64))),
    "authenticator data short": _member("authenticatorData", b64(bytes(36))),
    "authenticator data random": _member("authenticatorData", b64(os.urandom(200))),
}


@pytest.mark.parametrize("bend", BENT.values(), ids=BENT.keys())
async def test_a_bent_answer_is_refused_alike_and_lifts_nothing(
    house_of_people: PeopleHouse, bend: Bend
) -> None:
    house = house_of_people
    who, hand = await holder(house)
    challenge = unb64((await house.people.step_up.proof_options(who, now=house.now))["challenge"])
    answer = Assertion.model_validate(bend(hand, challenge))
    with pytest.raises(PasskeyRefused) as refused:
        await house.people.step_up.prove(who, answer, now=house.now)
    assert refused.value.detail in {
        "This passkey cannot be used here.",
        "This passkey cannot be used for this here and now.",
    }
    assert (await again(house, who)).passkey_at == who.passkey_at


async def test_a_persons_passkey_answers_for_nobody_else(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    ada, adas = await holder(house)
    eve, eves = await holder(house, "eve@example.org")
    with pytest.raises(PasskeyRefused):
        await house.people.step_up.prove(eve, await shown(house, eve, adas), now=house.now)
    # a credential's id copied into another account is another key there
    fresh = await prove(house, eve, eves)
    await register(house, fresh, replace(key(), cid=adas.cid), "Copy")
    with pytest.raises(PasskeyRefused):
        await house.people.step_up.prove(eve, await shown(house, eve, adas), now=house.now)
    challenge = os.urandom(32)
    answer = Assertion.model_validate(adas.answer(challenge, person=ada.id))
    verify = house.people.passkeys.verify
    assert await verify(ada.id, answer, challenge=challenge, now=house.now)
    with pytest.raises(PasskeyRefused):
        await verify(eve.id, answer, challenge=challenge, now=house.now)
    with pytest.raises(PasskeyRefused):
        await verify(ada.id, answer, challenge=os.urandom(32), now=house.now)
    with pytest.raises(NotFound):
        await house.people.passkeys.options(await house.person("ben@example.org"), challenge)


async def test_a_counter_that_goes_backwards_is_refused_with_an_alarm(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house, count=5)
    await prove(house, who, hand, count=9)
    await house.settle()
    for count in (9, 8, 0):
        with pytest.raises(PasskeyRefused):
            await prove(house, who, hand, count=count)
    forged = await shown(house, who, replace(hand, private=key().private), count=1)
    with pytest.raises(PasskeyRefused):
        await house.people.step_up.prove(who, forged, now=house.now)
    assert (await house.settle()).count("passkey.alarmed") == 3  # none for the forgery
    assert house.mailbox.kinds().count("passkey_alarm") == 3
    await prove(house, who, hand, count=10)


async def test_a_synced_passkey_counts_nothing_and_raises_no_alarm(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    both = PRESENT | VERIFIED | 0x08 | 0x10
    who, hand = await holder(house, flags=both)
    for _ in range(3):
        await prove(house, who, hand, flags=both)
    (view,) = await house.people.passkeys.all_of(who.id)
    assert (view.synced, view.backed_up, view.last_used_at) == (True, True, house.now)
    assert "passkey.alarmed" not in await house.settle()


async def test_names_and_removal_and_the_last_one_stays(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    (first,) = await house.people.passkeys.all_of(who.id)
    with pytest.raises(LastPasskey):
        await house.people.passkeys.remove(who.id, who.session, first.id, now=house.now)
    second = key()
    view = await register(house, await prove(house, who, hand), second)
    await house.people.passkeys.rename(who.id, first.id, "Old phone")
    both = [first.id, view.id]
    ended = await asyncio.gather(
        *(house.people.passkeys.remove(who.id, who.session, one, now=house.now) for one in both),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in ended) == ["LastPasskey", "NoneType"]
    (left,) = await house.people.passkeys.all_of(who.id)
    gone = next(one for one in both if one != left.id)
    for call in (
        house.people.passkeys.remove(who.id, who.session, gone, now=house.now),
        house.people.passkeys.rename(who.id, gone, "x"),
    ):
        with pytest.raises(NotFound):
            await call
    with pytest.raises(PasskeyRefused):
        await prove(house, who, hand if left.id == view.id else second)
    await house.settle()
    assert house.mailbox.kinds() == ["passkey_added", "passkey_added", "passkey_removed"]


async def test_what_a_stolen_passkey_lifted_is_down_when_it_is_removed(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    stolen = key()
    view = await register(house, await prove(house, who, hand), stolen)
    thief = await prove(house, await session(house, who.id), stolen)
    old = await session(house, who.id, "session")
    mine = await prove(house, who, hand)
    await house.people.passkeys.remove(who.id, mine.session, view.id, now=house.now)
    after = [await again(house, one) for one in (thief, old, mine)]
    assert [one.session_level for one in after] == ["link", "session", "passkey"]
    with pytest.raises(PasskeyNeeded):
        await house.people.step_up.require_fresh_passkey(after[0], now=house.now)
    await house.people.step_up.require_fresh_passkey(after[2], now=house.now)


async def test_a_session_that_ended_meanwhile_adds_and_lifts_nothing(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    person = await house.person("ada@example.org")
    who = await session(house, person)
    answer = await made(house, who, key())
    await house.people.sessions.revoke(person, who.session, now=house.now)
    with pytest.raises(Unauthenticated):
        await house.people.step_up.register(who, answer, name="Late", now=house.now)
    assert await house.people.passkeys.all_of(person) == []
    other, hand = await holder(house)
    late = await shown(house, other, hand)
    await house.people.sessions.revoke(person, None, now=house.now)
    with pytest.raises(Unauthenticated):
        await house.people.step_up.prove(other, late, now=house.now)


async def test_a_process_that_dies_in_the_middle_leaves_nothing_half(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    answer = await shown(house, who, hand)
    assert await house.killed_after(1, lambda: house.people.step_up.prove(who, answer, now=house.now))
    assert (await again(house, who)).passkey_at == who.passkey_at  # used, not lifted: shown again it is
    with pytest.raises(PasskeyRefused):
        await house.people.step_up.prove(who, answer, now=house.now)
    assert (await prove(house, who, hand)).passkey_at == house.now


async def test_too_many(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    fresh = await prove(house, who, hand)
    for n in range(LIMITS.passkeys_per_person - 1):
        house.clock.advance(MINUTE * 2)
        fresh = await prove(house, who, hand)
        await register(house, fresh, key(), str(n))
    with pytest.raises(TooFull):
        await register(house, fresh, key())

    async def press_on() -> None:
        for _ in range(LIMITS.passkey_tries + 1):
            await house.people.step_up.proof_options(who, now=house.now)

    with pytest.raises(TooMany) as told:
        await press_on()
    assert told.value.retry_after


GARBLED: dict[str, Callable[[dict[str, Any]], None]] = {
    "no CBOR": lambda response: response.update(attestationObject=b64(b"\xff\xff")),
    "empty map": lambda response: response.update(attestationObject=b64(b"\xa0")),
    "endless list": lambda response: response.update(attestationObject=b64(b"\x9f" * 4000)),
    "deep": lambda response: response.update(attestationObject=b64(b"\x81" * 8000)),
    "huge length": lambda response: response.update(attestationObject=b64(b"\x5b" + b"\xff" * 8)),
    "a list": lambda response: response.update(attestationObject=b64(b"\x80")),
    "attestation tpm": lambda response: response.update(
        attestationObject=b64(unb64(response["attestationObject"]).replace(b"\x64none", b"\x63tpm"))
    ),
    "cut": lambda response: response.update(
        attestationObject=b64(unb64(response["attestationObject"])[:-10])
    ),
    "client data": lambda response: response.update(clientDataJSON=b64(b"{}")),
}


@pytest.mark.parametrize("garble", GARBLED.values(), ids=GARBLED.keys())
async def test_a_garbled_registration_is_refused(
    house_of_people: PeopleHouse, garble: Callable[[dict[str, Any]], None]
) -> None:
    house = house_of_people
    who = await session(house, await house.person("ada@example.org"))
    options = await house.people.step_up.new_options(who, now=house.now)
    answer = key().registration(unb64(options["challenge"]))
    garble(answer["response"])
    with pytest.raises(PasskeyRefused):
        await house.people.step_up.register(
            who, Attestation.model_validate(answer), name="Bad", now=house.now
        )
    assert await house.people.passkeys.all_of(who.id) == []


@pytest.mark.parametrize(
    ("hand", "how"),
    [
        (key(), {"flags": PRESENT}),
        (key(origin="http://localhost:8081"), {}),
        (key(rp_id="evil.example"), {}),
    ],
    ids=["nobody verified", "another origin", "another rp"],
)
async def test_a_registration_elsewhere_or_unverified_is_refused(
    house_of_people: PeopleHouse, hand: SoftwareKey, how: Any
) -> None:
    house = house_of_people
    who = await session(house, await house.person("ada@example.org"))
    with pytest.raises(PasskeyRefused):
        await register(house, who, hand, **how)
    other, answer = await session(house, who.id), await made(house, who, key())
    with pytest.raises(PasskeyRefused):  # what another session was asked
        await house.people.step_up.register(other, answer, name="x", now=house.now)


@pytest.mark.parametrize(
    ("origin", "usable"),
    [
        ("http://localhost:8080", True),
        ("https://trunk.example", True),
        ("https://trunk.example:8443", True),
        ("http://trunk.example", False),
        ("http://127.0.0.1:8080", False),
        ("https://192.0.2.1", False),
        ("https://[2001:db8::1]", False),
    ],
)
def test_passkeys_belong_to_names(origin: str, usable: bool) -> None:
    party = RelyingParty(origin)
    assert party.usable is usable
    if not usable:
        with pytest.raises(NoPasskeysHere):
            party.request_options(challenge=bytes(32), allowed=[], milliseconds=1)


async def test_sign_in_by_passkey_alone(house_of_people: PeopleHouse) -> None:
    house = house_of_people
    who, hand = await holder(house)
    step_up = house.people.step_up

    async def asked(hand: SoftwareKey, person: str) -> Assertion:
        options = await step_up.sign_in_options()
        assert options.get("allowCredentials", []) == []
        return Assertion.model_validate(hand.answer(unb64(options["challenge"]), person=person))

    answer = await asked(hand, who.id)
    signed = await step_up.sign_in(answer, device=lambda _: None, now=house.now)
    assert (signed.session.person, signed.session.level, signed.session.passkey_at) == (
        who.id,
        "passkey",
        house.now,
    )
    assert signed.device is not None
    assert signed.device not in repr(signed)
    await step_up.require_fresh_passkey(
        PersonPrincipal(who.id, "passkey", signed.session.id, signed.session.passkey_at), now=house.now
    )
    with pytest.raises(PasskeyRefused):
        await step_up.sign_in(answer, now=house.now)  # replayed
    for bent in (
        await asked(hand, ""),
        await asked(hand, "per_3aaaaaaaaaaaaaaa"),
        await asked(hand, "nonsense"),
        await asked(key(), who.id),
        await asked(replace(hand, private=key().private), who.id),
    ):
        with pytest.raises(PasskeyRefused):
            await step_up.sign_in(bent, now=house.now)
    await house.people.persons.erase(who.id, now=house.now)
    with pytest.raises(PasskeyRefused):
        await step_up.sign_in(await asked(hand, who.id), now=house.now)


def test_what_a_passkey_answered_is_not_shown_and_goes_and_comes() -> None:
    hand = key()
    answer = Assertion.model_validate(hand.answer(bytes(32), person="per_3aaaaaaaaaaaaaaa"))
    assert repr(answer) == "Assertion()"
    assert answer.response.signature not in f"{answer} {answer!r}"
    kept = answer.model_dump_json(by_alias=True)
    assert Assertion.model_validate_json(kept) == answer
    assert json.loads(kept)["response"]["clientDataJSON"] == answer.response.client_data
    with pytest.raises(ValueError) as refused:
        Assertion.model_validate({"id": "secret!", "rawId": "x", "response": {}})
    assert "secret!" not in str(refused.value)
    big = hand.answer(bytes(32))
    big["response"]["signature"] = "A" * 2000
    with pytest.raises(ValueError):
        Assertion.model_validate(big)
