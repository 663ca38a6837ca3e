"""Decisions in, on a real store: every hostile request is answered alike, and an id belongs to one body."""

import json
from datetime import timedelta

import pytest

from spine.expiring import Expiring
from spine.facts.webhooks import SourceContradicted
from spine.house import House
from spine.ids import PersonId
from spine.log import Log
from spine.store import OtherBody, Store
from spine.valkey import Valkey
from tests.service.conftest import SetClock
from tests.unit.test_webhooks_signature import HOSTILE
from webhooks.keyring import Keyring
from webhooks.limits import WebhooksLimits
from webhooks.sealing import Seal
from webhooks.signature import Secret, headers
from webhooks.sources import Source, Sources
from webhooks.verified import DecisionTooLarge, NotVerified, Verifier

ZOE = PersonId("per_2aaaaaaaaaaaaaaa")
LIMITS = WebhooksLimits()
BODY = json.dumps({"question": "qst_1", "shown": "ab", "decision": "approve"}).encode()


class Gate:
    """A verifier with one linked system."""

    def __init__(self, store: Store, expiring: Expiring, clock: SetClock) -> None:
        self.sources = Sources(store, clock, LIMITS, Keyring(Seal(b"k" * 32)))
        self.verifier = Verifier(store, expiring, clock, LIMITS, self.sources)
        self.clock = clock
        self.source: Source
        self.secret: Secret

    def signed(
        self, message: str = "msg_1", body: bytes = BODY, *, secret: Secret | None = None
    ) -> list[tuple[bytes, bytes]]:
        made = headers([secret or self.secret], message, int(self.clock.now().timestamp()), body)
        return [(name.encode(), value.encode()) for name, value in made.items()]


@pytest.fixture
async def gate(store: Store, valkey: Valkey, clock: SetClock) -> Gate:
    gate = Gate(store, Expiring(valkey), clock)
    gate.source, gate.secret = await gate.sources.link(ZOE, "House app")
    return gate


async def test_a_good_decision(gate: Gate) -> None:
    found = await gate.verifier.verified(gate.signed(), BODY, gate.source.id)
    assert (found.source, found.person, found.level) == (gate.source.id, ZOE, "session")
    assert (found.message_id, found.body, found.repeated) == ("msg_1", BODY, False)
    assert found.mac == dict(gate.signed())[b"webhook-signature"].decode().removeprefix("v1,")
    assert len(found.body_hash) == 64
    again = await gate.verifier.verified(gate.signed(), BODY, gate.source.id)
    assert again.repeated, "the state decides, and gives the same answer"


async def test_one_id_one_body(gate: Gate, valkey: Valkey, house: House) -> None:
    await gate.verifier.verified(gate.signed(), BODY, gate.source.id)
    other = BODY.replace(b"approve", b"decline")
    for _ in range(2):
        with pytest.raises(OtherBody):
            await gate.verifier.verified(gate.signed(body=other), other, gate.source.id)
    facts = [entry.fact for entry in await Log(valkey, house).read(2)]
    alarms = [fact for fact in facts if isinstance(fact, SourceContradicted)]
    assert len(alarms) == 2
    assert (alarms[0].source, alarms[0].person, alarms[0].message) == (gate.source.id, ZOE, "msg_1")
    assert alarms[0].first_hash != alarms[0].second_hash
    assert (await gate.verifier.verified(gate.signed(), BODY, gate.source.id)).repeated


async def test_a_forger_burns_no_id(gate: Gate) -> None:
    forged = gate.signed(secret=Secret.new())
    with pytest.raises(NotVerified):
        await gate.verifier.verified(forged, BODY, gate.source.id)
    other = b'{"decision":"decline"}'
    assert not (await gate.verifier.verified(gate.signed(body=other), other, gate.source.id)).repeated


async def test_another_systems_id_is_another_id(gate: Gate) -> None:
    second, secret = await gate.sources.link(ZOE, "Watch app")
    await gate.verifier.verified(gate.signed(), BODY, gate.source.id)
    found = await gate.verifier.verified(gate.signed(secret=secret), BODY, second.id)
    assert not found.repeated
    with pytest.raises(NotVerified):
        await gate.verifier.verified(gate.signed(secret=secret), BODY, gate.source.id)


async def test_every_active_secret_and_no_other(gate: Gate) -> None:
    old, new = gate.secret, await gate.sources.rotate(gate.source.id, ZOE)
    for n, secret in enumerate((old, new)):
        await gate.verifier.verified(gate.signed(f"msg_{n}", secret=secret), BODY, gate.source.id)
    gate.clock.advance(timedelta(hours=24))
    await gate.verifier.verified(gate.signed("msg_3", secret=new), BODY, gate.source.id)
    with pytest.raises(NotVerified):
        await gate.verifier.verified(gate.signed("msg_4", secret=old), BODY, gate.source.id)


@pytest.mark.parametrize("name", HOSTILE)
async def test_hostile_requests_are_answered_alike(gate: Gate, name: str) -> None:
    _, raw = HOSTILE[name]
    with pytest.raises(NotVerified) as refused:
        await gate.verifier.verified(raw, BODY, gate.source.id)
    assert refused.value.detail == ""
    assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "hint", ["", "src_2zzzzzzzzzzzzzzz", "src_zzzz", "ep_2aaaaaaaaaaaaaaa", "src_2\x00", "ü" * 300, "../x"]
)
async def test_an_unknown_source_is_answered_alike(gate: Gate, hint: str) -> None:
    with pytest.raises(NotVerified) as refused:
        await gate.verifier.verified(gate.signed(), BODY, hint)
    assert refused.value.detail == ""


async def test_an_unlinked_system_decides_nothing(gate: Gate) -> None:
    await gate.sources.unlink(gate.source.id, ZOE)
    with pytest.raises(NotVerified):
        await gate.verifier.verified(gate.signed(), BODY, gate.source.id)


async def test_a_body_that_is_too_large(gate: Gate) -> None:
    body = b"x" * (LIMITS.body_most + 1)
    with pytest.raises(DecisionTooLarge):
        await gate.verifier.verified(gate.signed(body=body), body, gate.source.id)
    body = body[:-1]
    assert await gate.verifier.verified(gate.signed(body=body), body, gate.source.id)


async def test_the_time_passed_in_counts(gate: Gate) -> None:
    now = gate.clock.now() + timedelta(seconds=301)
    with pytest.raises(NotVerified):
        await gate.verifier.verified(gate.signed(), BODY, gate.source.id, now=now)
