"""The door to the store: what happens to whoever waits when the server dies, hangs or is not fit."""

import asyncio
import socket
from typing import Any

import pytest
from redis.exceptions import RedisError

from spine import valkey as door
from spine.house import House, StoreUnfit, init_house, open_house
from spine.store import Change, Store, StoreDown, Write
from spine.valkey import CommandRejected, Valkey
from tests.service.conftest import until
from tests.service.valkeys import Server


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory):
    server = Server(tmp_path_factory.mktemp("d"))
    server.start()
    yield server
    server.kill()


async def test_whoever_waits_hears_that_the_store_is_down_and_it_heals(server: Server) -> None:
    valkey = Valkey.at(server.url)
    await init_house(valkey)
    store = Store(valkey, await open_house(valkey))
    subject = "dlv_7aaaaaaaaaaaaaaa"

    async def change(n: int) -> bool:
        try:
            await store.change(
                [subject], lambda s: Change({subject: Write("x", str(s[subject].version + 1))})
            )
        except StoreDown:
            return False
        return True

    changes = [asyncio.create_task(change(n)) for n in range(300)]
    await until(lambda: sum(task.done() for task in changes) > 50)
    server.kill()
    done = sum(await asyncio.gather(*changes))
    assert 50 < done < 300
    with pytest.raises(StoreDown):
        await store.load(subject)
    server.start()
    saved = await store.load(subject)  # no new client, no waiting
    assert done <= saved.version <= done + 1
    assert saved.body == str(saved.version)
    await valkey.close()


async def test_a_refused_command_is_a_mistake_and_hurts_nobody_else(valkey: Valkey) -> None:
    answers = await asyncio.gather(
        valkey.ask("SET", "a", "1"),
        valkey.ask("HGET", "a", "x"),
        valkey.ask("GET", "a"),
        return_exceptions=True,
    )
    assert (answers[0], answers[2]) == ("OK", "1")
    assert isinstance(answers[1], CommandRejected)


async def test_someone_who_gives_up_waiting_shifts_no_answers(valkey: Valkey) -> None:
    for n in range(50):
        await valkey.ask("SET", f"k{n}", str(n))
    asked = [asyncio.create_task(valkey.ask("GET", f"k{n}")) for n in range(50)]
    await asyncio.sleep(0)
    for task in asked[::3]:
        task.cancel()
    answers = await asyncio.gather(*asked, return_exceptions=True)
    assert [a for n, a in enumerate(answers) if n % 3] == [str(n) for n in range(50) if n % 3]


@pytest.mark.parametrize("word", ["\ud800", None, [1]])
async def test_what_cannot_be_sent_is_its_asker_s_mistake_and_shifts_no_answers(
    valkey: Valkey, word: Any
) -> None:
    await valkey.ask("SET", "a", "1")
    good = asyncio.create_task(valkey.ask("GET", "a"))
    bad = asyncio.create_task(valkey.ask("SET", "b", word))
    late = asyncio.create_task(valkey.ask_all([("GET", "none"), ("GET", "a")]))
    answers = await asyncio.gather(good, bad, late, return_exceptions=True)
    assert (answers[0], answers[2]) == ("1", [None, "1"])
    assert isinstance(answers[1], ValueError | RedisError)
    with pytest.raises((ValueError, RedisError)):
        await valkey.ask_all([("GET", "a"), ("SET", "b", word)])
    assert await valkey.ask("GET", "a") == "1"


async def test_who_asked_before_the_line_began_hears_that_it_is_closed() -> None:
    valkey = Valkey.at("redis://127.0.0.1:1/0")
    asked = asyncio.ensure_future(valkey.ask("GET", "a"))
    await asyncio.sleep(0)
    await valkey.close()
    with pytest.raises(StoreDown):
        await asyncio.wait_for(asked, 60)


async def test_a_server_that_hangs_counts_as_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "_ANSWER_WITHIN", 0.2)
    quiet: list[asyncio.StreamWriter] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        quiet.append(writer)
        while line := await reader.readline():
            if line == b"CLIENT\r\n" or line == b"HELLO\r\n":
                writer.write(b"+OK\r\n")

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    valkey = Valkey.at(f"redis://127.0.0.1:{port}/0")
    with pytest.raises(StoreDown):
        await asyncio.wait_for(valkey.ask("GET", "a"), 60)
    await valkey.close()
    for writer in quiet:
        writer.close()
    server.close()


async def test_nobody_there_is_store_down() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for cluster in (False, True):
            valkey = Valkey.at(f"redis://127.0.0.1:{taken.getsockname()[1]}/0", cluster=cluster)
            with pytest.raises(StoreDown):
                await valkey.ask("GET", "a")
            await valkey.close()


def test_a_password_is_in_no_repr() -> None:
    valkey = Valkey.at("redis://someone:hunter2@localhost:1/0")
    assert "hunter2" not in repr(valkey)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("appendfsync", "everysec"),
        ("appendfsync", "no"),
        ("maxmemory-policy", "allkeys-lru"),
        ("appendonly", "no"),
    ],
)
async def test_a_store_that_may_lose_things_is_refused(server: Server, name: str, value: str) -> None:
    valkey = Valkey.at(server.url)
    await init_house(valkey, 4)
    assert await open_house(valkey) == House(4)
    with server.door() as client:
        client.config_set(name, value)
    with pytest.raises(StoreUnfit, match=name):
        await open_house(valkey)
    if value == "everysec":
        assert await open_house(valkey, allow_everysec=True) == House(4)
    await valkey.close()


async def test_the_number_of_partitions_never_changes(server: Server) -> None:
    valkey = Valkey.at(server.url)
    with pytest.raises(StoreUnfit, match="init"):
        await open_house(valkey)
    for wrong in (0, 33):
        with pytest.raises(StoreUnfit):
            await init_house(valkey, wrong)
    assert await init_house(valkey, 5) == await init_house(valkey, 5) == House(5)
    with pytest.raises(StoreUnfit, match="5 partitions"):
        await init_house(valkey, 8)
    await valkey.close()


async def test_a_full_store_says_so_and_saves_nothing(server: Server) -> None:
    valkey = Valkey.at(server.url)
    await init_house(valkey)
    store = Store(valkey, await open_house(valkey))
    with server.door() as client:
        client.config_set("maxmemory", "1mb")
    subject = "dlv_7aaaaaaaaaaaaaaa"
    with pytest.raises(StoreDown):
        await store.change([subject], lambda _: Change({subject: Write("x", "{}")}))
    with server.door() as client:
        client.config_set("maxmemory", "0")
    assert (await store.load(subject)).version == 0
    await store.change([subject], lambda _: Change({subject: Write("x", "{}")}))
    await valkey.close()


async def test_of_many_answers_one_refusal_is_told_and_shifts_nothing(valkey: Valkey) -> None:
    await valkey.ask("SET", "a", "1")
    with pytest.raises(CommandRejected):
        await valkey.ask_all([("GET", "a"), ("HGET", "a", "x"), ("SET", "a", "2")])
    assert await valkey.ask_all([("GET", "a"), ("GET", "none")]) == ["2", None], "the rest was done"
    assert await valkey.ask_all([]) == []


async def test_who_gives_up_waiting_for_many_shifts_no_answers(valkey: Valkey) -> None:
    await valkey.ask("SET", "a", "1")
    given_up = asyncio.create_task(valkey.ask_all([("GET", "none")] * 50))
    await asyncio.sleep(0)
    given_up.cancel()
    assert await valkey.ask_all([("GET", "a"), ("GET", "none")]) == ["1", None]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_many_that_wait_hear_that_the_store_is_down(server: Server) -> None:
    valkey = Valkey.at(server.url)
    await valkey.ask("SET", "a", "1")
    waiting = asyncio.create_task(valkey.ask_all([("GET", "a"), ("XREAD", "BLOCK", 0, "STREAMS", "s", "$")]))
    await until(lambda: valkey.everywhere("PING"))
    server.kill()
    with pytest.raises(StoreDown):
        await waiting
    await valkey.close()
