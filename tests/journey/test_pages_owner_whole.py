"""An owner's whole way in a real browser: link, passkey, home, yes, live opened and closed, evidence; cut off meanwhile."""

import json
import struct
import zlib
from pathlib import Path
from secrets import token_hex
from typing import Final

import aiohttp
from playwright.async_api import Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand
from tests.journey.test_delivery import _verified
from tests.journey.test_pages_approving import picture
from tests.journey.test_pages_for_everybody import faults
from tests.journey.test_pages_passkeys import Hand, ask_api, by_mail

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

ZOE: Final = f"zoe.{token_hex(4)}@example.org"
"""Nobody before: also where an installation is used again."""


async def joins(cast: Cast, page: Page, web: Chromium) -> None:
    """Somebody of the household, invited to the car as one who may approve."""
    invited = {"email": ZOE, "role": "driver", "may_approve": True}
    path = f"/v1/owner/cars/{cast.vehicle}/people"
    invitation = await cast.owner.api.call("POST", path, invited, token=cast.owner.token)
    await page.goto(f"{web.url}/invitations/{invitation['id']}")
    await page.get_by_role("button", name="Accept").click()
    await expect(page.locator("#said")).to_have_text("Done: the car is among yours.")


async def leaves(cast: Cast) -> None:
    path = f"/v1/owner/cars/{cast.vehicle}/people"
    for one in (await cast.owner.api.call("GET", path, token=cast.owner.token))["data"]:
        if one["role"] == "driver":
            await cast.owner.api.call("DELETE", f"{path}/{one['person']}", token=cast.owner.token)


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


async def photographed(cast: Cast, delivery: str) -> None:
    """The courier's phone sends a picture: 40 by 30 dots of one grey, PNG."""
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", 40, 30, 8, 0, 0, 0, 0))
    dots = _chunk(b"IDAT", zlib.compress((b"\0" + b"\x99" * 40) * 30))
    picture = b"\x89PNG\r\n\x1a\n" + head + dots + _chunk(b"IEND", b"")
    url = f"{cast.courier.api.url}/v1/courier/jobs/{delivery}/photo"
    headers = {"Authorization": f"Bearer {cast.courier.token}", "Content-Type": "image/png"}
    async with aiohttp.ClientSession() as phone, phone.post(url, data=picture, headers=headers) as answer:
        assert answer.status == 200, await answer.text()


async def speaks(page: Page, language: str, url: str) -> None:
    """The reader chooses a language, as the page's own choice does by its cookie."""
    await page.context.add_cookies([{"name": "tl_language", "value": language, "url": url}])


async def test_from_the_link_to_the_evidence(stand: Stand, cast: Cast, web: Chromium, tmp_path: Path) -> None:
    page = await web.page()
    hand = await Hand.of(page)
    await by_mail(page, cast, web, ZOE)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
    await page.get_by_role("button", name="Go on").click()
    await expect(page.get_by_text("Add your car below, make an address for it")).to_be_visible()
    assert await faults(page) == []
    await picture(page, "empty")
    await joins(cast, page, web)
    await page.goto(web.url)
    await expect(page.locator("#live")).to_have_text("live")

    # What needs a decision comes by itself, first, and leads to the one card.
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="whole")
    waiting = page.get_by_role("region", name="Waits for your decision")
    await expect(waiting).to_contain_text("May Parcel Post deliver into your car?")
    await expect(page).to_have_title("(1) Your deliveries and cars - Trunkline")
    assert await faults(page) == []
    await picture(page, "home")
    link = waiting.get_by_role("link", name="Approve…: May Parcel Post deliver into your car?")
    await link.focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#needed")).to_contain_text("Answer with your passkey. It is the first time")
    approve = page.get_by_role("button", name="Approve with your passkey")
    await expect(approve).to_be_focused()
    box = await approve.bounding_box()
    assert box
    assert box["y"] + box["height"] < 844  # at hand, however long the card
    await picture(page, "card")
    await hand.verifies(False)
    await page.keyboard.press("Enter")
    await expect(page.locator("#said")).to_contain_text("Your passkey did not sign, so nothing was decided")
    await hand.verifies(True)
    await page.keyboard.press("Enter")
    state, timeline = page.locator("#state"), page.locator("#timeline")
    await expect(state).to_have_text("Approved; the key is ready")
    await expect(timeline).to_contain_text("The key dies by itself, unless it is used up before")

    # Somebody in a tunnel: nothing is lost of what happened there.
    key = await cast.courier.key(delivery)
    web.foresee_no_network("/v1/owner/deliveries/", "/static/")
    await page.context.set_offline(True)
    await expect(page.locator("#live")).to_contain_text("reconnecting, as of ")
    await cast.courier.arrive(delivery)
    await cast.courier.open(delivery, key)
    await expect(state).to_have_text("Approved; the key is ready")
    await page.context.set_offline(False)
    await expect(timeline).to_contain_text("Courier set out")
    await expect(timeline).to_contain_text("Courier at your car")
    await expect(timeline).to_contain_text("Opened")
    await expect(page.locator("#live")).to_have_text("live")

    await stand.car_comes_to("latched")
    await expect(state).to_have_text("The boot is shut and locked")
    await photographed(cast, delivery)
    await cast.courier.post(delivery, "done")
    await expect(state).to_have_text("Done")
    await expect(page.locator("#facts")).to_contain_text("used up; it can never open again")
    times = await timeline.locator("time").all_inner_texts()
    assert len(times) >= 9
    assert all(len(one) == len("14:03:11") for one in times)

    await page.get_by_role("button", name="Look at photo 1").click()
    await expect(page.get_by_role("img", name="Photo 1 by the courier")).to_be_visible()
    async with page.expect_download() as begun:
        await page.get_by_role("link", name="Download the evidence").click()
    file = tmp_path / (await begun.value).suggested_filename
    await (await begun.value).save_as(file)
    assert file.name == f"{delivery}.evidence.json"
    kept, command = tmp_path / "assertion.json", stand.stage.command
    wrote = await stand.by_hand(command, "evidence", "assertion", delivery, "--out", str(kept))
    assert wrote == {"file": str(kept)}
    said = await stand.by_hand(command, "evidence", "verify", str(file), "--assertion", str(kept))
    assert said["checks"][-1] == {
        "what": "the approvals name what the passkey signed",
        "ok": True,
        "why": "1 given",
    }
    assert _verified(stand, file)
    assert await faults(page) == []
    await picture(page, "done")

    await page.goto(f"{web.url}/cars/{cast.vehicle}")
    log = page.get_by_role("region", name="Who was at its boot")
    await expect(log).to_contain_text("Sam of Parcel Post")
    await expect(log).to_contain_text("locked")
    await expect(page.get_by_role("region", name="Addresses for shops")).to_be_hidden()
    assert await faults(page) == []
    await page.goto(web.url)
    await expect(page.get_by_role("region", name="Past")).to_contain_text("done")
    await leaves(cast)


async def test_the_owner_s_pages_for_everybody_in_dutch_and_german(cast: Cast, web: Chromium) -> None:
    """The frame at least: what has no translation yet is said in English."""
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="languages")
    page = await web.page(session=cast.owner.token)
    car = f"/cars/{cast.vehicle}"
    for language in ("nl", "de"):
        await speaks(page, language, web.url)
        for path in ("/", car, f"{car}/passkey", "/account", "/passkeys", f"/deliveries/{delivery}"):
            await page.goto(web.url + path)
            await expect(page.locator("#said")).to_be_empty()
            assert await page.evaluate("document.documentElement.lang") == language
            await page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
            if language == "nl":
                assert await faults(page) == [], path
            # The longest words of the four languages: the rest of the page is the same.
            await page.set_viewport_size({"width": 320, "height": 800})
            assert await page.evaluate("document.documentElement.scrollWidth") <= 320, (language, path)
            tops = "new Set([...document.querySelectorAll('.bar nav a')].map((one) => one.offsetTop)).size"
            assert await page.evaluate(tops) == 1, f"the bar's three words stand in one line: {language}"
            await picture(
                page, f"{path.split('/')[1] or 'start'}{'-passkey' * path.endswith('passkey')}-{language}"
            )


async def test_an_account_is_looked_at_saved_and_erased(cast: Cast, web: Chromium, tmp_path: Path) -> None:
    page, abe = await web.page(), f"abe.{token_hex(4)}@example.org"
    await by_mail(page, cast, web, abe)
    await page.goto(f"{web.url}/account")
    await page.get_by_label("Whoever shares a car with you reads it").fill("Abe")
    await page.get_by_role("button", name="Keep this name").click()
    await expect(page.locator("#named")).to_have_text("Kept.")
    await page.get_by_label("Another e-mail").fill(f"raham.{abe}")
    await page.get_by_role("button", name="Change my e-mail").click()
    await expect(page.locator("#changing")).to_contain_text(f"raham.{abe} takes its place from")
    assert await faults(page) == []
    await page.get_by_role("button", name="Keep my e-mail as it is").click()
    await expect(page.locator("#moved")).to_have_text("Your e-mail stays as it is.")
    await expect(page.locator("#changing")).to_be_hidden()

    async with page.expect_download() as begun:
        await page.get_by_role("button", name="Save my data as a file").click()
    file = tmp_path / "mine.json"
    await (await begun.value).save_as(file)
    saved = json.loads(file.read_text("utf-8"))
    assert (saved["me"]["name"], saved["me"]["email"], saved["cars"]) == ("Abe", abe, [])
    assert [one["current"] for one in saved["sessions"]["data"]] == [True]

    await page.get_by_role("button", name="Erase me").click()
    await page.get_by_role("button", name="Yes, erase me").click()
    await expect(page.get_by_role("link", name="Sign in")).to_be_visible()
    web.foresee("/v1/me", "401")
    assert (await ask_api(page, "GET", "/v1/me"))["status"] == 401
