"""A car without network: opened over its local link, told by the phone or by the car when it is back, and provable."""

import base64
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from keys.car.evidence_file import SERVICE_KEYS_FILE, VEHICLE_CA_FILE
from tests.journey.stand import Cast, Stand, finish, ready_to_open, until
from tests.journey.test_delivery import _verified
from tests.second.peer import Missing, installed
from tests.second.peer import ask as second
from trunkline.ports import free_port
from vehicle_unit.control import ask


@dataclass(frozen=True)
class Garage:
    """A car of the same owner in an underground car park, listening for phones."""

    stand: Stand
    port: int
    address: str
    name: str = "garage"

    async def goes(self, mode: str) -> None:
        """``no_coverage`` or ``awake``; returns when it is so."""
        await self.stand.car(self.name, mode=mode)

        async def there() -> bool:
            state = await ask(self.stand.unit_folder(self.name), {})
            return bool(state["connected"] == (mode == "awake"))

        await until(there, f"the car is {mode}")

    async def lock(self) -> str:
        return str((await self.stand.car(self.name))["lock"])


@pytest.fixture(scope="module")
def port() -> int:
    return free_port()


@pytest.fixture
async def garage(stand: Stand, cast: Cast, port: int) -> AsyncIterator[Garage]:
    """One car for all tests here, on the air before and after each."""
    address = stand.directory / "garage.address"
    if not address.exists():
        options = (*stand.unit_options(), "--link", f"127.0.0.1:{port}")
        await stand.by_hand(stand.stage.add_car, "garage", options=options)
        vehicle = await stand._claimed(cast.owner, "garage")
        address.write_text(await cast.owner.make_address(vehicle), "utf-8")
    car = Garage(stand, port, address.read_text("utf-8"))
    await car.goes("awake")
    yield car
    await car.goes("awake")


async def open_by_link(garage: Garage, token: str, folder: Path, *more: str) -> Any:
    """A courier's phone that has nothing but its key and its device key, and what ``more`` says."""
    key = folder / "key.jws"
    key.write_text(token, "utf-8")
    device = garage.stand.directory / "test-keys" / "courier.pem"
    words = ("--link", f"127.0.0.1:{garage.port}", "--key-file", str(key), "--device-key", str(device), *more)
    return await garage.stand.by_hand(garage.stand.stage.command, "courier", "open", *words)


def second_opinion(stand: Stand, file: Path) -> dict[str, Any]:
    """What the verifier in JavaScript says of the same file, by the same roots from outside."""
    roots = stand.directory / "roots"
    try:
        installed()
    except Missing as missing:
        pytest.skip(str(missing))
    case = {
        "action": "evidence",
        "file": base64.b64encode(file.read_bytes()).decode(),
        "authorities": (roots / VEHICLE_CA_FILE).read_text("utf-8"),
        "jwks": json.loads((roots / SERVICE_KEYS_FILE).read_bytes()),
    }
    return second([case])[0]


async def evidence_holds(cast: Cast, stand: Stand, delivery: str, folder: Path) -> list[dict[str, Any]]:
    """The file verifies with no server; gives what it says of the boot."""
    document = await cast.carrier.evidence(delivery)
    file = folder / "evidence.json"
    file.write_text(json.dumps(document), "utf-8")
    assert _verified(stand, file)
    assert second_opinion(stand, file) == {"outcome": "verified", "failed": []}
    return [fact for fact in document["facts"] if fact["kind"].startswith("boot.")]


async def test_opened_without_network_and_told_when_the_car_is_back(
    garage: Garage, stand: Stand, cast: Cast, tmp_path: Path
) -> None:
    delivery, token = await ready_to_open(cast, "underground", address=garage.address)
    await garage.goes("no_coverage")
    opened = await open_by_link(garage, token, tmp_path)
    assert (opened["outcome"], opened["receipts"], opened["brought"]) == ("opened", 4, False)
    assert await garage.lock() == "latched"
    assert (await cast.carrier.view(delivery))["state"] == "arrived"
    await garage.goes("awake")
    await finish(cast, delivery)
    told = await evidence_holds(cast, stand, delivery, tmp_path)
    assert [fact["kind"] for fact in told] == ["boot.opened", "boot.closed", "boot.locked"]
    assert {fact["via"] for fact in told} == {"local"}


async def test_the_phone_brings_the_receipts_while_the_car_is_still_away(
    garage: Garage, stand: Stand, cast: Cast, tmp_path: Path
) -> None:
    delivery, token = await ready_to_open(cast, "brought", address=garage.address)
    await garage.goes("no_coverage")
    # the car tells something that the phone does not hear of: a refusal of another key
    other, stranger = await ready_to_open(cast, "refused", address=garage.address)
    await stand.car(garage.name, ignition=True)
    with pytest.raises(Exception, match="ended with 1"):
        await open_by_link(garage, stranger, tmp_path)
    await stand.car(garage.name, ignition=False)
    (tmp_path / "key.receipts.json").unlink()
    more = ("--api", stand.stage.url, "--courier", cast.courier.courier, "--delivery", delivery)
    opened = await open_by_link(garage, token, tmp_path, *more)
    assert (opened["outcome"], opened["brought"]) == ("opened", True)
    await finish(cast, delivery)
    assert {fact["via"] for fact in await evidence_holds(cast, stand, delivery, tmp_path)} == {"local"}
    await garage.goes("awake")

    async def refusal_came() -> bool:
        return any(fact["kind"] == "key.refused" for fact in (await cast.carrier.evidence(other))["facts"])

    await until(refusal_came, "the car has told the rest")
    await evidence_holds(cast, stand, delivery, tmp_path)
    assert (await cast.carrier.view(delivery))["state"] == "delivered"
    unit = json.loads((stand.unit_folder(garage.name) / "unit.json").read_text("utf-8"))
    shown = await stand.by_hand(stand.stage.command, "vehicle", "show", unit["vehicle"])
    assert "quarantined" not in json.dumps(shown)


async def test_a_key_opens_once_whichever_way(
    garage: Garage, stand: Stand, cast: Cast, tmp_path: Path
) -> None:
    delivery, token = await ready_to_open(cast, "once", address=garage.address)
    opened = await cast.courier.open(delivery, token)
    assert opened["outcome"] == "opened"
    await finish(cast, delivery)
    with pytest.raises(Exception, match="used before"):
        await open_by_link(garage, token, tmp_path)
