"""Short forms of `make fuzz`: hostile units against the gateway, a hostile broker against a unit."""

import logging
from pathlib import Path

import pytest

from spine.store import Store
from tests.fuzz.downlink import siege
from tests.fuzz.uplink import hostile
from tests.service.brokers import Mosquitto

pytestmark = [pytest.mark.broker, pytest.mark.valkey]


async def test_every_message_of_hostile_units_is_accounted_for(
    store: Store, mosquitto: Mosquitto, caplog: pytest.LogCaptureFixture
) -> None:
    """Refused by the broker, taken, known already, too old or parked with the reason its bytes foretell."""
    caplog.set_level(logging.INFO, "trunkline.vehicle_gateway")
    async with hostile(store, mosquitto, seed=20301106) as scene:
        await scene.send(3_000)
        await scene.settle()
        tally = scene.tally
        # On a machine that is busy for seconds a batch may be done again: then something is parked twice, and nothing less.
        if any(_done_again(record) for record in caplog.records):
            assert tally.accounted >= tally.delivered
            assert tally.parked >= tally.expected
        else:
            assert tally.accounted == tally.delivered
            assert tally.parked == tally.expected
        assert tally.parked.keys() >= {
            "topic",
            "json",
            "schema",
            "utf8",
            "type",
            "command",
            "retained",
            "unit",
        }
        assert min(tally.not_allowed, tally.nobody, tally.verdicts["new"], tally.verdicts["duplicate"]) > 0
        assert await scene.still_works()
    assert not [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR]


def _done_again(record: logging.LogRecord) -> bool:
    """Whether the gateway says that it waited for the store, or came to the broker anew."""
    ours = str(getattr(record, "client_id", "")).startswith("tl-gw-")
    return record.getMessage() == "inbound.paused" or (record.getMessage() == "link.down" and ours)


async def test_nothing_a_hostile_broker_sends_opens_or_stops_a_unit(
    tmp_path: Path, mosquitto: Mosquitto
) -> None:
    async with siege(tmp_path / "unit", mosquitto, seed=20301106) as scene:
        before, motor = scene.unit.record.current, scene.unit.receipts.last
        await scene.send(2_000)
        assert (scene.unit.record.current, scene.unit.receipts.last) == (before, motor)
        assert scene.unit.link.generation == 1  # it never lost its connection either
        assert not scene.tally.faults
        assert (
            sum(scene.tally.answers.values()) > 0
        )  # some: what a busy machine reads too late is not answered
        assert await scene.opens_once() == ["opened", "already_used"]
