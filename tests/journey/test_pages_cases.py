"""The owner's pages of cases in a real browser: read, declined, calls turned on; for everybody, from 320 px up."""

from typing import Any

from playwright.async_api import expect

from spine.clock import SystemClock
from spine.facts.vehicle import UnitScan
from spine.ids import UnitId, VehicleId
from spine.store import Change, Write
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, until
from tests.journey.test_pages_deciding import look
from tests.journey.test_pages_for_everybody import faults
from trunkline.desk import desk
from trunkline.settings import Settings

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER
CODE = "P0301"


async def reported(stand: Stand, cast: Cast) -> dict[str, Any]:
    """The car's fault stands in the log, and has become a case."""
    scan = {
        "boot": 1, "seq": 1, "scan_id": "pages", "source": "obd", "drive_cycle": 1, "outcome": "complete", "mil": True,
        "ecus": [{"id": "7E8", "answered": True, "codes": [{"code": CODE, "status": "confirmed"}]}],
    }  # fmt: skip
    async with desk(Settings(data_dir=stand.directory)) as open_:
        vehicle = VehicleId(cast.vehicle)
        fact = UnitScan(at=SystemClock().now(), vehicle=vehicle, unit=UnitId(cast.unit), scan=scan)
        beside = f"tst_{vehicle[4:]}"
        await open_.store.change([beside], lambda _: Change({beside: Write("kept", "{}")}, [fact]))

    async def listed() -> dict[str, Any] | None:
        path = f"/v1/owner/cars/{cast.vehicle}/cases"
        found: list[dict[str, Any]] = (await cast.owner.api.call("GET", path, token=cast.owner.token))["data"]
        # other tests' cases of this car are listed too, and one of them may be the newest for a moment yet
        return next((one for one in found if one["system"] == "ignition"), None)

    await until(listed, "the case is listed")
    case = await listed()
    assert case is not None
    return case


async def test_an_owner_reads_a_case_turns_calls_on_and_declines(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    case = await reported(stand, cast)
    page = await look(web, "/cases", session=cast.owner.token)
    await expect(page.get_by_role("link", name="Ignition")).to_be_visible()
    assert await faults(page) == []
    mine = page.locator(f'form[action="/cases/cars/{cast.vehicle}/calls"]')  # other tests' cars are there too
    await mine.get_by_label("Call me about faults").check()
    await mine.get_by_label("Your phone number").fill("+31 6 1234 5678")
    await mine.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("status")).to_have_text("Saved.")
    await expect(mine.get_by_label("Your phone number")).to_have_value("+31612345678")
    await page.goto(f"{web.url}/cases/{case['id']}")
    await expect(page.get_by_role("heading", name="May I drive on?")).to_be_visible()
    assert await faults(page) == []
    await page.get_by_role("button", name="I take care of it myself").click()
    await expect(page.get_by_role("status")).to_contain_text("Nobody calls you about this any more")
    assert await faults(page) == []
