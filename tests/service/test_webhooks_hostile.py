"""Malformed decisions by real HTTP to the real `api` process: none is accepted, none is a 500, all are told alike.

Each request is a good one with one thing wrong, written to the socket byte by byte: no client library tidies it up.
"""

import asyncio
import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from spine.clock import SystemClock
from spine.ids import PersonId
from tests import warm
from trunkline.desk import desk
from trunkline.sealing import keyring_of
from trunkline.settings import Settings
from trunkline.stage import Stage
from webhooks.signature import PrivateKey, Secret, sign
from webhooks.sources import SourceId, Sources

pytestmark = pytest.mark.valkey

ZOE = PersonId("per_2aaaaaaaaaaaaaaa")
BODY = json.dumps({"question": "qst_2k7m9qxd4hwe2a5t.1", "shown": "0" * 64, "decision": "approve"}).encode()


@dataclass(frozen=True)
class Made:
    """What the installation knows: a linked system, one with a key of its own, a contact center, one unlinked."""

    port: int
    source: SourceId
    secret: Secret
    keyed: SourceId
    pair: PrivateKey
    center: SourceId
    center_secret: Secret
    unlinked: SourceId
    unlinked_secret: Secret


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Made]:
    """The store and `api` alone, as processes: nothing else is needed to refuse."""
    stage = Stage(tmp_path_factory.mktemp("hostile"), nursery=warm.nursery())
    try:
        stage._write_settings()
        stage.start_store()
        stage.command("init")
        stage.start_service("api")
        yield asyncio.run(_linked(stage))
    finally:
        stage.stop()


async def _linked(stage: Stage) -> Made:
    settings = Settings(data_dir=stage.directory, store_url=f"redis://127.0.0.1:{stage.ports.store}/0")
    async with desk(settings) as opened:
        sources = Sources(opened.store, opened.clock, settings.webhooks, keyring_of(settings))
        pair = PrivateKey.new()
        linked, secret = await sources.link(ZOE, "House app")
        keyed, _ = await sources.link(ZOE, "Bridge", key=pair.public)
        center, center_secret = await sources.open_center("Center")
        unlinked, unlinked_secret = await sources.link(ZOE, "Former app")
        await sources.unlink(unlinked.id, ZOE)
    assert isinstance(secret, Secret)
    assert isinstance(center_secret, Secret)
    assert isinstance(unlinked_secret, Secret)
    return Made(
        stage.ports.api, linked.id, secret, keyed.id, pair, center.id, center_secret, unlinked.id, unlinked_secret
    )  # fmt: skip


@dataclass
class Draft:
    """A good request, to be spoiled. ``signed`` is made last, unless it was set."""

    made: Made
    id: bytes = b"msg_1"
    at: bytes = field(default_factory=lambda: str(int(SystemClock().now().timestamp())).encode())
    body: bytes = BODY
    signature: bytes | None = None
    source: str = ""
    lines: list[bytes] = field(default_factory=list)
    left_out: set[str] = field(default_factory=set)
    names: dict[str, bytes] = field(default_factory=dict)

    @property
    def right(self) -> bytes:
        """The right signature of what stands there now."""
        return sign_bytes(self.made.secret, self.id, self.at, self.body)

    @property
    def mac(self) -> bytes:
        return self.right.removeprefix(b"v1,")

    def wire(self) -> bytes:
        values = {
            "id": self.id,
            "timestamp": self.at,
            "signature": self.signature if self.signature is not None else self.right,
        }
        lines = [
            self.names.get(name, f"webhook-{name}".encode()) + b": " + value
            for name, value in values.items()
            if name not in self.left_out
        ]
        head = f"POST /v1/decisions/{self.source or self.made.source} HTTP/1.1\r\nhost: x\r\n".encode()
        lines = [
            *lines,
            *self.lines,
            b"content-length: " + str(len(self.body)).encode(),
            b"connection: close",
        ]
        return head + b"\r\n".join(lines) + b"\r\n\r\n" + self.body


def sign_bytes(secret: Secret, message: bytes, at: bytes, body: bytes) -> bytes:
    return b"v1," + base64.b64encode(secret.mac(b".".join((message, at, body))))


Spoil = Callable[[Draft], Any]


def _set(**values: Any) -> Spoil:
    def spoil(draft: Draft) -> None:
        for name, value in values.items():
            setattr(draft, name, value(draft) if callable(value) else value)

    return spoil


def _leave(*names: str) -> Spoil:
    return lambda draft: draft.left_out.update(names)


def _twice(name: str, value: Callable[[Draft], bytes]) -> Spoil:
    return lambda draft: draft.lines.append(name.encode() + b": " + value(draft))


def _moved(by: int) -> Spoil:
    return lambda draft: setattr(draft, "at", str(int(draft.at) + by).encode())


def _as_timestamp(write: Callable[[int], bytes]) -> Spoil:
    """Rightly signed over what is written: only the form is wrong."""
    return lambda draft: setattr(draft, "at", write(int(draft.at)))


def _signature(write: Callable[[Draft], bytes]) -> Spoil:
    return lambda draft: setattr(draft, "signature", write(draft))


def _rename(part: str, name: bytes) -> Spoil:
    return lambda draft: draft.names.update({part: name})


ALIKE: dict[str, Spoil] = {
    "no id": _leave("id"),
    "no timestamp": _leave("timestamp"),
    "no signature": _leave("signature"),
    "no headers at all": _leave("id", "timestamp", "signature"),
    "two equal ids": _twice("webhook-id", lambda d: d.id),
    "two ids, the other first in line by case": _twice("WEBHOOK-ID", lambda d: b"other"),
    "two timestamps": _twice("webhook-timestamp", lambda d: d.at),
    "two signatures, one of them right": _twice("webhook-signature", lambda d: d.right),
    "another maker's names": lambda d: d.names.update(
        id=b"svix-id", timestamp=b"svix-timestamp", signature=b"svix-signature"
    ),
    "an underscore in the name": _rename("id", b"webhook_id"),
    "a bearer token instead": lambda d: (
        d.left_out.add("signature"), d.lines.append(b"authorization: Bearer x"),
    ),
    "id empty": _set(id=b""),
    "id with a dot": _set(id=b"msg_1.2"),
    "id that moves the boundary": lambda d: (
        setattr(d, "signature", d.right), setattr(d, "id", d.id + b"." + d.at),
    ),
    "id of 65": _set(id=b"m" * 65),
    "id of 4,000": _set(id=b"m" * 4_000),
    "id with a blank inside": _set(id=b"msg 1"),
    "id with a slash": _set(id=b"../1"),
    "id in UTF-8": _set(id="msg_é".encode()),
    "id in Latin-1": _set(id=b"msg_\xe9"),
    "id with a colon": _set(id=b"msg:1"),
    "id as a list": _set(id=b"msg_1, msg_2"),
    "timestamp empty": _set(at=b""),
    "timestamp of nine digits": _as_timestamp(lambda at: str(at)[:9].encode()),
    "timestamp with a leading zero": _as_timestamp(lambda at: b"0%d" % at),
    "timestamp in milliseconds": _as_timestamp(lambda at: b"%d000" % at),
    "timestamp a fraction": _as_timestamp(lambda at: b"%d.0" % at),
    "timestamp a float": _as_timestamp(lambda at: f"{at:.9e}".encode()),
    "timestamp signed": _as_timestamp(lambda at: b"+%d" % at),
    "timestamp negative": _as_timestamp(lambda at: b"-%d" % at),
    "timestamp with underscores": _as_timestamp(lambda at: f"{at:_}".encode()),
    "timestamp hexadecimal": _as_timestamp(lambda at: hex(at).encode()),
    "timestamp with a tail": _as_timestamp(lambda at: b"%d abc" % at),
    "timestamp in full-width digits": _as_timestamp(
        lambda at: "".join(chr(0xFF10 + int(digit)) for digit in str(at)).encode()
    ),
    "timestamp in ISO 8601": _set(at=b"2026-01-01T00:00:00Z"),
    "timestamp of letters": _set(at=b"nannannann"),
    "timestamp too old": _moved(-310),
    "timestamp too new": _moved(400),  # all of them are drafted before the first is judged
    "timestamp of the last century": _set(at=b"0000000001"),
    "timestamp far in the future": _set(at=b"9999999999"),
    "timestamp moved after signing": lambda d: (setattr(d, "signature", d.right), _moved(1)(d)),
    "id exchanged after signing": lambda d: (setattr(d, "signature", d.right), setattr(d, "id", b"msg_2")),
    "body altered after signing": lambda d: (
        setattr(d, "signature", d.right), setattr(d, "body", d.body.replace(b"approve", b"decline")),
    ),
    "a blank after the body": lambda d: (
        setattr(d, "signature", d.right), setattr(d, "body", d.body + b" "),
    ),
    "body left out": lambda d: (setattr(d, "signature", d.right), setattr(d, "body", b"")),
    "signature empty": _signature(lambda d: b""),
    "signature without version": _signature(lambda d: d.mac),
    "version v1a over an HMAC": _signature(lambda d: b"v1a," + d.mac),
    "version v0": _signature(lambda d: b"v0," + d.mac),
    "version in upper case": _signature(lambda d: b"V1," + d.mac),
    "version with a blank": _signature(lambda d: b"v1, " + d.mac),
    "an equals sign for the comma": _signature(lambda d: b"v1=" + d.mac),
    "two commas": _signature(lambda d: b"v1,," + d.mac),
    "a comma at the end": _signature(lambda d: d.right + b",x"),
    "members joined by commas": _signature(lambda d: d.right + b"," + d.right),
    "members joined by tabs": _signature(lambda d: b"v1,x\t" + d.right),
    "unpadded": _signature(lambda d: d.right.rstrip(b"=")),
    "padded twice": _signature(lambda d: d.right + b"="),
    "rubbish inside": _signature(lambda d: b"v1,!" + d.mac),
    "hexadecimal": _signature(lambda d: b"v1," + base64.b64decode(d.mac).hex().encode()),
    "trailing bits": _signature(lambda d: d.right[:-2] + bytes([d.right[-2] + 1]) + b"="),
    "half of the MAC": _signature(lambda d: b"v1," + base64.b64encode(base64.b64decode(d.mac)[:16])),
    "MAC and a byte": _signature(lambda d: b"v1," + base64.b64encode(base64.b64decode(d.mac) + b"\0")),
    "one bit of the MAC": _signature(
        lambda d: b"v1," + base64.b64encode(bytes([base64.b64decode(d.mac)[0] ^ 1]) + base64.b64decode(d.mac)[1:])
    ),
    "a MAC of zeros": _signature(lambda d: b"v1," + base64.b64encode(bytes(32))),
    "SHA-1": _signature(lambda d: b"v1," + base64.b64encode(hashlib.sha1(d.body).digest())),
    "the hash alone": _signature(lambda d: b"v1," + base64.b64encode(hashlib.sha256(d.body).digest())),
    "the body alone signed": _signature(lambda d: b"v1," + base64.b64encode(d.made.secret.mac(d.body))),
    "without the timestamp signed": _signature(
        lambda d: b"v1," + base64.b64encode(d.made.secret.mac(d.id + b"." + d.body))
    ),
    "a list over 4 KiB with the right one": _signature(lambda d: b"v1,x " * 820 + d.right),
    "signature not ASCII beside the right one": _signature(lambda d: b"v1,\xff " + d.right),
    "signed by nobody we know": _signature(lambda d: sign_bytes(Secret.new(), d.id, d.at, d.body)),
    "signed by another system": _set(source=lambda d: d.made.keyed),
    "v1a by another's key": _signature(
        lambda d: sign([PrivateKey.new()], d.id.decode(), int(d.at), d.body).encode()
    ),
    "the public key as a secret": lambda d: (
        setattr(d, "source", d.made.keyed),
        setattr(
            d, "signature",
            sign_bytes(Secret(base64.b64decode(d.made.pair.public.reveal()[5:])), d.id, d.at, d.body),
        ),
    ),
    "an HMAC where a key is asked, called v1a": lambda d: (
        setattr(d, "source", d.made.keyed), setattr(d, "signature", b"v1a," + base64.b64encode(bytes(64))),
    ),
    "a contact center that would decide": lambda d: (
        setattr(d, "source", d.made.center),
        setattr(d, "signature", sign_bytes(d.made.center_secret, d.id, d.at, d.body)),
    ),
    "an unlinked system": lambda d: (
        setattr(d, "source", d.made.unlinked),
        setattr(d, "signature", sign_bytes(d.made.unlinked_secret, d.id, d.at, d.body)),
    ),
    "a source that never was": _set(source="src_2zzzzzzzzzzzzzzz"),
    "a source of no partition": _set(source="src_zzzzzzzzzzzzzzzz"),
    "the person as the source": _set(source=ZOE),
    "the list of sources as the source": _set(source="srs_2aaaaaaaaaaaaaaa"),
    "a source in capitals": _set(source=lambda d: d.made.source.upper()),
    "a source and a newline": _set(source=lambda d: d.made.source + "%0A"),
    "a source and a NUL": _set(source=lambda d: d.made.source + "%00"),
    "a source that is a path": _set(source="..%5c..%5cetc"),
    "a source of a thousand letters": _set(source="src_2" + "a" * 1_000),
    "a source that is not UTF-8": _set(source="%ff%fe"),
    "a body of JSON bombs": lambda d: (
        setattr(d, "signature", b"v1," + base64.b64encode(bytes(32))), setattr(d, "body", b"[" * 60_000),
    ),
}  # fmt: skip
"""One thing wrong, and the one answer."""


@dataclass(frozen=True)
class Heard:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        return str(json.loads(self.body)["code"])


async def ask(made: Made, raw: bytes) -> Heard:
    """One request, byte by byte, and all that comes back until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", made.port)
    # Who is sent far too much answers, and closes before all of it has come: the answer is read beside the writing,
    # since what has come is not given any more once a write has failed.
    coming = asyncio.create_task(_all_that_comes(reader))
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        writer.write(raw)
        await writer.drain()
    answer = await asyncio.wait_for(coming, 60)
    writer.close()
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return Heard(int(first.split(" ")[1]), headers, body)


async def _all_that_comes(reader: asyncio.StreamReader) -> bytes:
    """Until the other side closes, in whatever way."""
    answer = b""
    with contextlib.suppress(ConnectionResetError, BrokenPipeError):
        while piece := await reader.read(65_536):
            answer += piece
    return answer


def drafted(made: Made, *spoils: Spoil) -> bytes:
    draft = Draft(made)
    for spoil in spoils:
        spoil(draft)
    return draft.wire()


async def test_a_good_request_passes_the_door(made: Made) -> None:
    """Else everything below would prove nothing. It is refused behind the door: nobody asked such a question."""
    passed = await ask(made, drafted(made, _set(id=b"msg_good")))
    assert passed.status == 409, passed.body
    by_key = _set(
        id=b"msg_key",
        source=lambda d: d.made.keyed,
        signature=lambda d: sign([d.made.pair], "msg_key", int(d.at), d.body).encode(),
    )
    assert (await ask(made, drafted(made, by_key))).status == 409
    older = _set(id=b"msg_both", signature=lambda d: b"v1,AAAA v1a,x  " + d.right)
    assert (await ask(made, drafted(made, older))).status == 409


async def test_every_malformed_request_is_told_alike(made: Made) -> None:
    heard = {name: await ask(made, drafted(made, spoil)) for name, spoil in ALIKE.items()}
    first = heard["no id"]
    assert (first.status, first.code) == (401, "decision.not_verified")
    for name, each in heard.items():
        assert (each.status, each.body) == (401, first.body), name
        assert {k: v for k, v in each.headers.items() if k != "date"} == {
            k: v for k, v in first.headers.items() if k != "date"
        }, name
    assert len(ALIKE) >= 80


async def test_the_same_all_at_once(made: Made) -> None:
    """Beside each other and beside good ones: nothing of one request leaks into another."""
    spoiled = [drafted(made, spoil) for spoil in ALIKE.values()]
    good = [drafted(made, _set(id=f"msg_many_{n}".encode())) for n in range(20)]
    heard = await asyncio.gather(*(ask(made, raw) for raw in (*spoiled, *good)))
    assert {each.status for each in heard[: len(spoiled)]} == {401}
    assert {each.status for each in heard[len(spoiled) :]} == {409}


async def test_what_the_design_answers_otherwise(made: Made) -> None:
    at_most = await ask(made, drafted(made, _set(id=b"msg_most", body=b"x" * 65_536)))
    assert at_most.status == 422, "verified, and then it is no decision"
    large = await ask(made, drafted(made, _set(body=b"x" * 65_537)))
    assert (large.status, large.code) == (413, "decision.too_large")
    larger = await ask(made, drafted(made, _set(body=b"x" * 3_000_000, signature=b"v1,x")))
    assert (larger.status, larger.code) == (413, "request.too_large")
    one, other = _set(id=b"msg_one"), _set(id=b"msg_one", body=BODY.replace(b"approve", b"decline"))
    assert (await ask(made, drafted(made, one))).status == 409
    twice = await ask(made, drafted(made, other))
    assert (twice.status, twice.code) == (409, "idempotency.other_body")
    assert (await ask(made, drafted(made, one))).code != "idempotency.other_body", "the first one stands"
    forged = _set(id=b"msg_one", body=b"{}", signature=b"v1," + base64.b64encode(bytes(32)))
    assert (await ask(made, drafted(made, forged))).status == 401, "a forger learns of no id"


RAW: dict[str, Callable[[bytes], bytes]] = {
    "a NUL in a header": lambda raw: raw.replace(b"webhook-id: msg_1", b"webhook-id: msg_\x00"),
    "a folded header": lambda raw: raw.replace(b"webhook-id: ", b"webhook-id:\r\n "),
    "a blank before the colon": lambda raw: raw.replace(b"webhook-id:", b"webhook-id :"),
    "two lengths": lambda raw: raw.replace(b"host: x", b"host: x\r\ncontent-length: 1"),
    "a length and chunks": lambda raw: raw.replace(b"host: x", b"host: x\r\ntransfer-encoding: chunked"),
    "a source with a slash": lambda raw: raw.replace(b"/decisions/src_", b"/decisions/..%2fsrc_"),
    "GET": lambda raw: raw.replace(b"POST", b"GET"),
    "PUT": lambda raw: raw.replace(b"POST", b"PUT"),
    "no source": lambda raw: raw.replace(b"/v1/decisions/src_", b"/v1/decisions//src_"),
}


@pytest.mark.parametrize("name", RAW)
async def test_what_is_hardly_http(made: Made, name: str) -> None:
    heard = await ask(made, RAW[name](drafted(made, _set(id=b"msg_1"))))
    assert 400 <= heard.status < 500, heard
    assert heard.status not in {409, 422}, "it did not pass the door"


async def test_a_connection_cut_in_the_body_decides_nothing(made: Made) -> None:
    raw = drafted(made, _set(id=b"msg_cut"))
    _, writer = await asyncio.open_connection("127.0.0.1", made.port)
    writer.write(raw[:-10])
    await writer.drain()
    writer.close()
    await writer.wait_closed()
    again = await ask(made, drafted(made, _set(id=b"msg_cut", body=BODY + b" ")))
    assert again.code != "idempotency.other_body", "the id was not taken"
