"""An owner with a passkey in a real browser: one gesture approves, a repeat, "that was not me", a standing approval."""

import contextlib
import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, midday, web
from tests.journey.stand import Cast, Stand, question, until
from tests.journey.test_pages_for_everybody import faults
from tests.journey.test_pages_passkeys import Hand
from trunkline.play import Owner, Refused

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

PICTURES = os.environ.get("TRUNKLINE_PICTURES")


async def picture(page: Page, name: str) -> None:
    """Keep how it looks, where somebody asked for it."""
    if PICTURES:
        for theme in ("light", "dark"):
            await page.emulate_media(color_scheme=theme)
            await page.screenshot(path=str(Path(PICTURES) / f"{name}-{theme}.png"), full_page=True)


async def tomorrow(cast: Cast, address: str, reference: str, hour: int) -> str:
    """An order for an hour of the next day as the browser counts, so that no midnight is in it."""
    then = datetime.now(ZoneInfo(midday())).replace(hour=hour, minute=0, second=0, microsecond=0)
    start = (then + timedelta(days=1)).astimezone(UTC)
    wanted: dict[str, Any] = {
        "address": address,
        "window": {"start": start.isoformat(), "end": (start + timedelta(hours=1)).isoformat()},
        "reference": reference,
        "courier": cast.courier.courier,
    }
    made = await cast.carrier.api.call("POST", "/v1/deliveries", wanted, token=cast.carrier.token)
    return str(made["id"])


async def asked(owner: Owner, delivery: str) -> str:
    """The path in the mail about this delivery."""
    token, _ = await question(owner, delivery)
    return f"/decide#{token}"


async def look(page: Page, web: Chromium, path: str) -> None:
    """Another link in the same tab: only the fragment may differ, so the page is left first."""
    await page.goto("about:blank")
    await page.goto(web.url + path)


async def test_one_gesture_approves_and_what_follows_from_it(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    owner = Owner(cast.owner.api, cast.owner.mail, "vera@example.org")
    await owner.sign_in()
    await stand.by_hand(stand.stage.add_car, "vera", options=stand.unit_options())
    vehicle = await stand._claimed(owner, "vera")
    address = await owner.make_address(vehicle)
    page = await web.page(session=owner.token)
    hand = await Hand.of(page)

    first = await tomorrow(cast, address, "before", 9)
    path = await asked(owner, first)
    await look(page, web, path)
    await expect(page.locator("#needed")).to_contain_text("Make a passkey first, or choose approving by mail")
    web.foresee("/v1/questions/decide", "403")
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#said")).to_contain_text("Make a passkey first")

    await page.goto(f"{web.url}/passkeys")
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")

    await asked(owner, await tomorrow(cast, address, "second", 10))
    await look(page, web, path)
    await expect(page.locator("#waits")).to_contain_text("Parcel Post")
    approve = page.get_by_role("button", name="Approve with your passkey")
    await expect(approve).to_be_visible()
    await expect(page.locator("#needed")).to_contain_text(
        "It is the first time for this carrier at your car."
    )
    assert await faults(page) == []
    await picture(page, "asked")
    await hand.verifies(False)
    await approve.click()
    await expect(page.locator("#said")).to_contain_text("Your passkey did not sign, so nothing was decided")
    await hand.verifies(True)
    await approve.click()
    await expect(page.locator("#outcome")).to_have_text("Approved")
    seen = await owner.view(first)
    assert (seen["question"]["level"], seen["question"]["decided_by"]) == ("passkey", owner.person)
    await page.reload()
    await expect(page.locator("#next")).to_contain_text("You answered with a passkey")
    await picture(page, "approved")

    # a repeat: a mail's link says no yes, one gesture does
    third = await tomorrow(cast, address, "third", 11)
    await look(page, web, await asked(owner, third))
    await expect(page.locator("#needed")).to_contain_text("You approved the same before")
    await page.get_by_role("button", name="Approve with your passkey").click()
    await expect(page.locator("#outcome")).to_have_text("Approved")

    # not me: in two steps, and the owner's page takes it back
    fourth = await tomorrow(cast, address, "fourth", 12)
    await look(page, web, await asked(owner, fourth))
    await page.get_by_role("button", name="That was not me").click()
    await picture(page, "not-me")
    assert await faults(page) == []
    await page.get_by_role("button", name="Yes, that was not me").click()
    await expect(page.locator("#outcome")).to_have_text("Declined: that was not you")
    assert (await cast.carrier.view(fourth))["state"] == "address_not_usable"
    await owner.mail.wait(owner.address, "may not ask for your car")
    await page.goto(f"{web.url}/cars/{vehicle}")
    await page.get_by_role("button", name="Let Parcel Post ask again").click()
    await expect(page.get_by_text("Parcel Post may ask again.")).to_be_visible()

    # beforehand: the next one comes without asking, and can be blocked
    await page.get_by_text("Let a carrier come without asking").click()
    await page.get_by_label("Carrier", exact=True).select_option(cast.carrier.client_id)
    for day in ("Saturday", "Sunday"):
        await page.get_by_label(day).check()
    assert await faults(page) == []
    await picture(page, "beforehand")
    await page.get_by_role("button", name="Allow with your passkey").click()
    await expect(page.get_by_text("may come in these hours without asking")).to_be_visible()
    await picture(page, "allowed")
    fifth = await tomorrow(cast, address, "fifth", 13)

    async def let_in() -> bool:
        with contextlib.suppress(Refused):  # it is nobody's yet until its address is resolved
            return bool((await owner.view(fifth))["state"] == "approved")
        return False

    await until(let_in, "the standing approval let it in")
    assert (await owner.view(fifth))["question"]["level"] == "standing"
    mail = await owner.mail.wait(owner.address, "Approved: a delivery by Parcel Post")
    while "Nobody was asked: your standing approval let it in." not in mail:
        mail = await owner.mail.wait(owner.address, "Approved: a delivery by Parcel Post")
    await page.goto(f"{web.url}/deliveries/{fifth}")
    await page.get_by_role("button", name="Block", exact=True).click()
    await page.get_by_role("button", name="Yes, block it").click()
    await expect(page.locator("#state")).to_contain_text("Block")

    # paired: the passkey proves its key on the page, somebody in the car gives it to the unit, the car says so
    await page.goto(f"{web.url}/cars/{vehicle}/passkey")
    await expect(page.locator("#state")).to_have_text("No passkey was ever paired in this car")
    await hand.verifies(False)
    await page.get_by_role("button", name="Show First passkey").click()
    await expect(page.locator("#said")).to_contain_text("Your passkey did not sign, so nothing was shown")
    await hand.verifies(True)
    await page.get_by_role("button", name="Show First passkey").click()
    await expect(page.get_by_role("heading", name="2. Take it to the car")).to_be_visible()
    async with page.expect_download() as begun:
        await page.get_by_role("link", name="Save the file").click()
    await (await begun.value).save_as(tmp_path / "passkey.json")
    document = json.loads((tmp_path / "passkey.json").read_text("utf-8"))
    assert await faults(page) == []
    await picture(page, "pairing")
    paired = await stand.car("vera", ignition=True, pair_owner=document)
    shown = await page.locator("#fingerprint").inner_text()
    assert [one["fingerprint"] for one in paired["owner_keys"]] == [shown]
    await expect(page.locator("#state")).to_have_text("The car knows 1 passkey and does not ask for it")
    await stand.car("vera", require_owner=True)
    await expect(page.locator("#state")).to_have_text("The car opens for no key without its owner's passkey")
    await stand.kill("unit-vera")
