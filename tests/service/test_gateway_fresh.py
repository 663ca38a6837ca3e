"""An answer for the unit that asked leaves on its own topic, is not retained, and never replaces the list."""

from datetime import timedelta

import pytest

from spine.facts.keys import FreshSigned
from spine.ids import named_after
from spine.store import Change, Write
from tests.service.gateway_scene import Car, Scene, running
from tests.service.test_gateway_commands import Now, raised, scene

__all__ = ["scene"]
pytestmark = pytest.mark.broker


async def signed(scene: Scene, car: Car, *, request: str = "asked", ago: float = 0) -> None:
    at = Now().now() - timedelta(seconds=ago)
    fact = FreshSigned(
        at=at, vehicle=car.vehicle, unit=car.unit, request=request, nonce="n", signed=f"fresh.{request}.sig"
    )
    subject = named_after("tst", car.vehicle)
    await scene.store.change(
        [subject], lambda saved: Change({subject: Write("x", str(saved[subject].version))}, [fact])
    )


async def test_the_unit_that_asked_is_answered_beside_its_list(scene: Scene) -> None:
    async with scene.car() as car:
        await raised(scene.store, car.vehicle, car.unit, 4)
        await signed(scene, car, request="")  # a courier asked: the phone or the tap brings it
        await signed(scene, car, request="late", ago=31)
        await signed(scene, car)
        await car.until(lambda c: c.heard.get("fresh"))
        assert car.heard["fresh"] == ["fresh.asked.sig"]
        assert car.heard["rev"] == ["list.4.sig"]
    back = Car(scene.mosquitto, car.vehicle, car.unit, car.shard, seq=10)
    async with running(back.link.run()):
        await back.until(lambda c: c.heard.get("rev"))
        assert "fresh" not in back.heard
