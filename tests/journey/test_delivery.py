"""One delivery from the order to an evidence file that verifies with no server."""

import json
import subprocess
from pathlib import Path

from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand, decide, mailed, until
from trunkline.processes import plain_environment, python_command


async def test_a_parcel_goes_into_a_car_and_anybody_can_verify_it(
    stand: Stand, cast: Cast, sink: Sink, tmp_path: Path
) -> None:
    owner, carrier, courier = cast.owner, cast.carrier, cast.courier
    delivery = await carrier.order(cast.address, courier=courier.courier, reference="shoes")
    await decide(owner, delivery)
    token = await courier.key(delivery)
    await courier.arrive(delivery)
    opened = await courier.open(delivery, token)
    assert opened["outcome"] == "opened"
    assert opened["receipt"]["n"] > 0
    await carrier.wait_for(delivery, {"closed"})
    await stand.car_comes_to("latched")
    await until(lambda: _locked(cast, delivery), "locked is told")
    await courier.post(delivery, "done")
    await carrier.wait_for(delivery, {"delivered"})
    await until(lambda: _destroyed(cast, delivery), "the key is destroyed")
    seen = await owner.view(delivery)
    assert [what for _, what in seen["timeline"]][-1].startswith(("key destroyed", "ended", "delivered"))
    assert seen["key"] == {"state": "destroyed", "how": "consumed", "dies_at": None}
    for subject in ("Approved", "Your car was opened", "Done"):
        await mailed(owner, subject, delivery)
    for news in ("delivery.approved", "delivery.opened", "delivery.closed", "delivery.delivered"):
        await sink.wait(news, delivery)
    assert sink.forged == 0
    file = tmp_path / "evidence.json"
    file.write_text(json.dumps(await carrier.evidence(delivery)), "utf-8")
    assert _verified(stand, file)
    spoiled = json.loads(file.read_text("utf-8"))
    spoiled["delivery"] = "dlv_0000000000000000"
    file.write_text(json.dumps(spoiled), "utf-8")
    assert not _verified(stand, file)


async def _destroyed(cast: Cast, delivery: str) -> bool:
    return bool((await cast.owner.view(delivery))["key"]["state"] == "destroyed")


async def _locked(cast: Cast, delivery: str) -> bool:
    return "locked" in (await cast.carrier.view(delivery))["times"]


def _verified(stand: Stand, file: Path) -> bool:
    """By the command line, in a process that is told of no store."""
    roots = stand.directory / "roots"
    command = python_command("evidence", "verify", str(file), "--roots", str(roots))
    environment = plain_environment({"TRUNKLINE_DATA_DIR": str(file.parent)})
    done = subprocess.run(command, env=environment, capture_output=True, timeout=60, check=False)
    return done.returncode == 0
