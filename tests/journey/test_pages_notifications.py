"""Notifications in a real browser: turned on, a question shown by the real service worker, decided, opened, ended.

No push service can be reached from a test, so the browser's half of one is played: ``subscribe`` gives keys of the
test's own, our service posts to the test's push service, and what it sealed is handed to the worker by the debugger.
"""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest_asyncio
from playwright.async_api import Browser as Launched
from playwright.async_api import CDPSession, Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, cast, launched, web
from tests.journey.stand import Cast, decide, until
from tests.journey.test_pages_for_everybody import faults
from tests.push_service import Browser, PushService

__all__ = ["cast", "web"]
pytestmark = IN_THE_BROWSER


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def browser() -> AsyncIterator[Launched]:
    """A whole browser: the shell shows no notifications."""
    async with launched(whole=True) as made:
        yield made


SUBSCRIBES = """(() => { const json = %s; let on = false;
  const made = { ...json, toJSON: () => json, unsubscribe: async () => { on = false; return true } };
  PushManager.prototype.getSubscription = async () => on ? made : null;
  PushManager.prototype.subscribe = async (asked) => {
    if (!asked.userVisibleOnly || asked.applicationServerKey.length !== 87) throw new DOMException('asked wrongly', 'NotAllowedError');
    on = true; return made } })()"""
NEVER = """(() => { PushManager.prototype.getSubscription = async () => null;
  PushManager.prototype.subscribe = () => { window.asked = true; return new Promise(() => {}) } })()"""
DENIED = "Object.defineProperty(Notification, 'permission', { get: () => 'denied' })"
SHOWN = """async () => (await (await navigator.serviceWorker.ready).getNotifications())
  .map(({ title, body, tag, silent, data }) => ({ title, body, tag, silent, url: data.url }))"""
ACTIVE = """async () => { const { active } = await navigator.serviceWorker.ready;
  while (active.state !== 'activated') await new Promise((done) => active.addEventListener('statechange', done, { once: true })) }"""
CLICK = """(tag) => self.registration.getNotifications({ tag }).then(async ([shown]) => {
  let done; const event = new NotificationEvent('notificationclick', { notification: shown });
  event.waitUntil = (work) => { done = work };
  self.dispatchEvent(event); await done })"""
NOTES_WINDOWS = """() => { self.clients.openWindow = async (url) => { self.opened = url };
  WindowClient.prototype.focus = async function () { self.focused = this.url } }"""
"""Browsers let a worker open or focus a window after a person's click only: what it would do is noted."""


class Worker:
    """The real service worker of a page's browser."""

    def __init__(self, page: Page, debugger: CDPSession, registration: str, origin: str) -> None:
        self.page = page
        self._debugger = debugger
        self._about = {"origin": origin, "registrationId": registration}

    @classmethod
    async def of(cls, page: Page, origin: str) -> "Worker":
        debugger = await page.context.new_cdp_session(page)
        known: list[dict[str, Any]] = []
        debugger.on(
            "ServiceWorker.workerRegistrationUpdated", lambda said: known.extend(said["registrations"])
        )
        await debugger.send("ServiceWorker.enable")

        async def there() -> bool:
            return any(one["scopeURL"] == f"{origin}/" for one in known)

        await until(there, "the worker is registered")
        await page.evaluate(ACTIVE)  # what is pushed to a worker that still starts is not shown
        mine = next(one for one in reversed(known) if one["scopeURL"] == f"{origin}/")
        return cls(page, debugger, mine["registrationId"], origin)

    async def pushed(self, said: dict[str, Any] | str) -> None:
        data = said if isinstance(said, str) else json.dumps(said)
        await self._debugger.send("ServiceWorker.deliverPushMessage", {**self._about, "data": data})

    async def shows(self, title: str, *, pushed: dict[str, Any] | None = None) -> dict[str, Any]:
        """The notification with this title, once it is on the screen.

        ``pushed``: what is said to it, and again after a while, as push services do: the browser puts away what was
        clicked by its tag, and that may still be on its way when another with that tag is shown.
        """
        found: list[dict[str, Any]] = []
        looks = 0

        async def there() -> bool:
            nonlocal looks
            if pushed is not None and looks % 100 == 0:
                await self.pushed(pushed)
            looks += 1
            found[:] = [one for one in await self.page.evaluate(SHOWN) if one["title"] == title]
            return bool(found)

        await until(there, f"shown: {title}")
        return found[0]


async def titled(device: Browser, title: str) -> dict[str, Any]:
    """What our service pushed to a browser, once it has come."""

    async def there() -> bool:
        return title in device.titles()

    await until(there, f"pushed: {title}")
    return next(one.said for one in device.got if one.said["title"] == title)


async def open_page(web: Chromium, cast: Cast, script: str, **options: Any) -> Page:
    page = await web.page(session=cast.owner.token, permissions=["notifications"], **options)
    await page.context.add_init_script(script)
    return page


async def test_a_notification_from_the_button_to_the_decided_page(cast: Cast, web: Chromium) -> None:
    async with PushService.running() as service:
        device = service.browser()
        page = await open_page(web, cast, SUBSCRIBES % json.dumps(device.json))
        await page.goto(f"{web.url}/notifications")
        await expect(page.locator("#how")).to_have_text("Notifications are off in this browser.")
        assert await faults(page) == []
        await page.get_by_role("button", name="Turn on in this browser").focus()
        await page.keyboard.press("Enter")
        await expect(page.locator("#how")).to_have_text("Notifications are on in this browser.")
        await expect(page.locator("#devices li")).to_have_count(1)
        assert await faults(page) == []
        assert "Not you?" in await cast.owner.mail.wait(
            cast.owner.address, "A new device shows your notifications"
        )
        worker = await Worker.of(page, web.url)
        await worker.pushed(await titled(device, "Notifications are on"))
        await worker.shows("Notifications are on")

        delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="pushed")
        asked = await titled(device, "May Parcel Post deliver into your car?")
        await worker.pushed(asked)
        shown = await worker.shows("May Parcel Post deliver into your car?")
        assert (shown["url"], shown["tag"], shown["silent"]) == (f"/deliveries/{delivery}", delivery, False)
        [running] = [one for one in page.context.service_workers if one.url == f"{web.url}/sw.js"]
        await running.evaluate(NOTES_WINDOWS)
        await running.evaluate(CLICK, delivery)
        assert await running.evaluate("self.opened") == f"/deliveries/{delivery}"

        async def put_away() -> bool:  # the browser is told, and does it a moment later
            return delivery not in [one["tag"] for one in await page.evaluate(SHOWN)]

        await until(put_away, "what was clicked is put away")
        opened = await web.tab(page.context)
        await opened.goto(f"{web.url}/deliveries/{delivery}")
        await expect(opened.locator("#state")).to_have_text("Your answer is awaited")
        await worker.shows("May Parcel Post deliver into your car?", pushed=asked)
        await running.evaluate(CLICK, delivery)
        assert await running.evaluate("self.focused") == f"{web.url}/deliveries/{delivery}", (
            "the tab that shows it"
        )
        await worker.pushed(asked)

        await decide(cast.owner, delivery, "decline")
        over = await titled(device, "Declined: a delivery by Parcel Post")
        shown = await worker.shows("Declined: a delivery by Parcel Post", pushed=over)
        assert (shown["tag"], shown["silent"]) == (delivery, True)
        await worker.pushed(asked)  # a push service may turn the order round
        await worker.pushed("no JSON at all")
        await worker.shows("Trunkline")
        titles = [one["title"] for one in await page.evaluate(SHOWN)]
        assert "May Parcel Post deliver into your car?" not in titles, (
            "what is older never covers what is newer"
        )

        service.answers = [(410, {})]
        await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="gone")

        async def ended() -> bool:
            await page.reload()
            await expect(page.locator("#said")).to_be_empty()
            return await page.locator("#devices li").count() == 0

        await until(ended, "the device that is gone has ended")
        await page.get_by_role("button", name="Turn on in this browser").click()
        await expect(page.locator("#devices li")).to_have_count(1)
        visits = page.get_by_label("Visits to a garage: booked, moved, cancelled")
        await expect(visits).to_be_checked()
        await visits.press("Space")
        await expect(page.locator("#chosen")).to_have_text("Kept.")
        chosen = await page.evaluate("async () => (await fetch('/v1/owner/notifications')).json()")
        assert chosen == {"faults": True, "visits": False, "mended": True}
        quiet = page.locator(f"#on-{cast.vehicle}")
        await quiet.check()
        await expect(page.locator("#kept")).to_have_text("Quiet hours are set.")
        assert await faults(page) == []
        await quiet.uncheck()
        await expect(page.locator("#kept")).to_have_text("There are no quiet hours now.")
        await page.get_by_role("button", name="Turn off in this browser").click()
        await expect(page.locator("#how")).to_have_text("Notifications are off in this browser.")
        await expect(page.locator("#none")).to_be_visible()

        installable = await (await page.context.new_cdp_session(page)).send("Page.getAppManifest")
        assert installable["errors"] == []
        assert installable["url"] == f"{web.url}/manifest.webmanifest"


async def test_a_push_service_that_never_answers_and_a_browser_that_may_not(
    cast: Cast, web: Chromium
) -> None:
    page = await open_page(web, cast, NEVER)
    await page.clock.install()
    await page.goto(f"{web.url}/notifications")
    await page.get_by_role("button", name="Turn on in this browser").click()

    async def subscribing() -> bool:
        return bool(await page.evaluate("window.asked"))

    await until(subscribing, "the browser is asked")
    await page.clock.fast_forward(21_000)
    await expect(page.locator("#turned")).to_contain_text("could not reach its push service")
    await expect(page.locator("#how")).to_have_text("Notifications are off in this browser.")
    refused = await open_page(web, cast, DENIED)
    await refused.goto(f"{web.url}/notifications")
    await expect(refused.locator("#why")).to_contain_text("was told not to show notifications")
    await expect(refused.locator("#toggle")).to_be_hidden()
    assert await faults(refused) == []
