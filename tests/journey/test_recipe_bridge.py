"""The recipe of the signing bridge, exactly as it is published, against the installation."""

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx

from tests.journey.stand import Cast, Stand, until
from trunkline.ports import free_port
from trunkline.processes import Child

BRIDGE = Path(__file__).parents[2] / "docs" / "recipes" / "signing-bridge" / "bridge.py"
RULE = """
import json, sys
asked = json.load(sys.stdin)
print({"Parcel Post": "approve"}.get(asked["carrier"]["name"], "decline"))
"""


@asynccontextmanager
async def bridged(stand: Stand, cast: Cast, tmp_path: Path, rule: str) -> AsyncIterator[tuple[str, int]]:
    port, owner = free_port(), cast.owner.person
    made = await stand.by_hand(
        stand.stage.command, "owner", "link", owner, "Bridge", "--news", f"http://127.0.0.1:{port}/"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "BRIDGE_NEWS_SECRET": made["news_secret"],
        "BRIDGE_SECRET": made["secret"],
        "DECIDES_AT": f"{stand.stage.url}/v1/decisions/{made['source']}",
    }
    command = (sys.executable, "-I", str(BRIDGE), str(port), sys.executable, "-I", "-c", rule)
    child = await stand.by_hand(
        lambda: Child.start("bridge", command, log=tmp_path / "bridge.log", environment=environment)
    )
    try:
        await stand.by_hand(child.wait_for_port, port)
        yield made["endpoint"], port
    finally:
        await stand.by_hand(child.stop)
        await stand.by_hand(stand.stage.command, "owner", "unlink", owner, made["source"])


async def state(cast: Cast, delivery: str) -> str:
    return str((await cast.carrier.view(delivery))["state"])


async def test_the_bridge_decides_by_the_owners_rule(stand: Stand, cast: Cast, tmp_path: Path) -> None:
    async with bridged(stand, cast, tmp_path, RULE) as (_, port):
        delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="bridge")

        async def approved() -> bool:
            return await state(cast, delivery) not in {"requested", "asked"}

        await until(approved, "the bridge approved")
        read = await cast.owner.api.call("GET", f"/v1/owner/deliveries/{delivery}", token=cast.owner.token)
        assert read["question"]["decided"] == "approve"
        assert read["question"]["level"] == "session"
        async with httpx.AsyncClient(trust_env=False) as client:
            for headers in (
                {},
                {"webhook-id": "a", "webhook-timestamp": "1", "webhook-signature": "v1,AAAA"},
            ):
                forged = await client.post(f"http://127.0.0.1:{port}/", content=b"{}", headers=headers)
                assert forged.status_code == 401
    log = (tmp_path / "bridge.log").read_text("utf-8")
    assert "Traceback" not in log


async def test_a_rule_that_says_nothing_leaves_it_to_the_owner(
    stand: Stand, cast: Cast, tmp_path: Path
) -> None:
    asked = tmp_path / "asked"
    rule = f"import pathlib, sys; pathlib.Path({str(asked)!r}).write_text(sys.stdin.read()); print('perhaps')"
    async with bridged(stand, cast, tmp_path, rule):
        delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="perhaps")

        async def heard() -> bool:
            return asked.exists() and asked.read_text("utf-8").endswith("}")

        await until(heard, "the rule was asked")
        assert json.loads(asked.read_text("utf-8"))["delivery"] == delivery
        assert await state(cast, delivery) == "requested"
