"""Keys replaced and taken away under a running installation: deliveries go on, the car follows, nothing restarts."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.car.evidence import Roots, verify_file
from tests import warm
from tests.journey.stand import until
from trunkline.demo import Timeline, deliver, introduce
from trunkline.play import Api
from trunkline.stage import Stage

SOON = """[keys]
rotate_ahead = 0
trust_every = 0.1
"""


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    profile = tmp_path / "soon.toml"
    profile.write_text(SOON)
    with Stage(tmp_path / "data", profile=profile, nursery=warm.nursery()) as stage:
        yield stage


async def _follow(stage: Stage, version: int) -> None:
    """Until the car, `work` and `gateway` have said that they go by this bundle."""
    logs = [stage.directory / "logs" / f"{name}.log" for name in ("unit-car", "work", "gateway")]

    async def all_said_so() -> bool:
        return all(f"bundle_version={version}\n" in log.read_text() for log in logs)

    await until(all_said_so, f"everybody goes by bundle {version}")


async def test_deliveries_go_on_through_rotation_and_removal(stage: Stage) -> None:
    timeline = Timeline()
    pids = {name: child.process.pid for name, child in stage.children.items()}
    async with Api(stage.url) as api:
        cast = await introduce(stage, api, timeline)
        deliveries = [await deliver(cast, timeline)]
        for version, purpose in enumerate(("key", "fresh", "cmd", "log"), 2):
            stage.command("keys", "rotate", purpose)
            await _follow(stage, version)
        deliveries.append(await deliver(cast, timeline))
        current = stage.command("keys", "show")
        stolen = [key["kid"] for key in current["keys"] if key["purpose"] == "key" and "exp" not in key]
        stage.command("keys", "remove", stolen[0])
        await _follow(stage, 6)
        deliveries.append(await deliver(cast, timeline))
        documents = [await cast.carrier.evidence(delivery) for delivery in deliveries]
    roots = Roots.load(stage.directory / "roots")
    for document in documents:
        report = verify_file(json.dumps(document).encode(), roots)
        assert report.verified, [check for check in report.checks if not check.ok]
    assert {name: stage.children[name].process.pid for name in pids} == pids
