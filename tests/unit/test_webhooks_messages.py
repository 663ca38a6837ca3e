"""The life of a message as a table, its wire form, its rows, and secrets at rest."""

import json
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spine.ids import EndpointId, PersonId, partition_of
from webhooks.attempts import Outcome, Result, read_row
from webhooks.endpoints import ENDPOINT_STEPS, Endpoint, EndpointState, EndpointStep
from webhooks.envelope import News, encode, wire_id
from webhooks.keyring import KeptSecret, Keyring, TooManySecrets, exchanged
from webhooks.messages import (
    Kept,
    MessageRefused,
    Outgoing,
    Place,
    kept_text,
    message_id,
    ping_id,
    place_of,
    queue_of,
)
from webhooks.sealing import NotSealedByUs, Seal
from webhooks.sources import SOURCE_STEPS, SourceState, SourceStep
from webhooks.states import ENDS, STEPS, State, Step, step

NOW = datetime(2030, 5, 6, 9, 0, tzinfo=UTC)
ENDPOINT = EndpointId("ep_7a1b2c3d4e5f6g7h")
MESSAGE = message_id("dlv_7k3m9qxd4hwe2a5t", "asked", ENDPOINT)
OUT = Outgoing(MESSAGE, "delivery.asked", NOW, NOW + timedelta(hours=1), {"delivery": "dlv_7k3m"}, ENDPOINT)


@pytest.mark.parametrize(("state", "what"), list(product(State, Step)))
def test_only_declared_steps_change_a_message(state: State, what: Step) -> None:
    after = step(state, what)
    assert after == STEPS.get((state, what))
    if state in ENDS:
        assert (after is not None) == (what is Step.RESENT)
    if state is State.NEW:
        assert (after is not None) == (what is Step.QUEUED)


@pytest.mark.parametrize(("state", "what"), list(product(EndpointState, EndpointStep)))
def test_a_removed_address_stays_removed(state: EndpointState, what: EndpointStep) -> None:
    after = ENDPOINT_STEPS.get((state, what))
    assert after is None or state is not EndpointState.REMOVED
    if after is EndpointState.ENABLED:
        assert what is EndpointStep.ANSWERED, "nothing but an answered ping enables an address"


@pytest.mark.parametrize(("state", "what"), list(product(SourceState, SourceStep)))
def test_an_unlinked_system_stays_unlinked(state: SourceState, what: SourceStep) -> None:
    after = SOURCE_STEPS.get((state, what))
    assert after is None or state is not SourceState.UNLINKED


def test_a_message_is_named_after_its_cause() -> None:
    assert MESSAGE == "msg_7k3m9qxd4hwe2a5t.asked.ep.7a1b2c3d4e5f6g7h"
    assert partition_of(MESSAGE) == 7
    assert wire_id(MESSAGE) == "msg_7k3m9qxd4hwe2a5t-asked"
    other = message_id("dlv_7k3m9qxd4hwe2a5t", "asked", EndpointId("ep_7zzzzzzzzzzzzzzz"))
    assert wire_id(other) == wire_id(MESSAGE), "two addresses hear of one event"


tails = st.text("abc012._-", min_size=3, max_size=80)


@given(tails, tails)
def test_wire_ids_are_clean_and_never_shared(one: str, other: str) -> None:
    first, second = wire_id(f"msg_7{one}"), wire_id(f"msg_7{other}")
    assert len(first) <= 64
    assert first.replace("-", "").replace("_", "").isalnum()
    assert (first == second) == (one == other)


def test_the_envelope() -> None:
    body = encode(MESSAGE, "delivery.asked", NOW, "/trunkline", News({"a": "Zoë"}, "dlv_7k3m", 3))
    assert json.loads(body) == {
        "specversion": "1.0",
        "id": wire_id(MESSAGE),
        "type": "delivery.asked",
        "time": "2030-05-06T09:00:00.000Z",
        "source": "/trunkline",
        "subject": "dlv_7k3m",
        "sequence": "0000000000000000003",
        "data": {"a": "Zoë"},
    }
    assert encode(MESSAGE, "delivery.asked", NOW, "/t", News({})).endswith(b'"source":"/t","data":{}}')


@pytest.mark.parametrize("data", [{"a": float("nan")}, {"a": object()}, {"a": b"x"}])
def test_what_is_not_json_is_refused(data: dict[str, object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        encode(MESSAGE, "delivery.asked", NOW, "/t", News(data))


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": None},
        {"person": PersonId("per_7abcd")},
        {"id": message_id("dlv_7k3m", "asked", EndpointId("ep_7other"))},
        {"order_key": "Main Street"},
        {"reference": {f"a{n}": "x" for n in range(17)}},
        {"id": "dlv_7k3m9qxd4hwe2a5t"},
        {"type": "delivery"},
        {"type": "Delivery.Asked"},
        {"type": "delivery.asked\n"},
        {"reference": {"mail": "zoe@example.com"}},
        {"reference": {"name": "Zoë Example"}},
        {"reference": {"place": "Main Street"}},
        {"reference": {"empty": ""}},
        {"reference": {"url": "https://example.com"}},
        {"reference": {"long": "a" * 129}},
    ],
)
def test_what_is_no_message(changed: dict[str, object]) -> None:
    fields = {name: getattr(OUT, name) for name in OUT.__slots__} | changed
    with pytest.raises(MessageRefused):
        Outgoing(**fields).checked()


def test_a_row_is_bounded_and_printable() -> None:
    result = Result(Outcome.FAILED, "status", 500, answer=b"\x00oh\xff\n" + b"x" * 9_000)
    row = read_row(result.row(3, 1_904_288_400_000, 512))
    assert (row.n, row.at, row.outcome, row.status) == (3, NOW, "failed", 500)
    assert row.answer.startswith(" oh\ufffd x")
    assert len(row.answer) <= 512
    assert len(Result(Outcome.ACCEPTED, status=204, ms=3).row(1, 1_904_288_400_000, 512)) < 80


@pytest.mark.parametrize("status", [None, 204])
@pytest.mark.parametrize("times", list(product([None, 0, 7], repeat=3)))
def test_the_row_of_a_success_says_what_was_measured(
    status: int | None, times: tuple[int | None, int | None, int | None]
) -> None:
    """It is written out by hand, so every form of it is read back."""
    made = Result(Outcome.ACCEPTED, status=status, ms=3, times=times)
    row = read_row(made.row(2, 1_904_288_400_000, 512))
    assert (row.n, row.at, row.outcome, row.status, row.ms) == (2, NOW, "accepted", status, 3)
    assert (row.dns_ms, row.connect_ms, row.first_byte_ms) == times


def test_what_is_kept_reads_back() -> None:
    kept = Kept.read(kept_text(OUT.checked(), NOW), started=2)
    assert kept == Kept(
        ENDPOINT,
        None,
        "delivery.asked",
        {"delivery": "dlv_7k3m"},
        NOW,
        1_904_288_400_000,
        OUT.expires_at,
        False,
        2,
    )
    assert kept.queued_at == NOW


def test_a_message_lies_with_its_address() -> None:
    assert place_of(MESSAGE) == Place(7, ENDPOINT) == queue_of(ENDPOINT)
    assert place_of(message_id("dlv_7k3m", "asked.1-0", PersonId("per_5aaaaaaaaaaaaaaa"))) == Place(5, "mail")
    assert place_of(ping_id(ENDPOINT, NOW)) == Place(7, f"ping:{ENDPOINT}") == queue_of(ENDPOINT, pings=True)
    for odd in (
        "",
        "msg_7",
        "msg_7k3m.asked",
        "msg_7k3m.asked.dlv.7abcd",
        "msg_7k3m.asked.ep.!",
        "msg_7k3m.ep_7abc",
    ):
        with pytest.raises(MessageRefused):
            place_of(odd)


def test_filters() -> None:
    def wants(*types: str) -> bool:
        return Endpoint(ENDPOINT, "car_7abcd", "https://x.example", types, EndpointState.ENABLED, NOW).wants(
            "a.b"
        )

    assert wants()
    assert wants("a.b")
    assert wants("x.y", "a.*")
    assert not wants("a.c")
    assert not wants("a")
    assert not wants("ab.*")


def test_a_sealed_secret_opens_in_its_place_only() -> None:
    seal = Seal(b"k" * 32)
    sealed = seal.seal(b"whsec_secret", "ep_7abcd")
    assert "secret" not in sealed
    assert seal.open(sealed, "ep_7abcd") == b"whsec_secret"
    assert seal.seal(b"whsec_secret", "ep_7abcd") != sealed
    for broken, about in (
        (sealed, "ep_7other"),
        (sealed[:-4] + "AAAA", "ep_7abcd"),
        (sealed[:20], "ep_7abcd"),
        ("00000000.AAAA", "ep_7abcd"),
        ("", "ep_7abcd"),
        (sealed.split(".")[0] + ".é!", "ep_7abcd"),
    ):
        with pytest.raises(NotSealedByUs):
            seal.open(broken, about)
    assert "kkkk" not in repr(seal)


def test_a_changed_sealing_key_still_opens() -> None:
    sealed = Seal(b"k" * 32).seal(b"x", "ep_7abcd")
    assert Seal(b"n" * 32, former=[b"k" * 32]).open(sealed, "ep_7abcd") == b"x"
    with pytest.raises(NotSealedByUs):
        Seal(b"n" * 32).open(sealed, "ep_7abcd")
    with pytest.raises(ValueError, match="32 bytes"):
        Seal(b"short")


def test_secrets_are_exchanged_with_an_overlap() -> None:
    day = timedelta(hours=24)
    first, second, third = (KeptSecret(sealed=name) for name in "abc")
    after = exchanged([first], second, now=NOW, overlap=day, most=5)
    assert after == (second, KeptSecret(sealed="a", until=NOW + day))
    later = exchanged(after, third, now=NOW + day / 2, overlap=day, most=5)
    assert [each.until for each in later] == [None, NOW + day * 1.5, NOW + day]
    assert exchanged(later, first, now=NOW + day, overlap=timedelta(), most=5) == (first,)
    with pytest.raises(TooManySecrets):
        exchanged(later, first, now=NOW, overlap=day, most=3)


def test_a_keyring_opens_what_is_good_now() -> None:
    keyring = Keyring(Seal(b"k" * 32))
    old, kept_old = keyring.draw("ep_7abcd")
    new, kept_new = keyring.draw("ep_7abcd")
    both = exchanged([kept_old], kept_new, now=NOW, overlap=timedelta(hours=1), most=5)
    assert keyring.good(both, "ep_7abcd", NOW) == [new, old]
    assert keyring.good(both, "ep_7abcd", NOW + timedelta(hours=1)) == [new]
