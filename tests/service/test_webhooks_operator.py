"""`trunkline webhooks addresses | attempts | recover | source`: an operator's commands as processes over a real store."""

import json
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from spine.clock import SystemClock
from spine.house import House
from spine.index import Index
from spine.log import Log
from spine.store import Store
from spine.valkey import Valkey
from tests.service.test_webhooks_by_hand import PROGRAM
from tests.service.test_webhooks_engine import DELIVERY, Sink, compose, sink
from trunkline.compose import keyring_of
from trunkline.processes import plain_environment
from trunkline.settings import Settings
from webhooks.endpoints import Endpoints
from webhooks.engine import Engine
from webhooks.guard import Guard
from webhooks.limits import WebhooksLimits
from webhooks.lists import places
from webhooks.mail import FileOutbox, Link, Mail
from webhooks.messages import Outgoing, message_id
from webhooks.sender import HttpSender
from webhooks.signature import PrivateKey, Secret

__all__ = ["sink"]

CARRIER, OTHER = "car_3aaaaaaaaaaaaaaa", "car_5bbbbbbbbbbbbbbb"
LIMITS = WebhooksLimits()


EACH = """
import contextlib, io, json, sys
from trunkline.cli import main
for words in json.loads(sys.argv[1]):
    sys.argv, said, errors, code = words, io.StringIO(), io.StringIO(), 0
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(errors):
        try:
            main()
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, said.getvalue(), errors.getvalue()]))
"""


async def no_link(_link: Link) -> str:
    raise AssertionError


@dataclass
class Installed:
    """The operator's command line, and what `work` would do."""

    folder: Path
    url: str
    endpoints: Endpoints
    engine: Engine
    clock: SystemClock

    async def run(self, *words: str) -> tuple[int | None, list[Any], str]:
        """Exit code, what stood on stdout (a document a line), and what was said on stderr."""
        import asyncio

        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", PROGRAM, "webhooks", *words, "--json",
            env=plain_environment({"TRUNKLINE_DATA_DIR": str(self.folder), "TRUNKLINE_STORE_URL": self.url}),
            stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, errors = await child.communicate()
        return child.returncode, [json.loads(line) for line in said.splitlines()], errors.decode()

    async def run_each(self, *lines: tuple[str, ...]) -> list[tuple[int, list[Any], str]]:
        """Several command lines one after the other in one process, which takes a second to start."""
        import asyncio

        words = [["trunkline", "webhooks", *line, "--json"] for line in lines]
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", EACH, json.dumps(words),
            env=plain_environment({"TRUNKLINE_DATA_DIR": str(self.folder), "TRUNKLINE_STORE_URL": self.url}),
            stdout=asyncio.subprocess.PIPE,
        )  # fmt: skip
        said, _ = await child.communicate()
        return [
            (code, [json.loads(line) for line in out.splitlines()], errors)
            for code, out, errors in map(json.loads, said.splitlines())
        ]


@pytest.fixture
async def installed(
    tmp_path: Path, valkey_url: str, valkey: Valkey, store: Store
) -> AsyncIterator[Installed]:
    settings, clock, guard = Settings(data_dir=tmp_path), SystemClock(), Guard(dev=True)
    endpoints = Endpoints(store, clock, LIMITS, guard, keyring_of(settings))
    async with HttpSender(LIMITS, guard) as sender:
        mail = Mail(FileOutbox(None), no_link, sender="Trunkline <no-reply@example.org>")
        engine = Engine(store, clock, LIMITS, {"delivery": compose}, sender, mail, endpoints)
        yield Installed(tmp_path, valkey_url, endpoints, engine, clock)
        await engine.close()


async def test_what_died_is_seen_and_sent_again(
    installed: Installed, sink: Sink, valkey: Valkey, house: House
) -> None:
    one, _ = await installed.endpoints.add(
        CARRIER, f"{sink.url}/a-path-that-only-it-knows", signatures=["v1a"]
    )
    other, _ = await installed.endpoints.add(OTHER, sink.url)
    await installed.engine.sweep()  # the pings
    for partition in range(house.partitions):
        for entry in await Log(valkey, house).read(partition):
            await Index(valkey, house).place(places(entry))
    now = installed.clock.now()
    news = Outgoing(
        id=message_id(DELIVERY, "opened", one.id), type="delivery.opened", at=now,
        expires_at=now + timedelta(hours=1), reference={"delivery": DELIVERY}, endpoint=one.id,
    )  # fmt: skip
    sink.says(500, headers={"webhook-delivery": "abort-message"})
    await installed.engine.queue(news)
    await installed.engine.sweep()

    code, found, errors = await installed.run("addresses")
    assert (code, {each["endpoint"] for each in found}) == (0, {one.id, other.id}), errors
    code, [row], _ = await installed.run("addresses", "--subscriber", CARRIER)
    assert (row["endpoint"], row["state"], row["dead"], row["signatures"]) == (one.id, "enabled", 1, ["v1a"])
    assert "only-it-knows" not in json.dumps(row)

    code, rows, _ = await installed.run("attempts", one.id, "--limit", "5")
    assert [(row["message"], row["outcome"]) for row in rows[:2]] == [
        (news.id, "dropped"),
        (news.id, "failed"),
    ]
    assert (code, rows[1]["status"]) == (0, 500)

    sink.says(204)
    before = len(sink.got)
    code, [said], _ = await installed.run("recover", one.id, "--since", str(int(now.timestamp()) - 60))
    assert (code, said) == (0, {"endpoint": one.id, "queued_again": 1})
    await installed.engine.sweep()
    assert len(sink.got) == before + 1
    assert sink.ids[-1] == sink.ids[before - 1], "the same id"
    code, [said], _ = await installed.run("recover", one.id, "--since", now.isoformat())
    assert said["queued_again"] == 0


async def test_what_an_operator_asks_in_vain(installed: Installed) -> None:
    asked = (
        (("attempts", "ep_3zzzzzzzzzzzzzzz"), 1, "endpoint.unknown"),
        (("attempts", "nonsense"), 1, "endpoint.unknown"),
        (("recover", "ep_3zzzzzzzzzzzzzzz", "--since", "0"), 1, "endpoint.unknown"),
        (("recover", "ep_3zzzzzzzzzzzzzzz", "--since", "tomorrow"), 64, "usage"),
        (("recover", "ep_3zzzzzzzzzzzzzzz", "--since", "10", "--until", "5"), 64, "usage"),
        (("source", "rotate", "src_0zzzzzzzzzzzzzzz"), 1, "source.unknown"),
        (("source", "rotate", "x", "--overlap-hours", "1e300"), 1, "secret.overlap_refused"),
        (("source", "remove", CARRIER), 1, "source.unknown"),
        (("source", "add", "Center", "--public-key", "whpk_" + "A" * 43 + "="), 64, "usage"),
    )
    answers = await installed.run_each(
        *(words for words, _, _ in asked), ("addresses", "--subscriber", "nobody")
    )
    for (words, code, name), (found, said, errors) in zip(asked, answers, strict=False):
        assert (found, said) == (code, []), (words, errors)
        assert json.loads(errors)["code"] == name
    assert answers[-1] == (0, [], "")


async def test_a_contact_center_is_made_and_ended(installed: Installed) -> None:
    key = PrivateKey.new().public.reveal()
    (_, [made], errors), (_, [keyed], _) = await installed.run_each(
        ("source", "add", "Center North"), ("source", "add", "Center South", "--public-key", key)
    )
    assert Secret.read(made["secret"]), errors
    assert (keyed["public_key"], keyed["signs"]) == (key, "v1a")
    assert "secret" not in keyed
    (_, [newer], _), (_, listed, _) = await installed.run_each(
        ("source", "rotate", made["source"], "--overlap-hours", "0"), ("source", "list")
    )
    assert newer["secret"] != made["secret"]
    assert [each["source"] for each in listed] == [made["source"], keyed["source"]]
    assert not any("secret" in each for each in listed)
    at = "https://center.example/trunkline"
    (_, [told], _), (_, [row], _), (code, _, unknown) = await installed.run_each(
        ("source", "address", made["source"], at),
        ("addresses", "--subscriber", made["source"]),
        ("source", "address", "src_0zzzzzzzzzzzzzzz", at),
    )
    assert Secret.read(told["secret"])
    assert (row["endpoint"], row["types"]) == (told["endpoint"], ["appointment.trigger.*"])
    assert (code, json.loads(unknown)["code"]) == (1, "source.unknown")
    *removed, left = await installed.run_each(
        *(("source", "remove", source) for source in (made["source"], keyed["source"])), ("source", "list")
    )
    assert [code for code, _, _ in removed] == [0, 0]
    assert left == (0, [], "")
    (gone,) = await installed.run_each(("addresses", "--subscriber", made["source"]))
    assert gone == (0, [], "")
