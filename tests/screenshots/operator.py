"""The operator's pages, each with something on it."""

from typing import Final

from playwright.async_api import expect

from tests.journey.stand import decide, until
from tests.journey.test_pages_operator import address, token
from tests.screenshots.world import Scene, Shot, World, still


async def _operator(world: World, path: str, *, unfold: bool = False) -> Shot:
    if "operator" not in world.kept:
        page = await world.web.page()
        await page.goto(f"{world.web.url}/operator/sign-in")
        await page.locator("#token").fill(token(world.stand))
        await page.locator("form button").first.click()
        await page.wait_for_url("**/operator**")
        cookies = await page.context.cookies()
        world.kept["operator"] = {one["name"]: one["value"] for one in cookies if "operator" in one["name"]}
        await page.context.close()
    return Shot(path, "h1", world.kept["operator"], unfold=unfold)


def _at(path: str) -> Scene:
    async def scene(world: World) -> Shot:
        return await _operator(world, path)

    return scene


async def _vehicle(world: World) -> Shot:
    return await _operator(world, f"/operator/vehicles/{world.cast.vehicle}", unfold=True)


async def _carrier(world: World) -> Shot:
    shot, page = await _operator(world, "/operator/carriers"), await world.web.page()
    await page.context.add_cookies(
        [{"name": key, "value": said, "url": world.web.url} for key, said in shot.cookies.items()]
    )
    await page.goto(f"{world.web.url}/operator/carriers")
    path = await page.locator("a.entry").first.get_attribute("href")
    assert path
    await page.context.close()
    return await _operator(world, path, unfold=True)


async def _address(world: World) -> Shot:
    """One that has refused what it was sent, so that there are attempts and a disabled state to see."""
    endpoint, says, _ = await world.until_the_end.enter_async_context(address(world.cast))
    world.kept["endpoint"] = endpoint
    says["status"] = 410
    cast = world.cast
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="address")
    await decide(cast.owner, delivery, "decline")
    path = f"/v1/webhook-endpoints/{endpoint}"

    async def gone() -> bool:
        found = await cast.carrier.api.call("GET", path, token=cast.carrier.token)
        return bool(found["state"] != "enabled")

    await until(gone, "the address is disabled")
    says["status"] = 204
    return await _operator(world, f"/operator/webhooks/{endpoint}", unfold=True)


async def _rotated(world: World) -> Shot:
    shot = await _operator(world, f"/operator/webhooks/{world.kept['endpoint']}")
    page = await world.web.page()
    await page.context.add_cookies(
        [{"name": key, "value": said, "url": world.web.url} for key, said in shot.cookies.items()]
    )
    await page.goto(world.web.url + shot.path)
    await page.locator("form[action$='/rotate'] button").click()
    await expect(page.locator(".address")).to_contain_text("whsec_")
    return Shot(page.url.removeprefix(world.web.url), ".address", page=page)


OPERATOR: Final[dict[str, Scene]] = {
    "operator-sign-in": still("/operator/sign-in"),
    "operator": _at("/operator"),
    "operator-vehicles": _at("/operator/vehicles"),
    "operator-vehicle": _vehicle,
    "operator-carriers": _at("/operator/carriers"),
    "operator-carrier": _carrier,
    "operator-address": _address,
    "operator-rotated": _rotated,
    "operator-webhooks": _at("/operator/webhooks"),
    "operator-letters": _at("/operator/letters"),
    "operator-agents": _at("/operator/agents"),
}
