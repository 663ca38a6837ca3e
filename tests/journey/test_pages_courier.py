"""The courier's page on a phone: enrolled by QR, working without signal, opening only by a held button."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from playwright.async_api import Page, Request, Route, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, cast
from tests.journey.phone import HERE, NEAR, Radio, at_the_car, film, held, look_at, phones, web
from tests.journey.stand import Cast, Stand, decide, until
from tests.journey.test_pages_for_everybody import faults
from trunkline.ports import free_port
from vehicle_unit.control import ask

__all__ = ["cast", "film", "phones", "web"]
pytestmark = IN_THE_BROWSER

TAKEN_OUT = "document.dispatchEvent(new Event('visibilitychange'))"
"""The phone is taken out of its pocket: it looks at once, instead of within five seconds."""
KEPT: Final = """async (store) => new Promise((done) => {
    const request = indexedDB.open("trunkline-courier");
    request.onsuccess = () => {
        const all = request.result.transaction(store).objectStore(store).getAll();
        all.onsuccess = () => { request.result.close(); done(all.result); };
    };
})"""


async def job_of(cast: Cast, courier: str, reference: str, *, address: str = "") -> str:
    """A job of this courier that the owner has approved, with its key made."""
    delivery = await cast.carrier.order(address or cast.address, courier=courier, reference=reference)
    await decide(cast.owner, delivery)
    await cast.carrier.wait_for(delivery, {"keyed"})
    return delivery


async def plated(route: Route) -> None:
    """The job with what its owner may have said of the car: the car of all tests is left as it is."""
    answer = await route.fetch()
    job = await answer.json()
    job["looks"] = {"name": "Grandma's Volvo", "plate": "AB-123-C", "colour": "blue"}
    await route.fulfill(response=answer, json=job)


TITLES: Final = """() => {
    const state = document.getElementById("state");
    window.titles = [];
    const note = () => window.titles.push(state.textContent);
    new MutationObserver(note).observe(state, { childList: true, characterData: true, subtree: true });
}"""
"""Notes whatever the page says of the job from now on."""


async def enrolled(cast: Cast, web: Chromium, *, slow: timedelta | None = None) -> tuple[Page, str]:
    """A phone that was enrolled by the link of a code, and whose it is. ``slow``: how far its clock is behind."""
    courier, code = await cast.carrier.name_courier("Kim")
    page = await at_the_car(web)
    if slow is not None:
        web.foresee("/v1/courier/enrolment", "422")
        await page.clock.install(time=datetime.now(UTC) - slow)
    await page.goto(f"{web.url}/courier#{code}")
    await page.get_by_role("button", name="Enrol this phone").click()
    await expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
    return page, courier


async def at_the_boot(cast: Cast, page: Page, delivery: str) -> None:
    """From the list to the button that opens."""
    await page.goto(f"{page.url.partition('#')[0]}#{delivery}")
    await page.get_by_role("button", name="Set out").click()
    await page.get_by_role("button", name="I am here").click()
    await expect(page.get_by_role("button", name="Hold to open")).to_be_visible()


def photographed(jpeg: bytes) -> bytes:
    """The picture as a camera would write it: with who made it where, and lying on its side."""
    maker = b"SpyPhone\x00"
    tiff = b"MM\x00*\x00\x00\x00\x08\x00\x02"
    tiff += b"\x01\x0f\x00\x02" + len(maker).to_bytes(4, "big") + b"\x00\x00\x00\x26"
    tiff += b"\x01\x12\x00\x03\x00\x00\x00\x01\x00\x06\x00\x00" + b"\x00\x00\x00\x00" + maker
    exif = b"Exif\x00\x00" + tiff
    return jpeg[:2] + b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif + jpeg[2:]


async def picture(page: Page) -> bytes:
    """A JPEG of 1800 x 900 px, made by the browser itself."""
    made = await page.evaluate(
        """async () => {
            const canvas = new OffscreenCanvas(1800, 900);
            const pen = canvas.getContext("2d");
            pen.fillStyle = "#b24"; pen.fillRect(0, 0, 900, 900);
            const blob = await canvas.convertToBlob({ type: "image/jpeg" });
            return btoa(Array.from(new Uint8Array(await blob.arrayBuffer()), (one) => String.fromCharCode(one)).join(""));
        }"""
    )
    return photographed(base64.b64decode(made))


async def test_from_the_code_to_the_photo_with_no_signal_in_between(
    cast: Cast, web: Chromium, film: Path
) -> None:
    courier, code = await cast.carrier.name_courier("Robin")
    look_at(film, "parcel-77")
    page = await at_the_car(web)
    await page.goto(f"{web.url}/courier")
    await _enrolled_by_camera(page, film, web, code)
    delivery = await job_of(cast, courier, "parcel-77")
    await page.reload()
    assert await faults(page) + await small(page) == []
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.route(f"**/jobs/{delivery}", plated)
    await page.locator(f"a[href='#{delivery}']").click()
    await expect(page.locator("#plate")).to_have_text("AB-123-C")
    await expect(page.locator("#looks")).to_have_text("blue · Grandma's Volvo")
    assert await faults(page) + await small(page) == []
    await page.unroute(f"**/jobs/{delivery}")
    await page.get_by_role("button", name="Set out").click()
    await page.get_by_role("button", name="Flash the lights").click()
    await expect(page.locator("#said")).to_have_text("The lights flash.")

    await _arrives_without_signal(page, web)
    await cast.carrier.wait_for(delivery, {"arrived"})
    look_at(film, "parcel-77")
    await page.get_by_role("button", name="Scan a parcel").click()
    await expect(page.locator("#parcel-said")).to_have_text("This parcel belongs here.")
    assert await faults(page) + await small(page) == []

    async def cut(route: Route) -> None:
        """The signal is gone right behind the answer."""
        answer = await route.fetch()
        await page.context.set_offline(True)
        await route.fulfill(response=answer)

    await page.route("**/open", cut)
    await held(page)
    await expect(page.locator("#state")).to_have_text("Open")
    assert await faults(page) + await small(page) == []
    await _photographs_without_signal(page, web)
    await expect(page.locator("#state")).to_have_text("Done")
    view = await cast.carrier.wait_for(delivery, {"delivered"})
    assert len(view["photos"]) == 1

    await expect(page.locator("#waiting")).to_be_hidden()
    await until(lambda: _forgot(page, "keys"), "no key stays")
    await until(lambda: _forgot(page, "jobs"), "no job stays")
    kept: list[str] = await page.evaluate(
        """async () => (await Promise.all((await caches.keys()).map(async (name) =>
            (await (await caches.open(name)).keys()).map((one) => new URL(one.url).pathname)))).flat()"""
    )
    assert "/courier" in kept
    assert not [one for one in kept if one.startswith("/v1")]
    await _hostile(page)
    await _removed(cast, page, web, courier)


async def small(page: Page) -> list[str]:
    """What can be pressed and is less than 64 px high."""
    found: list[str] = await page.evaluate(
        """[...document.querySelectorAll("main :is(a, button, label.button, label.choice, summary, input)")]
            .filter((one) => one.checkVisibility() && !one.closest("label input") && !one.classList.contains("unseen"))
            .filter((one) => one.getBoundingClientRect().height < 64).map((one) => one.outerHTML)"""
    )
    return found


async def _enrolled_by_camera(page: Page, film: Path, web: Chromium, code: str) -> None:
    """Another code is not taken for one; a mistyped one neither; then the right one, by camera."""
    assert await faults(page) + await small(page) == []
    await page.get_by_role("button", name="Scan the code").click()
    await expect(page.locator("#enrol-said")).to_contain_text("This is not an enrolment code")
    web.foresee("/v1/courier/enrolment", "409")
    await page.get_by_label("Or type it").fill("AAAAA-AAAAA")
    await page.get_by_role("button", name="Enrol this phone").click()
    await expect(page.locator("#enrol-said")).to_contain_text("This code is not right")
    look_at(film, f"{web.url}/courier#{code}")
    await page.get_by_role("button", name="Scan the code").click()
    await expect(page.get_by_role("heading", name="Your jobs")).to_be_visible()
    kept: dict[str, Any] = await page.evaluate(
        f"""async () => {{
            const [device] = await ({KEPT})("device");
            const taken = await crypto.subtle.exportKey("pkcs8", device.keys.privateKey).catch((no) => no.name);
            return {{ taken, name: device.name, extractable: device.keys.privateKey.extractable }};
        }}"""
    )
    assert kept == {"taken": "InvalidAccessError", "name": "Robin", "extractable": False}
    await page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")


async def _arrives_without_signal(page: Page, web: Chromium) -> None:
    """Said 100 m away with a reason, in a garage without signal; the page is closed and opened there."""
    web.foresee_no_network("/v1/courier")
    await page.context.set_geolocation(NEAR)
    await expect(page.locator("#far")).to_have_text("100 m to the south")
    await page.context.set_offline(True)
    await page.get_by_role("button", name="I am here").click()
    await page.get_by_label("You are not right beside the car.").fill("The car is one floor down")
    await page.get_by_role("button", name="Send", exact=True).click()
    await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
    await page.reload()
    await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
    await expect(page.locator("#state")).to_have_text("You are here")
    await expect(page.locator("#live")).to_contain_text("no network")
    await page.context.set_offline(False)
    await expect(page.locator("#waiting")).to_be_hidden()
    await page.context.set_geolocation(HERE)


async def _photographs_without_signal(page: Page, web: Chromium) -> None:
    """What leaves the phone is upright, small, and says nothing about camera or place."""
    jpeg = await picture(page)
    assert b"SpyPhone" in jpeg
    field = page.get_by_label("Take a photo")
    await field.set_input_files({"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": jpeg})
    await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
    sent = await page.evaluate(
        f"""async () => {{
            const [item] = await ({KEPT})("outbox");
            const picture = await createImageBitmap(new Blob([item.bytes]));
            const text = String.fromCharCode(...new Uint8Array(item.bytes.slice(0, 4000)));
            return [picture.width, picture.height, item.bytes.byteLength <= 1e6, /Exif|SpyPhone/.test(text)];
        }}"""
    )
    assert sent == [800, 1600, True, False]
    names: list[str] = []

    async def answer_lost(route: Route) -> None:
        """The service has the photo, the phone does not hear so, and sends it again."""
        names.append(route.request.headers["idempotency-key"])
        if len(names) == 1:
            await route.fetch()
            await route.abort()
        else:
            await route.continue_()

    web.foresee("/v1/courier", "ERR_FAILED")
    await page.route("**/photo", answer_lost)
    await page.context.set_offline(False)
    await expect(page.locator("#waiting")).to_be_hidden()
    assert names == [names[0]] * 2


async def _has(page: Page, store: str) -> bool:
    return bool(await page.evaluate(KEPT, store))


async def _forgot(page: Page, store: str) -> bool:
    """What the phone forgets goes from its disk a moment before or after the screen says so."""
    return not await _has(page, store)


async def _hostile(page: Page) -> None:
    """What a radio says that is no car's, a file that is no photo, and codes that are none: each meets its bound."""
    answers = await page.evaluate(
        """async () => {
            const { openNearby, receipts } = await import("/courier/nearby.js");
            const { carWords, explain } = await import("/courier/problems.js");
            const said = (answer) => ({ ask: async () => answer });
            const codes = [];
            for (const no of ["Call 555 now", "revoked", ["revoked"], "a".repeat(99), null, undefined])
                codes.push((await openNearby(said({ no }), "dlv_x", "a.b.c")).code);
            const ends = [];
            for (const found of [[null], [5], ["x"], ["a.bnVsbA.c"], [{}], "x"])
                ends.push(await receipts(said({ ok: { receipts: found } }), () => ends.push("told")));
            return [codes, ends.every((end) => end === undefined), carWords("constructor"), typeof explain("constructor"),
                (await openNearby(null, "dlv_x", "a.b.c")).outcome];
        }"""
    )
    codes = ["internal", "revoked", "internal", "internal", "internal", "internal"]
    assert answers == [codes, True, "", "string", "not_sent"]
    refused = await page.evaluate(
        """async () => {
            const { reencoded } = await import("/courier/photo.js");
            const files = [new File([new Uint8Array(65_000_000)], "big.jpg"), new File(["x"], "x.png"), new File([], "")];
            return Promise.all(files.map((one) => reencoded(one).catch((no) => no.message.slice(0, 27))));
        }"""
    )
    assert refused == ["This picture cannot be read"] * 3
    courier = await page.evaluate(
        """async () => {
            const { device, enrolment, putBack } = await import("/courier/device.js");
            const before = (await device()).courier;
            // No answer to the first, another one typed, and that one is not good: the enrolment before stands again.
            for (const code of ["AAAAA-AAAAA", "BBBBB-BBBBB"]) await enrolment(code);
            await putBack();
            return before === (await device()).courier;
        }"""
    )
    assert courier is True


async def _removed(cast: Cast, page: Page, web: Chromium, courier: str) -> None:
    """Who has a job no more sees nothing of it, and who is no courier any more is told so, on whatever page that is."""
    delivery = await job_of(cast, courier, "left behind")
    job = f"**/jobs/{delivery}"
    await page.route(job, plated)
    await page.goto(f"{web.url}/courier#{delivery}")
    await expect(page.locator("#plate")).to_be_visible()
    web.foresee("/v1/courier", "404")
    await page.unroute(job)
    await page.route(job, lambda route: route.fulfill(status=404, json={"code": "delivery.not_found"}))
    await page.evaluate(TAKEN_OUT)
    await expect(page.locator("#said")).to_contain_text("This job is not yours any more")
    await expect(page.locator("#car")).to_be_hidden()
    await expect(page.locator("#acts button:visible")).to_have_count(0)
    await until(lambda: _forgot(page, "jobs"), "nothing of the job stays")
    await page.unroute(job)
    await page.evaluate(TAKEN_OUT)
    await expect(page.locator("#state")).to_have_text("Ready")
    await until(lambda: _has(page, "keys"), "the key is on the phone")

    api, token = cast.carrier.api, cast.carrier.token
    web.foresee("/v1/courier", "401")
    await page.context.set_offline(True)
    web.foresee_no_network("/v1/courier")
    await page.evaluate(
        """async (job) => (await import("/courier/outbox.js")).later(job, "photo", { bytes: new ArrayBuffer(9) })""",
        delivery,
    )
    await expect(page.locator("#waiting")).to_have_text("1 waiting to send")
    await api.call("DELETE", f"/v1/couriers/{courier}", token=token)
    await page.context.set_offline(False)
    await expect(page.locator("#enrol-said")).to_contain_text("This phone is not enrolled any more")
    await expect(page.locator("#job")).to_be_hidden()
    await expect(page.locator("#refusals")).to_contain_text("Photo")
    for store in ("jobs", "keys"):
        await until(partial(_forgot, page, store), "no plate, place or key stays")
    left = await page.evaluate(KEPT, "outbox")
    assert [(one["refused"], one.get("bytes"), one.get("json")) for one in left] == [
        ("device.unknown", None, None)
    ]
    await api.call("POST", f"/v1/deliveries/{delivery}/cancel", token=token)
    for language in ("nl", "de"):
        await page.context.add_cookies([{"name": "tl_language", "value": language, "url": web.url}])
        await until(partial(_speaks, page, language), f"the page speaks {language}")
        await expect(page.locator("#enrol")).to_be_visible()
        assert await faults(page) + await small(page) == []


async def _speaks(page: Page, language: str) -> bool:
    """After a look. Where the network took long the page is the one that was kept, as it was spoken then."""
    await page.reload()
    return await page.locator("html").get_attribute("lang") == language


async def test_signal_lost_during_an_opening_and_back_a_minute_later_opens_nothing(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    page, courier = await enrolled(cast, web, slow=timedelta(hours=1))
    delivery = await job_of(cast, courier, "lost")
    await at_the_boot(cast, page, delivery)
    tries: list[Request] = []

    async def swallowed(route: Route) -> None:
        """The request has left the phone, and no answer ever comes."""
        tries.append(route.request)

    await page.route("**/open", swallowed)
    # The phone's clock stands still meanwhile: on a busy machine a finger may come up late, and that were a hold.
    await page.clock.pause_at(await page.evaluate("Date.now()") / 1000 + 1)
    await page.get_by_role("button", name="Hold to open").click()
    await page.clock.run_for(2_000)
    await expect(page.locator("#state")).to_have_text("You are here")
    assert tries == []  # a tap is no hold
    await page.clock.resume()
    await held(page)
    await until(lambda: _is(len(tries) == 1), "the request has left")
    web.foresee("/v1/courier", "ERR_")
    await page.clock.fast_forward(10_000)
    await expect(page.locator("#state")).to_have_text("We cannot tell whether it opened.")
    await expect(page.locator("#next")).to_contain_text("Look at the boot.")
    await page.context.set_offline(True)
    await held(page)
    await expect(page.locator("#state")).to_have_text("Not sent. Nothing was opened.")

    await page.clock.fast_forward(60_000)
    await page.context.set_offline(False)
    await expect(page.locator("#live")).to_have_text("online")
    async with page.expect_response(f"**/jobs/{delivery}") as looked:
        await page.clock.fast_forward(60_000)
    assert (await (await looked.value).json())["state"] == "arrived"
    assert len(tries) == 1
    assert (await stand.car())["lock"] == "latched"
    view = await cast.carrier.view(delivery)
    assert (view["state"], "opened" in view["times"]) == ("arrived", False)
    await page.unroute("**/open")

    await stand.car(ignition=True)
    await page.get_by_role("button", name="Open with two taps instead").click()
    await page.get_by_role("button", name="Yes, open it").click()
    await expect(page.locator("#state")).to_have_text("The car said no. Nothing was opened.")
    await expect(page.locator("#next")).to_contain_text("not parked with its ignition off")
    await stand.car(ignition=False)
    button = page.get_by_role("button", name="Hold to open")
    await button.focus()
    late, job = list[str](), f"**/jobs/{delivery}"

    async def behind(route: Route) -> None:
        """The answer to the tap has come, and the service's own account of the job has not heard of it yet."""
        answer = await route.fetch()
        told = await answer.json()
        # A look from before the tap, or whatever comes after two that were late, is told as it is.
        if told["state"] != "arrived" and len(late) < 2:
            late.append("opening")
            told |= {"state": "opening", "can": []}
        await route.fulfill(response=answer, json=told)

    await page.route(job, behind)
    await page.evaluate(TITLES)
    await page.keyboard.down("Space")
    await cast.carrier.wait_for(delivery, {"open", "closed", "delivered"})
    await page.keyboard.up("Space")
    await expect(page.locator("#state")).to_have_text("Done")
    titles: list[str] = await page.evaluate("window.titles")
    await page.unroute(job)
    assert len(late) == 2
    assert "Asking the car…" in titles
    assert "Asking the car…" not in titles[titles.index("Open") :], (
        "the car is open: nothing is asked any more"
    )

    place = {"to": "neighbour", "line": "Jansen, Kade 2", "when_declined": False}
    path, ada = f"/v1/owner/cars/{cast.vehicle}/fallback", cast.owner
    await ada.api.call("PUT", path, {"place": place}, token=ada.token, headers={"If-Match": "*"})
    other = await job_of(cast, courier, "no room")

    async def unreachable(route: Route) -> None:
        """The job as the service tells it of a car that sleeps."""
        answer = await route.fetch()
        job = await answer.json()
        job["car"]["reach"], job["fallback"] = "asleep", {"to": "neighbour", "until": None}
        await route.fulfill(response=answer, json=job)

    await page.route(f"**/jobs/{other}", unreachable)
    await page.goto(f"{web.url}/courier#{other}")
    await expect(page.locator("#state")).to_have_text("Ready")
    web.foresee(f"/v1/courier/jobs/{other}/fail", "409")
    await page.get_by_role("button", name="Take it to the place that the owner named").click()
    assert await faults(page) + await small(page) == []
    await page.get_by_role("button", name="Yes, end it").click()
    await expect(page.locator("#said")).to_have_text("The car can be reached now. You can set out.")
    await expect(page.locator("#instead")).to_be_hidden()
    await page.unroute(f"**/jobs/{other}")
    await page.locator("#failing summary").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await page.keyboard.press("ArrowDown")
    await expect(page.get_by_label("No room in the boot")).to_be_checked()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Enter")
    await expect(page.locator("#state")).to_have_text("Not delivered")
    await expect(page.locator("#instead-line")).to_have_text("Jansen, Kade 2")
    await expect(page.locator("#next")).to_have_text(
        "The owner named another place for the parcel: take it there."
    )
    assert await faults(page) == []
    view = await cast.carrier.view(other)
    assert (view["failure"], view["fallback"]["to"]) == ("no_room", "neighbour")
    await ada.api.call("PUT", path, {"place": None}, token=ada.token, headers={"If-Match": "*"})


async def test_a_car_without_network_is_opened_over_bluetooth_by_a_phone_without_network(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    port = free_port()
    options = (*stand.unit_options(), "--link", f"127.0.0.1:{port}")
    await stand.by_hand(lambda: stand.stage.add_car("cellar", options=options))
    address = await cast.owner.make_address(await stand._claimed(cast.owner, "cellar"))
    page, courier = await enrolled(cast, web)
    delivery = await job_of(cast, courier, "cellar", address=address)
    radio = Radio(page, port, mtu=185)
    await radio.on()
    await page.goto(f"{web.url}/courier#{delivery}")
    await page.reload()
    await expect(page.locator("#state")).to_have_text("Ready")

    async def fetched() -> bool:
        return bool(await page.evaluate(KEPT, "keys"))

    await until(fetched, "the key is on the phone")
    await stand.car("cellar", mode="no_coverage")

    async def away() -> bool:
        return not (await ask(stand.unit_folder("cellar"), {}))["connected"]

    await until(away, "the car is off the air")
    await expect(page.locator("#about")).to_contain_text("has no network now", timeout=60_000)
    web.foresee("/v1/courier", "409")
    await page.get_by_role("button", name="Set out").click()
    await expect(page.locator("#said")).to_contain_text("The car cannot be reached now")
    await page.get_by_role("button", name="Set out all the same").click()
    await expect(page.get_by_role("button", name="I am here")).to_be_visible()
    web.foresee_no_network("/v1/courier")
    await page.context.set_offline(True)
    await page.get_by_role("button", name="I am here").click()
    await page.get_by_role("button", name="Connect to the car by Bluetooth").click()
    await held(page, "Hold to open by Bluetooth")
    await expect(page.locator("#state")).to_have_text("Shut")
    assert await faults(page) + await small(page) == []
    assert 100 < radio.longest_write <= 182
    await expect(page.locator("#waiting")).to_contain_text("waiting to send")
    assert (await cast.carrier.view(delivery))["state"] == "en_route"

    await page.context.set_offline(False)
    view = await cast.carrier.wait_for(delivery, {"closed", "delivered"})
    assert {"opened", "closed"} <= set(view["times"])
    await expect(page.locator("#waiting")).to_be_hidden()
    await expect(page.locator("#refused")).to_be_hidden()
    await cast.carrier.wait_for(delivery, {"delivered"})
    await expect(page.locator("#state")).to_have_text("Done")
    told = [
        fact for fact in (await cast.carrier.evidence(delivery))["facts"] if fact["kind"] == "boot.opened"
    ]
    assert [fact["via"] for fact in told] == ["local"]
    await radio.off()
    await stand.car("cellar", mode="awake")


async def _is(true: object) -> bool:
    return bool(true)
