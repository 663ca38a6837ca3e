"""The peers: bare paho without anything of ours, each in processes of its own on the same broker.

``echo`` answers each message on ``bench/ask`` on ``bench/answer``; ``ask`` measures the round trip; ``count``
consumes with an empty callback; ``flood`` publishes as fast as the broker takes it.
"""

import json
import socket
import sys
import time
from pathlib import Path

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties


def client(port: int, user: str, password: str, *, client_id: str = "") -> paho.Client:
    c = paho.Client(CallbackAPIVersion.VERSION2, client_id=client_id or user + "-bench", protocol=paho.MQTTv5)
    c.username_pw_set(user, password)
    c.on_socket_open = lambda *a: a[2].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    c.max_inflight_messages_set(1000)
    properties = Properties(PacketTypes.CONNECT)
    properties.ReceiveMaximum = 1000
    c.connect("127.0.0.1", port, 60, properties=properties)
    return c


def echo(c: paho.Client) -> None:
    c.on_message = lambda cl, u, m: cl.publish("bench/answer", m.payload, qos=1)
    c.on_connect = lambda cl, *a: cl.subscribe("bench/ask", qos=1)
    c.on_subscribe = lambda *a: print("ready", flush=True)
    c.loop_forever()


def ask(c: paho.Client, count: int) -> None:
    """One at a time: publish, wait for the answer; prints milliseconds as JSON."""
    got = [0]
    c.on_message = lambda cl, u, m: got.__setitem__(0, got[0] + 1)
    subscribed = [False]
    c.on_subscribe = lambda *a: subscribed.__setitem__(0, True)
    c.on_connect = lambda cl, *a: cl.subscribe("bench/answer", qos=1)
    while not subscribed[0]:
        c.loop(0.1)
    times = []
    for n in range(count + 20):
        before, start = got[0], time.perf_counter()
        c.publish("bench/ask", b"x" * 300, qos=1)
        while got[0] == before:
            c.loop(0.5)
        if n >= 20:
            times.append((time.perf_counter() - start) * 1000)
    print(json.dumps(times), flush=True)


def count(c: paho.Client, total: int) -> None:
    """Consume ``total`` messages with an empty callback; prints messages a second from the first to the last."""
    seen = [0]
    first = [0.0]

    def on_message(cl: object, u: object, m: object) -> None:
        if seen[0] == 0:
            first[0] = time.perf_counter()
        seen[0] += 1

    c.on_message = on_message
    c.on_subscribe = lambda *a: print("ready", flush=True)
    c.on_connect = lambda cl, *a: cl.subscribe("tl/1/+/+/up/#", qos=1)
    while seen[0] < total:
        c.loop(0.5)
    print(json.dumps({"rate": (total - 1) / (time.perf_counter() - first[0])}), flush=True)


def flood(c: paho.Client, file: str) -> None:
    """Publish the lines of a file (topic, space, payload) at QoS 1, all acknowledged by the broker."""
    acked = [0]
    c.on_publish = lambda *a: acked.__setitem__(0, acked[0] + 1)
    lines = Path(file).read_text("utf-8").splitlines()
    sent = 0
    while acked[0] < len(lines):
        while sent < len(lines) and sent - acked[0] < 500:
            topic, payload = lines[sent].split(" ", 1)
            c.publish(topic, payload, qos=1)
            sent += 1
        c.loop(0.2)
    print(json.dumps({"sent": sent}), flush=True)


if __name__ == "__main__":
    what, port, user, password, *rest = sys.argv[1:]
    made = client(int(port), user, password, client_id=f"svc_bench_{what}")
    if what == "echo":
        echo(made)
    elif what == "ask":
        ask(made, int(rest[0]))
    elif what == "count":
        count(made, int(rest[0]))
    else:
        flood(made, rest[0])
