"""`trunkline webhooks addresses | attempts | recover | source`: an operator's commands as processes over a real store."""

import asyncio
import json
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
from tests import warm
from tests.service.test_webhooks_engine import DELIVERY, Sink, compose, sink
from trunkline.sealing import keyring_of
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

    async def run(self, *words: str) -> tuple[int, list[Any], str]:
        """Exit code, what stood on stdout (a document a line), and what was said on stderr."""
        (done,) = await self.run_each(words)
        return done

    async def run_each(
        self, *lines: tuple[str, ...], group: str = "webhooks"
    ) -> list[tuple[int, list[Any], str]]:
        """Several command lines one after the other, beside whatever this process answers meanwhile."""
        where = {"TRUNKLINE_DATA_DIR": str(self.folder), "TRUNKLINE_STORE_URL": self.url}
        ended = [
            await asyncio.to_thread(warm.run, group, *line, "--json", environment=where) for line in lines
        ]
        return [
            (done.returncode, [json.loads(line) for line in done.stdout.splitlines()], done.stderr)
            for done in ended
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


async def test_a_persons_address_hears_of_the_vehicles_it_was_made_for(installed: Installed) -> None:
    car, person = "veh_3k7m9qxd4hwe2a5t", "per_3k7m9qxd4hwe2a5t"
    news = ("news", person, "https://house.example/h", "--vehicle")
    (code, [made], errors), (refused, _, why) = await installed.run_each(
        (*news, car), (*news, "no vehicle"), group="owner"
    )
    assert code == 0, errors
    assert (await installed.endpoints.one(made["endpoint"], person)).vehicles == (car,)
    assert (refused, json.loads(why)["code"]) == (1, "endpoint.filters_refused")
