"""The courier's page without any service behind it: kept whole, one version at a time, changed only when asked."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI
from playwright.async_api import Browser, expect
from starlette.types import Receive, Scope, Send

from delivery import courier_pages
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser
from tests.journey.stand import until
from trunkline import headers
from trunkline.app import templates
from trunkline.delivering import _shared
from trunkline.ports import free_port

__all__ = ["browser"]
pytestmark = IN_THE_BROWSER

SHOWN = "getComputedStyle(document.body).getPropertyValue('--version').trim()"


@dataclass
class Deployed:
    """A server whose version can be changed: each has a stylesheet of its own."""

    port: int
    asked: list[str] = field(default_factory=list)
    app: FastAPI | None = None

    def deploy(self, version: str) -> None:
        def shared(path: str) -> bytes | None:
            more = f"\nbody {{ --version: {version}; }}\n".encode() if path.endswith(".css") else b""
            data = _shared(path)
            return None if data is None else data + more

        app = FastAPI()
        routes = courier_pages.routes(templates(), shared, csp=headers.csp(policy="courier-worker"), words={})
        app.router.routes.extend(routes.routes)
        for path in courier_pages.shell(courier_pages.source(templates()), courier_pages.own_files(), shared):
            if path.startswith("/static/"):
                courier_pages.serve(app.router, path, shared(path) or b"")
        app.add_middleware(headers.SecurityHeaders)
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.asked.append(scope["path"])
        assert self.app is not None
        await self.app(scope, receive, send)


@asynccontextmanager
async def deployed() -> AsyncIterator[Deployed]:
    """Serving version one on loopback."""
    made = Deployed(free_port())
    made.deploy("one")
    config = uvicorn.Config(made, port=made.port, log_level="warning", lifespan="off")
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())

    async def up() -> bool:
        return server.started

    await until(up, "it serves")
    try:
        yield made
    finally:
        server.should_exit = True
        await serving


async def test_the_page_is_kept_whole_and_changes_only_when_asked(browser: Browser) -> None:
    async with deployed() as site:
        web = Chromium(browser, f"http://localhost:{site.port}")
        page = await web.page()
        await page.goto(f"{web.url}/courier")
        await expect(page.get_by_role("button", name="Enrol this phone")).to_be_visible()
        await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
        await page.wait_for_function("navigator.serviceWorker.controller !== null")
        assert await page.evaluate(SHOWN) == "one"

        await page.context.set_offline(True)
        await page.reload()
        await expect(page.get_by_role("button", name="Enrol this phone")).to_be_visible()
        await page.context.set_offline(False)

        site.deploy("two")
        site.asked.clear()
        await page.evaluate(
            "navigator.serviceWorker.getRegistration().then((one) => one.update()).then(() => undefined)"
        )
        await expect(page.get_by_text("There is a newer version of this page.")).to_be_visible()
        await page.evaluate("fetch('/static/trunkline.css').then((answer) => answer.text())")
        assert await page.evaluate(SHOWN) == "one"
        assert "/courier/sw.js" in site.asked
        await page.get_by_role("button", name="Use it now").click()
        await page.wait_for_function(f"{SHOWN} === 'two'")
        names: list[str] = await page.evaluate("caches.keys()")
        assert len(names) == 1

        broken = site.app
        site.deploy("three")
        whole, site.app = site.app, None
        assert whole is not None
        assert broken is not None

        async def torn(scope: Scope, receive: Receive, send: Send) -> None:
            """A deployment half done: the worker is new, the stylesheet is the old one."""
            await (broken if scope["path"].endswith(".css") else whole)(scope, receive, send)

        site.app = torn  # type: ignore[assignment]
        failed = await page.evaluate(
            """async () => {
                const registration = await navigator.serviceWorker.getRegistration();
                await registration.update().catch(() => undefined);
                const worker = registration.installing;
                if (worker) await new Promise((done) => worker.addEventListener("statechange", done, { once: true }));
                return [Boolean(registration.waiting), worker ? worker.state : "redundant"];
            }"""
        )
        assert failed == [False, "redundant"]
        await page.reload()
        assert await page.evaluate(SHOWN) == "two"

        async def tidy() -> bool:
            return bool(await page.evaluate("caches.keys()") == names)

        await until(tidy, "no half of a version is left")
        await page.context.close()
        assert [one for one in web.complaints if "redundant" not in one] == []


async def test_a_phone_that_is_enrolled_for_somebody_else_forgets_the_former_ones_token(
    browser: Browser,
) -> None:
    """Without a reload in between, while the token is still good; what was being sent is not put back either."""
    async with deployed() as site:
        web = Chromium(browser, f"http://localhost:{site.port}")
        page = await web.page()
        await page.goto(f"{web.url}/courier")
        await expect(page.get_by_role("button", name="Enrol this phone")).to_be_visible()
        said = await page.evaluate(
            """async () => {
                const [{ call }, device, { later, sendAll, waiting }, { all }] = await Promise.all(
                    ["api", "device", "outbox", "store"].map((name) => import(`/courier/${name}.js`)));
                const answer = (status, said) => new Response(JSON.stringify(said), {
                    status, headers: { "Content-Type": "application/json" } });
                const asked = [];
                let during = null;
                globalThis.fetch = async (path, { headers, body }) => {
                    if (path === "/v1/courier/session")
                        return answer(200, { token: device.claims(JSON.parse(body).assertion).iss, expires_in: 600 });
                    asked.push(headers.Authorization);
                    await during?.();
                    return during ? answer(404, { code: "delivery.unknown" }) : answer(200, {});
                };
                const become = async (id) => {
                    await device.enrolment(id + "00000000");
                    await device.enrolled({ id, name: id });
                };
                await become("c1");
                await call("GET", "/v1/courier/jobs");
                await become("c2");
                await call("GET", "/v1/courier/jobs");
                during = () => become("c3");
                await later("dlv_1", "done");
                await later("dlv_2", "done");
                await sendAll();
                return [asked, (await all("outbox")).length];
            }"""
        )
        assert said == [["Bearer c1", "Bearer c2", "Bearer c2"], 0]
