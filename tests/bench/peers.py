"""The peers: bare paho and nothing of ours, each in a process of its own on the same broker.

``echo`` answers each message on ``bench/ask`` on ``bench/answer``; ``ask`` measures that round trip when told to, as
often as told; ``count``
consumes a backlog with an empty callback; ``flood`` publishes what a file says. Their results are JSON lines.
"""

import json
import socket
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

UPLINK = "tl/1/+/+/up/#"
WINDOW = 500
"""Receive Maximum: the same as the gateway's."""


def _client(port: int, user: str, password: str, *, session: int = 0) -> paho.Client:
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=user, protocol=paho.MQTTv5)
    client.username_pw_set(user, password)
    client.on_socket_open = lambda *a: a[2].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    wanted: Any = Properties(PacketTypes.CONNECT)
    wanted.ReceiveMaximum = WINDOW
    if session:
        wanted.SessionExpiryInterval = session
    client.connect("127.0.0.1", port, 600, clean_start=not session, properties=wanted)
    return client


def _until(client: paho.Client, done: Callable[[], bool]) -> None:
    while not done():
        if client.loop(0.5) is not paho.MQTT_ERR_SUCCESS:
            sys.exit("the broker closed the connection")


def _subscribed(client: paho.Client, topic: str) -> None:
    """Connect and subscribe; returns when the broker has said yes."""
    codes: list[Any] = []
    client.on_connect = lambda cl, *_: cl.subscribe(topic, qos=1)
    client.on_subscribe = lambda _c, _u, _m, said, _p: codes.extend(said)
    _until(client, lambda: bool(codes))
    if any(code.is_failure for code in codes):
        sys.exit(f"the broker refused {topic}")


def echo(client: paho.Client) -> None:
    """Answer until killed; says ``ready`` first."""
    client.on_message = lambda cl, _u, message: cl.publish("bench/answer", message.payload, qos=1)
    _subscribed(client, "bench/ask")
    print("ready", flush=True)
    client.loop_forever()


def ask(client: paho.Client) -> None:
    """For each line of standard input (times, seconds): publish 300 bytes, wait for the answer, pause, again.

    Prints the milliseconds of each as a JSON line; begins with ``ready``.
    """
    got = [0]
    client.on_message = lambda *_: got.__setitem__(0, got[0] + 1)
    _subscribed(client, "bench/answer")
    print("ready", flush=True)
    asked = 0
    for line in sys.stdin:
        times, pause = line.split()
        took = []
        for _ in range(int(times)):
            until = time.perf_counter() + float(pause)
            while took and (left := until - time.perf_counter()) > 0:
                client.loop(left)
            started = time.perf_counter()
            client.publish("bench/ask", b"x" * 300, qos=1)
            while got[0] <= asked:
                client.loop(0.5)
            took.append((time.perf_counter() - started) * 1000)
            asked += 1
        print(json.dumps(took), flush=True)


def book(client: paho.Client) -> None:
    """Leave a session behind in which a backlog can grow."""
    _subscribed(client, UPLINK)
    client.disconnect()


def count(client: paho.Client, total: int) -> None:
    """Take ``total`` waiting messages with an empty callback, first to last.

    Prints messages a second and the processor's microseconds of each.
    """
    seen = 0
    started = spent = 0.0

    def on_message(_c: object, _u: object, _m: object) -> None:
        nonlocal seen, started, spent
        if not seen:
            started, spent = time.perf_counter(), time.process_time()
        seen += 1

    client.on_message = on_message
    _until(client, lambda: seen >= total)
    took, cpu = time.perf_counter() - started, time.process_time() - spent
    print(json.dumps([(total - 1) / took, cpu / total * 1e6]), flush=True)


def flood(client: paho.Client, file: Path) -> None:
    """Publish a file's lines (topic, space, payload) at QoS 1; prints how many the broker took."""
    acked = [0]
    client.on_publish = lambda *_: acked.__setitem__(0, acked[0] + 1)
    lines = file.read_text("utf-8").splitlines()
    sent = 0
    while acked[0] < len(lines):
        while sent < len(lines) and sent - acked[0] < 20:
            topic, _, payload = lines[sent].partition(" ")
            client.publish(topic, payload, qos=1)
            sent += 1
        client.loop(0.2)
    print(json.dumps(sent), flush=True)


def main(what: str, port: str, user: str, password: str, *rest: str) -> None:
    """Arguments: which peer, the broker's port, account, password, and the peer's own."""
    session = 3600 if what in {"book", "count"} else 0
    client = _client(int(port), user, password, session=session)
    match what:
        case "echo":
            echo(client)
        case "ask":
            ask(client)
        case "book":
            book(client)
        case "count":
            count(client, int(rest[0]))
        case "flood":
            flood(client, Path(rest[0]))
        case _:
            sys.exit(f"no such peer: {what}")


if __name__ == "__main__":
    main(*sys.argv[1:])
