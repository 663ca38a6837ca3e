"""The courier's phone, from its code to the last photo, and what goes wrong in between."""

import asyncio
from typing import Final

from playwright.async_api import Page, Route, expect

from tests.journey.phone import NEAR, at_the_car, held
from tests.journey.stand import HOME, PROFILE, Cast, Stand, until
from tests.journey.test_pages_courier import job_of, picture, plated
from tests.screenshots.world import Scene, Shot, World, still
from vehicle_unit.control import NotRunning

CAR: Final = "picture-car"


async def _phone(world: World) -> Page:
    """One enrolled phone for all scenes; what it shows of the car is what an owner may say of one."""
    if "phone" not in world.kept:
        # Its car is one whose person at the boot has time: the lid stays up until somebody shuts it.
        stand = world.stand
        unhurried = stand.directory / "unhurried.toml"
        text = PROFILE.read_text("utf-8").replace("shut_within = 2\n", "shut_within = 12\n")
        unhurried.write_text(text, "utf-8")
        options = ("--settings", str(unhurried), "--position", f"{HOME[0]},{HOME[1]}", "--lifts-after", "0.1")
        await stand.by_hand(lambda: stand.stage.add_car(CAR, options=options))
        await until(lambda: _runs(stand), "the car's unit listens")
        world.kept["address"] = await world.cast.owner.make_address(
            await stand._claimed(world.cast.owner, CAR)
        )
        await stand.car(CAR, by_hand=True)
        courier, code = await world.cast.carrier.name_courier("Kim")
        page = await at_the_car(world.web)
        await page.goto(f"{world.web.url}/courier#{code}")
        await page.locator("#enrol-form button").click()
        await page.locator("#list").wait_for()
        # It never comes where a file was changed since the installation was started.
        await asyncio.wait_for(page.evaluate("navigator.serviceWorker.ready.then(() => undefined)"), 30)
        await page.route("**/v1/courier/jobs/dlv_*", _read)
        world.kept |= {"phone": page, "kim": courier}
    return world.kept["phone"]  # type: ignore[no-any-return]


async def _runs(stand: Stand) -> bool:
    try:
        await stand.car(CAR)
    except NotRunning:
        return False
    return True


async def _read(route: Route) -> None:
    if route.request.method == "GET":
        await plated(route)
    else:
        await route.continue_()


async def _job(world: World, name: str, *, steps: int = 0) -> tuple[Page, str]:
    """A job of this phone, gone on by so many of its one button."""
    page = await _phone(world)
    delivery = await job_of(world.cast, world.kept["kim"], name, address=world.kept["address"])
    await page.goto(f"{world.web.url}/courier#{delivery}")
    for _ in range(steps):
        await page.locator("#main-act button").first.click()
        await page.wait_for_function(
            "before => document.getElementById('state').textContent !== before",
            arg=await page.locator("#state").inner_text(),
        )
    await page.locator("#main-act > *").first.wait_for()
    return page, delivery


def _shot(page: Page, wait: str = "#state") -> Shot:
    return Shot("/courier" + page.url.partition("/courier")[2], wait, page=page)


async def _empty(world: World) -> Shot:
    return _shot(await _phone(world), "#no-jobs")


async def _ready(world: World) -> Shot:
    page, delivery = await _job(world, "4711-0815")
    world.kept["job"] = delivery
    return _shot(page, "#main-act button")


async def _list(world: World) -> Shot:
    page = await _phone(world)
    await job_of(world.cast, world.kept["kim"], "a second one", address=world.kept["address"])
    await page.goto(f"{world.web.url}/courier#")
    await expect(page.locator("#entries a")).to_have_count(2)
    return _shot(page, "#entries a")


async def _way(world: World) -> Shot:
    page = await _phone(world)
    await page.goto(f"{world.web.url}/courier#{world.kept['job']}")
    await page.locator("#main-act button").click()
    await world.cast.carrier.wait_for(world.kept["job"], {"en_route"})
    await page.context.set_geolocation(NEAR)  # type: ignore[arg-type]
    await expect(page.locator("#far")).to_contain_text("100")
    return _shot(page, "#way")


async def _reason(world: World) -> Shot:
    page = await _phone(world)
    await page.locator("#main-act button").click()
    return _shot(page, "#why")


async def _no_network(world: World) -> Shot:
    page = await _phone(world)
    await page.context.set_offline(True)
    await page.locator("#reason").fill("The car is one floor down")
    await page.locator("#why button").click()
    return _shot(page, "#waiting")


async def _here(world: World) -> Shot:
    page = await _phone(world)
    await page.context.set_offline(False)
    await world.cast.carrier.wait_for(world.kept["job"], {"arrived"})
    return _shot(page, "button.hold")


async def _two_taps(world: World) -> Shot:
    page = await _phone(world)
    await page.locator("#with-act button").first.click()
    return _shot(page, ".sure")


async def _said_no(world: World) -> Shot:
    page = await _phone(world)
    await world.stand.car(CAR, ignition=True)
    await page.locator(".sure button").first.click()
    await page.locator("#stands.bad").wait_for()
    await world.stand.car(CAR, ignition=False)
    return _shot(page, "#stands.bad")


async def _open(world: World) -> Shot:
    page = await _phone(world)
    await page.reload()
    await page.locator("button.hold").wait_for()
    await held(page, await page.locator("button.hold").inner_text())
    await world.cast.carrier.wait_for(world.kept["job"], {"open"})
    return _shot(page, "#main-act label, #main-act button")


async def _owner_sees_it(world: World) -> Shot:
    await _phone(world)
    return Shot(f"/deliveries/{world.kept['job']}", "#timeline li", world.owner)


async def _left_open(world: World) -> Shot:
    page = await _phone(world)
    await world.cast.carrier.wait_for(world.kept["job"], {"left_open"})
    return _shot(page, "#stands.bad")


async def _photo(world: World) -> Shot:
    page = await _phone(world)
    jpeg = await picture(page)
    await page.locator("input[type=file]").first.set_input_files(
        {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": jpeg}
    )
    return _shot(page, "#state")


async def _done(world: World) -> Shot:
    page = await _phone(world)
    await world.stand.car(CAR, lid="shut")
    await world.cast.carrier.wait_for(world.kept["job"], {"closed", "delivered"})
    await _locked(world.cast, world.kept["job"])
    if await page.locator("#main-act button").count():
        await page.locator("#main-act button").first.click()
    await world.cast.carrier.wait_for(world.kept["job"], {"delivered"})
    return _shot(page, "#stands.good")


async def _locked(cast: Cast, delivery: str) -> None:
    async def told() -> bool:
        return "locked" in (await cast.carrier.view(delivery))["times"]

    await until(told, "locked is told")


async def _cannot(world: World) -> Shot:
    page, _ = await _job(world, "no room")
    await page.locator("#failing summary").click()
    return _shot(page, "#fail")


async def _failed(world: World) -> Shot:
    page = await _phone(world)
    await page.locator("#fail input").nth(1).check()
    await page.locator("#fail button").click()
    await page.locator("#failing").wait_for(state="hidden")
    return _shot(page, "#state")


async def _blocked(world: World) -> Shot:
    page, delivery = await _job(world, "blocked", steps=1)
    owner = world.cast.owner
    await owner.api.call("POST", f"/v1/owner/deliveries/{delivery}/block", {}, token=owner.token)
    await page.locator("#stands.bad").wait_for()
    return _shot(page, "#stands.bad")


COURIER: Final[dict[str, Scene]] = {
    "courier": still("/courier", "#enrol"),
    "courier-none": _empty,
    "courier-ready": _ready,
    "courier-list": _list,
    "courier-way": _way,
    "courier-reason": _reason,
    "courier-offline": _no_network,
    "courier-here": _here,
    "courier-two-taps": _two_taps,
    "courier-refused": _said_no,
    "courier-open": _open,
    "delivery-open": _owner_sees_it,
    "courier-left-open": _left_open,
    "courier-photo": _photo,
    "courier-done": _done,
    "courier-cannot": _cannot,
    "courier-failed": _failed,
    "courier-blocked": _blocked,
}
"""In this order: one job goes through most of them."""
