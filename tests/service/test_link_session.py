"""The link against a real Mosquitto: what it promises about connections, acknowledgements and reason codes."""

import asyncio
import random
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from trunkline.ports import free_port
from vehicle_gateway.link import (
    NO_SUBSCRIBERS,
    NOT_AUTHORIZED,
    Broker,
    Incoming,
    Link,
    LinkLimits,
    Lost,
    NotConnected,
    Will,
)

pytestmark = pytest.mark.broker
FAST = LinkLimits(
    retry_first=timedelta(milliseconds=20),
    retry_longest=timedelta(milliseconds=50),
    steady_after=timedelta(0),
)
PASSWORDS = {"alice": "alice-pw", "bob": "bob-pw"}
ACL = "user alice\ntopic readwrite #\n\nuser bob\ntopic readwrite bob/#\n"


@pytest.fixture(autouse=True, params=[True, False], ids=["bulk", "paho"])
def each_reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of it holds whoever reads."""
    monkeypatch.setattr(sys.modules[__name__], "FAST", FAST.model_copy(update={"bulk_read": request.param}))


@dataclass
class Mosquitto:
    """One broker process of ours on a loopback port, which can be killed and started again."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_binary(), "-c", str(self.folder / "mosquitto.conf")], stdout=log, stderr=log
            )

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(10)
            self.process = None

    def said(self, words: str) -> int:
        """How often, so far."""
        return (self.folder / "log").read_text("utf-8", "replace").count(words)

    def broker(self, username: str = "alice") -> Broker:
        return Broker("127.0.0.1", self.port, username=username, password=PASSWORDS[username])


def _binary() -> str:
    return shutil.which("mosquitto") or "/usr/sbin/mosquitto"


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[Mosquitto]:
    if not Path(_binary()).exists():
        pytest.skip("mosquitto is not installed")
    port = free_port()
    for user, password in PASSWORDS.items():
        new = ["-c"] if user == "alice" else []
        subprocess.run(
            ["mosquitto_passwd", *new, "-b", str(tmp_path / "pw"), user, password],
            check=True,
            capture_output=True,
        )
    (tmp_path / "acl").write_text(ACL)
    (tmp_path / "acl").chmod(0o600)
    (tmp_path / "mosquitto.conf").write_text(
        f"user root\npersistence true\npersistence_location {tmp_path}/\nset_tcp_nodelay true\nlog_type all\n"
        f"allow_anonymous false\npassword_file {tmp_path}/pw\nacl_file {tmp_path}/acl\n"
        f"listener {port} 127.0.0.1\n"
    )
    made = Mosquitto(tmp_path, port)
    made.start()
    yield made
    made.stop()


@dataclass
class Peer:
    """A running link and what it heard."""

    link: Link
    heard: list[Incoming] = field(default_factory=list)
    ups: list[bool] = field(default_factory=list)


async def until(condition: Callable[[], object], seconds: float = 60) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110  # the condition is what we wait for
            await asyncio.sleep(0.005)


@asynccontextmanager
async def peer(
    broker: Broker, client_id: str, topic: str = "", *, ack: bool = True, handle: Callable[[Incoming], None] | None = None,
    limits: LinkLimits | None = None, will: Will | None = None, receive_maximum: int = 100, keepalive: int = 30,
) -> AsyncIterator[Peer]:  # fmt: skip
    made: Peer

    def on_message(message: Incoming) -> None:
        made.heard.append(message)
        if handle is not None:
            handle(message)
        if ack:
            made.link.acknowledge(message)

    async def on_up(present: bool) -> None:
        made.ups.append(present)
        if topic:
            await made.link.subscribe({topic: 1}, retain_as_published=True)

    made = Peer(
        Link(
            broker, client_id=client_id, on_message=on_message, on_up=on_up, session_expiry=600, limits=limits or FAST,
            will=will, receive_maximum=receive_maximum, keepalive=keepalive,
        )
    )  # fmt: skip
    task = asyncio.create_task(made.link.run())
    try:
        async with asyncio.timeout(60):
            await made.link.wait_connected()
        yield made
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_carries_payload_and_properties(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a", "t/#") as ear, peer(mosquitto.broker(), "b") as mouth:
        code = await mouth.link.publish(
            "t/1", b"\x00\xff", correlation=b"c1", response_topic="t/back", expiry=9
        )
        await until(lambda: ear.heard)
        (got,) = ear.heard
        assert code == 0
        assert (got.topic, got.payload, got.correlation, got.response_topic) == (
            "t/1",
            b"\x00\xff",
            b"c1",
            "t/back",
        )


async def test_publish_to_nobody_says_so(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a") as mouth:
        assert await mouth.link.publish("nobody/here", b"x") == NO_SUBSCRIBERS


async def test_an_acl_refusal_is_seen(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker("bob"), "bob") as mouth:
        assert await mouth.link.publish("alice/secret", b"x") == NOT_AUTHORIZED


async def test_nagle_is_off(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a") as one:
        sock = one.link._connection._client.socket()
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_unacknowledged_comes_again_and_acknowledged_does_not(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "ear", "t", ack=False) as ear:
        async with peer(mosquitto.broker(), "mouth") as mouth:
            await mouth.link.publish("t", b"1")
            await mouth.link.publish("t", b"2")
        await until(lambda: len(ear.heard) == 2)
        assert ear.link.acknowledge(ear.heard[0])
        ear.link.leave(abruptly=True)
        ear.link.come_back()
        await until(lambda: len(ear.heard) == 3)
        assert [m.payload for m in ear.heard] == [b"1", b"2", b"2"]
        await until(lambda: ear.ups == [False, True])  # what waited may come before we are told it is up


async def test_acknowledgement_of_a_former_connection_is_ignored(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "ear", "t", ack=False) as ear:
        async with peer(mosquitto.broker(), "mouth") as mouth:
            await mouth.link.publish("t", b"1")
        await until(lambda: ear.heard)
        ear.link.leave(abruptly=True)
        ear.link.come_back()
        await until(lambda: len(ear.heard) == 2)
        old, new = ear.heard
        assert old.mid == new.mid  # so a late PUBACK would have hit the other message
        assert not ear.link.acknowledge(old)
        assert ear.link.acknowledge(new)
        assert not ear.link.acknowledge(new)


async def test_acknowledgements_leave_in_receipt_order(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "ear", "t", ack=False) as ear:
        async with peer(mosquitto.broker(), "mouth") as mouth:
            for n in range(3):
                await mouth.link.publish("t", str(n).encode())
        await until(lambda: len(ear.heard) == 3)
        ear.link.acknowledge(ear.heard[2])
        ear.link.acknowledge(ear.heard[1])
        assert len(ear.link._connection._owed) == 3
        ear.link.acknowledge(ear.heard[0])
        assert not ear.link._connection._owed


async def test_a_failing_handler_kills_nothing(mosquitto: Mosquitto) -> None:
    def handle(message: Incoming) -> None:
        if message.payload == b"bad":
            raise RuntimeError("boom")

    async with (
        peer(mosquitto.broker(), "ear", "t", handle=handle) as ear,
        peer(mosquitto.broker(), "m") as mouth,
    ):
        await mouth.link.publish("t", b"bad")
        await mouth.link.publish("t", b"good")
        await until(lambda: len(ear.heard) == 2)
        assert ear.link.connected
        assert not ear.link._connection._owed
        ear.link.leave(abruptly=True)
        ear.link.come_back()
        await until(lambda: len(ear.heard) == 3)
        assert ear.heard[2].payload == b"bad"  # never lost


async def test_reconnects_when_the_broker_comes_back(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a", "t") as one:
        mosquitto.stop()
        await until(lambda: not one.link.connected)
        with pytest.raises(NotConnected):
            one.link.send("t", b"never queued")
        mosquitto.start()
        await until(lambda: len(one.ups) == 2)
        await one.link.wait_connected()
        assert await one.link.publish("t", b"now") == 0
        await until(lambda: one.heard)
        assert [m.payload for m in one.heard] == [b"now"]


async def test_what_waits_for_its_puback_fails_as_lost(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a") as one:
        mosquitto.process.send_signal(19)  # SIGSTOP: the broker is there and silent
        try:
            answer = one.link.send("t", b"x")
            one.link.leave(abruptly=True)
            with pytest.raises(Lost):
                await answer
        finally:
            mosquitto.process.send_signal(18)


async def test_keepalive_finds_a_silent_broker(mosquitto: Mosquitto) -> None:
    quick = FAST.model_copy(update={"misc_every": timedelta(milliseconds=50)})
    async with peer(mosquitto.broker(), "a", limits=quick, keepalive=1) as one:
        mosquitto.process.send_signal(19)
        try:
            await until(lambda: not one.link.connected)
        finally:
            mosquitto.process.send_signal(18)
        await until(lambda: one.link.connected)


async def test_paused_reads_nothing_and_stays_connected(mosquitto: Mosquitto) -> None:
    quick = FAST.model_copy(update={"misc_every": timedelta(milliseconds=50)})
    # Not of one second: brokers count whole ones, and for some of them a ping in time is too late then.
    async with peer(mosquitto.broker(), "ear", "t", limits=quick, keepalive=2) as ear:
        ear.link.pause()
        async with peer(mosquitto.broker(), "mouth") as mouth:
            for n in range(50):
                await mouth.link.publish("t", str(n).encode())
            # Longer than keep-alive and a half; the broker itself may look for the silent every few seconds only.
            await until(lambda: mosquitto.said("Received PINGREQ from ear") >= 2)
            assert not ear.heard
            assert ear.link.connected
            assert len(ear.ups) == 1
        ear.link.resume()
        await until(lambda: len(ear.heard) == 50)


async def test_reading_stops_when_too_much_is_unacknowledged(mosquitto: Mosquitto) -> None:
    few = FAST.model_copy(update={"max_unacknowledged": 5, "read_batch": 1})
    async with peer(
        mosquitto.broker(), "ear", "t", ack=False, limits=few, receive_maximum=10
    ) as ear, peer(mosquitto.broker(), "mouth") as mouth:  # fmt: skip
        for n in range(40):
            await mouth.link.publish("t", str(n).encode())
        await until(lambda: len(ear.heard) == 5)
        assert not ear.link._connection._reading
        while len(ear.heard) < 40:
            unread = [m for m in ear.heard if m.mid in ear.link._connection._owed]
            assert len(unread) <= 5
            for message in unread:
                ear.link.acknowledge(message)
            await asyncio.sleep(0)


async def test_will_is_left_when_killed_and_on_the_way_out_but_not_when_leaving(mosquitto: Mosquitto) -> None:
    will = Will("w", b"offline", delay=0, retain=False)
    async with peer(mosquitto.broker(), "ear", "w") as ear:
        async with peer(mosquitto.broker(), "one", will=will) as one:
            one.link.leave()
            one.link.come_back()
            await until(lambda: len(one.ups) == 2)
            assert not ear.heard
            one.link.leave(abruptly=True)
            await until(lambda: len(ear.heard) == 1)
            one.link.come_back()
            await until(lambda: len(one.ups) == 3)
        await until(lambda: len(ear.heard) == 2)  # cancelled: DISCONNECT with will


async def test_a_burst_is_not_lost_and_keeps_its_order(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "ear", "t") as ear, peer(mosquitto.broker(), "mouth") as mouth:
        answers = [mouth.link.send("t", str(n).encode()) for n in range(2_000)]
        assert set(await asyncio.gather(*answers)) == {0}
        await until(lambda: len(ear.heard) == 2_000)
        assert [int(m.payload) for m in ear.heard] == list(range(2_000))


async def test_too_many_waiting_are_refused_not_kept(mosquitto: Mosquitto) -> None:
    few = FAST.model_copy(update={"max_inflight": 1, "max_waiting": 3})
    async with peer(mosquitto.broker(), "mouth", limits=few) as mouth:
        for n in range(3):
            mouth.link.send("t", str(n).encode())
        with pytest.raises(NotConnected):
            mouth.link.send("t", b"3")


async def test_paused_it_still_connects(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "ear", "t") as ear:
        async with peer(mosquitto.broker(), "mouth") as mouth:
            ear.link.leave(abruptly=True)
            await until(lambda: not ear.link.connected)
            await mouth.link.publish("t", b"1")
            ear.link.pause()
            ear.link.come_back()
            await until(lambda: ear.link.connected)
            await mouth.link.publish("t", b"2")
        assert not ear.heard
        ear.link.resume()
        await until(lambda: len(ear.heard) == 2)


async def test_a_failing_greeting_is_tried_again_on_a_new_connection(mosquitto: Mosquitto) -> None:
    tries: list[bool] = []
    downs: list[int] = []

    async def on_up(present: bool) -> None:
        tries.append(present)
        if len(tries) < 3:
            raise RuntimeError("boom")

    def on_down() -> None:
        downs.append(1)
        raise RuntimeError("boom")

    link = Link(
        mosquitto.broker(),
        client_id="a",
        on_message=lambda _: None,
        on_up=on_up,
        on_down=on_down,
        limits=FAST,
    )
    task = asyncio.create_task(link.run())
    async with asyncio.timeout(60):
        await link.wait_connected()
    assert (len(tries), len(downs)) == (3, 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_a_message_that_is_too_large_never_comes_and_holds_nothing_up(mosquitto: Mosquitto) -> None:
    small = FAST.model_copy(update={"max_packet": 2_000})
    async with peer(mosquitto.broker(), "ear", "t", limits=small) as ear:
        async with peer(mosquitto.broker(), "mouth") as mouth:
            await mouth.link.publish("t", b"x" * 1_900)
            await mouth.link.publish("t", b"x" * 3_000)
            await mouth.link.publish("t", b"last")
        await until(lambda: ear.heard and ear.heard[-1].payload == b"last")
        assert [len(message.payload) for message in ear.heard] == [1_900, 4]
        assert len(ear.ups) == 1


async def test_large_messages_come_whole_and_between_small_ones(mosquitto: Mosquitto) -> None:
    sizes = [0, 1, 200_000, 5, 65_531, 70_000, 3]
    async with peer(mosquitto.broker(), "ear", "t") as ear, peer(mosquitto.broker(), "mouth") as mouth:
        for n, size in enumerate(sizes):
            await mouth.link.publish("t", bytes([n]) * size)
        await until(lambda: len(ear.heard) == len(sizes))
        assert [m.payload for m in ear.heard] == [bytes([n]) * size for n, size in enumerate(sizes)]


async def test_what_was_read_in_one_go_waits_while_reading_is_held(mosquitto: Mosquitto) -> None:
    """A handler that says pause gets the rest of its turn, and nothing after it until resume."""
    few = FAST.model_copy(update={"read_batch": 10})

    def handle(message: Incoming) -> None:
        if message.payload == b"5":
            ear.link.pause()

    async with peer(mosquitto.broker(), "ear", "t", limits=few, handle=handle) as ear:
        ear.link.pause()
        async with peer(mosquitto.broker(), "mouth") as mouth:
            for n in range(90):
                await mouth.link.publish("t", str(n).encode())
            ear.link.resume()
            await until(lambda: len(ear.heard) >= 6)
            await mouth.link.publish("t", b"90")  # a whole round trip later
        assert len(ear.heard) <= 10
        ear.link.resume()
        await until(lambda: len(ear.heard) == 91)
        assert [int(m.payload) for m in ear.heard] == list(range(91))


async def test_qos_2_is_not_to_be_had(mosquitto: Mosquitto) -> None:
    async with peer(mosquitto.broker(), "a") as one:
        with pytest.raises(ValueError, match="QoS 2"):
            await one.link.subscribe({"t": 2})


CONNACK = b"\x20\x03\x00\x00\x00"


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def nobody_is_served() -> None:
    """Whoever was taken on by a server of a test has been let go."""
    await asyncio.sleep(0)
    await until(lambda: len(asyncio.all_tasks()) == 1)


@pytest.mark.parametrize("after", [b"", CONNACK])
async def test_no_bytes_of_a_broker_kill_the_link(after: bytes) -> None:
    junk = random.Random(7)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            await reader.read(10)
            writer.write(after + junk.randbytes(junk.randrange(1, 300)))
        await hang_up(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    quick = {name: timedelta(milliseconds=1) for name in ("retry_first", "retry_longest")}
    hasty = FAST.model_copy(update={**quick, "connect_timeout": timedelta(milliseconds=50)})
    link = Link(Broker("127.0.0.1", port), client_id="a", on_message=lambda _: None, limits=hasty)
    task = asyncio.create_task(link.run())
    await until(lambda: link.generation >= 200, 60)
    assert not task.done()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await nobody_is_served()


async def test_a_broker_that_sends_more_than_we_take_is_told_and_left() -> None:
    told = asyncio.get_running_loop().create_future()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(10)
        writer.write(CONNACK + b"\x30\xff\xff\x7f")  # a PUBLISH of 2 MB is announced
        said = await reader.read()
        if not told.done():
            told.set_result(said)
        await hang_up(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1])
    link = Link(broker, client_id="a", on_message=lambda _: None, limits=FAST)
    task = asyncio.create_task(link.run())
    async with asyncio.timeout(60):
        assert (await told).endswith(b"\xe0\x01\x95")  # DISCONNECT, Packet too large
    await until(lambda: link.generation >= 2)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await nobody_is_served()


async def test_a_broker_that_never_answers_is_given_up_and_blocks_nobody() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        await hang_up(writer)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    broker = Broker("127.0.0.1", server.sockets[0].getsockname()[1])
    hasty = FAST.model_copy(update={"connect_timeout": timedelta(milliseconds=50)})
    link = Link(broker, client_id="a", on_message=lambda _: None, limits=hasty)
    task = asyncio.create_task(link.run())
    await until(lambda: link.generation >= 3)
    assert not link.connected
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    server.close()
    await nobody_is_served()


async def test_wrong_password_keeps_trying_quietly(mosquitto: Mosquitto) -> None:
    link = Link(
        Broker("127.0.0.1", mosquitto.port, username="alice", password="no"),
        client_id="a", on_message=lambda _: None, limits=FAST,
    )  # fmt: skip
    task = asyncio.create_task(link.run())
    await until(lambda: link.generation > 2)
    assert not link.connected
    assert "no" not in repr(link._broker)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
