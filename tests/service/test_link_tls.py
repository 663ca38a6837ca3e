"""The link over mutual TLS: what TLS holds back from the selector is read all the same, whoever reads."""

import asyncio
from pathlib import Path

import pytest

from tests.service.brokers import Mosquitto
from tests.service.gateway_scene import FAST, running
from vehicle_gateway.link import Broker, Incoming, Link
from vehicle_gateway.wire import down

pytestmark = pytest.mark.broker

CAR = "vu_0000000000000001"
COUNT = 400


@pytest.mark.parametrize("bulk", [True, False], ids=["bulk", "paho"])
async def test_a_burst_over_tls_comes_whole_and_in_order(
    mosquitto: Mosquitto, tmp_path: Path, *, bulk: bool
) -> None:
    limits = FAST.model_copy(update={"bulk_read": bulk, "read_batch": 7})
    heard: list[Incoming] = []
    all_heard = asyncio.Event()

    def on_message(message: Incoming) -> None:
        heard.append(message)
        ear.acknowledge(message)
        if len(heard) == COUNT:
            all_heard.set()

    async def on_up(_present: bool) -> None:
        await ear.subscribe({f"tl/1/+/{CAR}/dn/#": 1})

    def link(broker: Broker, name: str, **more: object) -> Link:
        return Link(broker, client_id=name, limits=limits, **more)

    ear = link(mosquitto.certificate(CAR, tmp_path), CAR, on_message=on_message, on_up=on_up)
    mouth = link(mosquitto.service(), "mouth", on_message=lambda _: None)
    async with asyncio.timeout(120), running(ear.run(), mouth.run()):
        await ear.wait_connected()
        await mouth.wait_connected()
        ear.pause()  # so that much waits and one TLS record holds many messages
        sent = [n.to_bytes(2, "big") * (1 + n * 37 % 900) for n in range(COUNT)]
        topic = down(0, CAR, "cmd")
        await asyncio.gather(*(mouth.publish(topic, payload) for payload in sent))
        ear.resume()
        await all_heard.wait()
    assert [message.payload for message in heard] == sent
