"""The operator's pages: signing in, health, vehicles, carriers, addresses, for everybody and with no script at all."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web as aiohttp_web
from playwright.async_api import Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand, decide, until
from tests.journey.test_pages_desk import shot
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import Refused
from trunkline.ports import free_port

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER


def token(stand: Stand) -> str:
    [file] = list(stand.directory.rglob("operator.token"))
    return file.read_text("utf-8").strip()


async def sign_in(stand: Stand, web: Chromium, **options: Any) -> Page:
    page = await web.page(**options)
    await page.goto(f"{web.url}/operator/webhooks")
    await expect(page).to_have_url(f"{web.url}/operator/sign-in")
    await page.get_by_label("Operator's token").fill(token(stand))
    await page.get_by_role("button", name="Sign in").click()
    await expect(page).to_have_url(f"{web.url}/operator")
    await page.goto(f"{web.url}/operator/webhooks")
    return page


@asynccontextmanager
async def address(cast: Cast) -> AsyncIterator[tuple[str, dict[str, int], Sink]]:
    """A carrier's address whose answer the test chooses: takes pings, and news while ``status`` says so."""
    says, sink, port = {"status": 204}, Sink(), free_port()
    app = aiohttp_web.Application()

    async def take(request: aiohttp_web.Request) -> aiohttp_web.Response:
        taken = await sink._take(request)
        return (
            taken if says["status"] == 204 else aiohttp_web.Response(status=says["status"], text="<b>no</b>")
        )

    app.router.add_post("/hooks", take)
    runner = aiohttp_web.AppRunner(app, access_log=None)
    await runner.setup()
    await aiohttp_web.TCPSite(runner, "127.0.0.1", port).start()
    api, carrier = cast.carrier.api, cast.carrier.token
    asked = {"url": f"http://127.0.0.1:{port}/hooks?key=hidden", "types": ["delivery.*"]}
    made = await api.call("POST", "/v1/webhook-endpoints", asked, token=carrier)
    sink.secret = made["secret"]
    try:

        async def enabled() -> bool:
            found = await api.call("GET", f"/v1/webhook-endpoints/{made['id']}", token=carrier)
            return bool(found["state"] == "enabled")

        await until(enabled, "the address is enabled")
        yield made["id"], says, sink
    finally:
        await api.call("DELETE", f"/v1/webhook-endpoints/{made['id']}", token=carrier)
        await runner.cleanup()


async def test_an_operator_looks_and_acts(stand: Stand, cast: Cast, web: Chromium, tmp_path: Path) -> None:
    async with address(cast) as (endpoint, says, sink):
        page = await sign_in(stand, web)
        card = page.get_by_role("region", name="127.0.0.1").filter(has_text=endpoint)
        await expect(card.get_by_text("enabled", exact=True)).to_be_visible()
        assert "key=hidden" not in await page.content(), "what may be a secret of the address is not shown"
        says["status"] = 410
        delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="operator")
        await decide(cast.owner, delivery, "decline")
        await page.goto(f"{web.url}/operator/webhooks/{endpoint}")

        async def died() -> bool:
            await page.reload()
            return await page.get_by_text("it says that it is gone (410)", exact=True).count() > 0

        await until(died, "the address is disabled")
        await expect(page.get_by_text("<b>no</b>").first).to_be_visible()
        assert await faults(page) == []
        await page.set_viewport_size({"width": 390, "height": 844})
        await page.screenshot(path=str(tmp_path / "address.png"), full_page=True)
        says["status"] = 204
        await page.get_by_role("button", name="Enable by a ping").click()
        await expect(page.get_by_role("status")).to_contain_text("answered with 2xx")
        await page.get_by_role("button", name="Send delivery").first.click()
        await expect(page.get_by_role("status")).to_contain_text("on its way again")
        await sink.wait("delivery.declined", delivery)
        await page.get_by_role("button", name="Exchange the secret").click()
        assert (await page.locator(".address").inner_text()).startswith("whsec_")
        assert await faults(page) == []
        await page.get_by_role("link", name="Back to the address").click()
        await page.get_by_role("button", name="Disable").click()
        await expect(page.get_by_role("status")).to_contain_text("Nothing is sent")
        await page.goto(f"{web.url}/operator/webhooks")
        assert await faults(page) == []
        await page.get_by_role("button", name="Sign out").click()
        await expect(page.get_by_label("Operator's token")).to_be_visible()
        await page.go_back()
        await expect(page.get_by_label("Operator's token")).to_be_visible()
        assert await faults(page) == []


async def test_the_installation_is_looked_at_and_parts_of_it_stopped(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    """With no script: what is dangerous unfolds first, then it is done, and the page says how it stands."""
    page = await sign_in(stand, web, javascript=False, viewport={"width": 1280, "height": 800})
    ways = page.get_by_role("navigation", name="Operator's pages")
    await ways.get_by_role("link", name="Start").click()
    await expect(page.get_by_text("Every part of the log is read").first).to_be_visible()
    await shot(page, tmp_path / "start.png")

    await ways.get_by_role("link", name="Vehicles").click()
    await page.get_by_role("link", name=cast.vehicle).click()

    async def awake() -> bool:
        await page.reload()  # the car may be back on the air since a moment, from the test before
        return await page.get_by_text("awake", exact=True).count() > 0

    await until(awake, "the car is awake")
    await page.get_by_text("Put it in quarantine", exact=True).click()
    await page.get_by_role("button", name="Yes, quarantine it").click()
    await expect(page.get_by_role("status")).to_contain_text("Nothing from this vehicle is taken")
    await shot(page, tmp_path / "vehicle.png")
    await page.get_by_text("Release it", exact=True).click()
    await page.get_by_role("button", name="Yes, release it").click()
    await expect(page.get_by_text("in service", exact=True)).to_be_visible()

    made = await stand.more_carrier(cast.carrier.api, "Stopped Parcels")
    await ways.get_by_role("link", name="Carriers").click()

    async def listed() -> bool:
        await page.reload()
        return await page.get_by_role("link", name="Stopped Parcels").count() > 0

    await until(listed, "the carrier is listed")
    await page.get_by_role("link", name="Stopped Parcels").click()
    await page.get_by_text("Stop this carrier", exact=True).click()
    await page.get_by_role("button", name="Yes, stop it").click()
    await expect(page.get_by_role("status")).to_contain_text("It is frozen")
    with pytest.raises(Refused):
        await made.order(cast.address, courier=cast.courier.courier, reference="stopped")
    await ways.get_by_role("link", name="Agents").click()
    await shot(page, tmp_path / "agents.png")

    # What is drawn is the same with scripts, which axe needs: each page, German and Dutch among them.
    seen = await web.page(locale="de-DE")
    await seen.context.add_cookies(await page.context.cookies())  # type: ignore[arg-type]
    for path in ("", f"/vehicles/{cast.vehicle}", "/vehicles", "/carriers", "/agents", "/letters"):
        await seen.goto(f"{web.url}/operator{path}")
        assert await seen.locator("html").get_attribute("lang") == "de"
        assert await faults(seen) == [], path


async def test_it_is_read_without_a_script(stand: Stand, cast: Cast, web: Chromium) -> None:
    async with address(cast) as (endpoint, _, _):
        page = await sign_in(stand, web, javascript=False)
        await (
            page.get_by_role("region", name="127.0.0.1").filter(has_text=endpoint).get_by_role("link").click()
        )
        await expect(page.get_by_text("Attempts", exact=True)).to_be_visible()
        await page.get_by_role("button", name="Ping").click()
        await expect(page.get_by_role("status")).to_contain_text("answered with 2xx")


async def test_a_token_that_is_not_good_is_said_to_be(web: Chromium) -> None:
    web.foresee("/operator/sign-in", "401")
    page = await web.page()
    await page.goto(f"{web.url}/operator/sign-in")
    await page.get_by_label("Operator's token").fill("tlo_3k7m9qxd4hwe2a5t." + "A" * 43)
    await page.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_role("alert")).to_contain_text("not good")
    assert await faults(page) == []


async def test_only_our_own_pages_may_change_anything(stand: Stand, cast: Cast, web: Chromium) -> None:
    async with (
        address(cast) as (endpoint, _, _),
        httpx.AsyncClient(base_url=web.url, trust_env=False) as client,
    ):
        ours = {"Sec-Fetch-Site": "same-origin"}
        theirs = {"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
        form = {"token": token(stand)}
        assert (await client.post("/operator/sign-in", data=form, headers=theirs)).status_code == 403
        assert (await client.post("/operator/sign-in", data=form)).status_code == 403, "no word of where from"
        planted = "A" * 43
        client.cookies.set("tl_operator", planted, domain="127.0.0.1")
        answer = await client.post("/operator/sign-in", data=form, headers=ours)
        cookie = answer.headers["set-cookie"]
        assert answer.status_code == 303
        assert planted not in cookie, "a session that was there before is not taken over"
        for word in ("HttpOnly", "SameSite=strict", "Path=/", "Max-Age=1800"):
            assert word in cookie
        assert token(stand) not in cookie
        client.cookies.clear()
        own = {"Cookie": cookie.partition(";")[0]}
        page = f"/operator/webhooks/{endpoint}"
        assert (await client.get(page, headers=own)).status_code == 200
        for action in ("ping", "disable", "resend", "recover", "rotate"):
            for headers in ({**own, **theirs}, own, {**own, "Sec-Fetch-Site": "same-site"}):
                assert (await client.post(f"{page}/{action}", headers=headers)).status_code == 403, action
            away = await client.post(f"{page}/{action}", headers=ours)
            assert (away.status_code, away.headers["location"]) == (303, "/operator/sign-in"), action
            assert (await client.get(f"{page}/{action}", headers=own)).status_code in {404, 405}
        for data in (
            {"message": "x"},
            {"message": "msg_3aaaaaaaaaaaaaaa.x.1-0.ep.3bbbbbbbbbbbbbbb"},
            {"message": "\x00"},
        ):
            answer = await client.post(f"{page}/resend", data=data, headers={**own, **ours})
            assert answer.headers["location"].endswith("said=refused")
        for data in ({}, {"message": ""}, {"message": "a" * 201}):
            answer = await client.post(f"{page}/resend", data=data, headers={**own, **ours})
            assert answer.status_code == 422
        for hours in ("0", "-1", "x", "1e9", "337"):
            answer = await client.post(f"{page}/recover", data={"hours": hours}, headers={**own, **ours})
            assert answer.status_code == 422
        for path in (
            "/operator/webhooks/ep_0000000000000000",
            "/operator/webhooks/x",
            f"{page}?after=x",
            f"{page}?dead=-1",
        ):
            assert (await client.get(path, headers=own)).status_code in {404, 422}
        said = await client.get(f"{page}?said=<script>", headers=own)
        assert "<script>" not in said.text
        assert (await client.post("/operator/sign-out", headers={**own, **ours})).status_code == 303
        assert (await client.get(page, headers=own)).status_code == 303, (
            "the session has ended, not only the cookie"
        )


async def test_a_session_ends_with_its_operator(stand: Stand, web: Chromium) -> None:
    async with httpx.AsyncClient(base_url=web.url, trust_env=False) as client:
        ours = {"Sec-Fetch-Site": "same-origin"}
        for odd in ("", "x", "tlo_3k7m9qxd4hwe2a5t." + "A" * 43, "tls_" + token(stand)[4:], "\x00" * 20):
            answer = await client.post("/operator/sign-in", data={"token": odd}, headers=ours)
            assert answer.status_code in {401, 422}
            assert "set-cookie" not in answer.headers
        for cookie in ("x", "A" * 43, "A" * 4000, "../../x"):
            answer = await client.get("/operator/webhooks", headers={"Cookie": f"tl_operator={cookie}"})
            assert answer.status_code == 303
