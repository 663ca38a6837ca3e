"""What is photographed: each scene brings a page into a state and says where it is and whose it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from playwright.async_api import Page

from tests.journey.chromium import Chromium
from tests.journey.stand import Cast, Stand, decide, finish, ready_to_open, until
from tests.journey.test_pages_booking import garage, opened
from tests.journey.test_pages_cases import reported
from tests.journey.test_pages_deciding import asked
from tests.journey.test_pages_desk import agent, scanned, wants_calls
from tests.journey.test_pages_operator import token


@dataclass(frozen=True, slots=True)
class Shot:
    """``wait``: a selector that shows when the page is whole. ``page``: one that is open already, and is taken as it is."""

    path: str
    wait: str = "h1"
    cookies: Mapping[str, str] = field(default_factory=dict)
    page: Page | None = None


@dataclass
class World:
    """The installation, its people, and the browser in which they prepare."""

    stand: Stand
    cast: Cast
    web: Chromium
    deliveries: dict[str, str] = field(default_factory=dict)
    kept: dict[str, Any] = field(default_factory=dict)

    @property
    def owner(self) -> dict[str, str]:
        """The owner's session."""
        return {"tl_session": self.cast.owner.token}

    async def delivery(self, name: str) -> str:
        """A delivery that waits for its answer; the same one for each name."""
        if name not in self.deliveries:
            self.deliveries[name], _ = await asked(self.cast, reference=name)
        return self.deliveries[name]


Scene = Callable[[World], Awaitable[Shot]]


def _still(path: str, wait: str = "h1", *, owner: bool = False) -> Scene:
    async def scene(world: World) -> Shot:
        return Shot(path, wait, world.owner if owner else {})

    return scene


async def _asked_by_mail(world: World) -> Shot:
    _, path = await asked(world.cast, reference="by mail")
    return Shot(path, "#question")


async def _waits(world: World) -> Shot:
    return Shot(f"/deliveries/{await world.delivery('waits')}", "#answers", world.owner)


async def _start(world: World) -> Shot:
    await world.delivery("waits")
    return Shot("/", "#yours", world.owner)


async def _at_the_car(world: World) -> Shot:
    delivery, key = await ready_to_open(world.cast, "at the car")
    world.kept |= {"at the car": delivery, "key": key}
    return Shot(f"/deliveries/{delivery}", "#stop", world.owner)


async def _done(world: World) -> Shot:
    delivery = world.kept["at the car"]
    await world.cast.courier.open(delivery, world.kept["key"])
    await finish(world.cast, delivery)
    return Shot(f"/deliveries/{delivery}", "#timeline li", world.owner)


async def _declined(world: World) -> Shot:
    delivery = await world.cast.carrier.order(
        world.cast.address, courier=world.cast.courier.courier, reference="declined"
    )
    await decide(world.cast.owner, delivery, "decline")
    return Shot(f"/deliveries/{delivery}", "#timeline li", world.owner)


async def _cases(world: World) -> Shot:
    world.kept["case"] = (await reported(world.stand, world.cast))["id"]
    return Shot("/cases", "article, .card", world.owner)


async def _case(world: World) -> Shot:
    return Shot(f"/cases/{world.kept['case']}", "h1", world.owner)


async def _visit(world: World) -> Shot:
    await garage(world.stand)
    async with opened(world.stand, world.cast, 91) as case:
        page = await world.web.page(session=world.cast.owner.token)

        async def offered() -> bool:
            await page.goto(f"{world.web.url}/cases/{case}/book")
            return await page.get_by_role("radio").count() > 0

        await until(offered, "the garage's times are offered")
        await page.context.close()
    return Shot(f"/cases/{case}/book", "form", world.owner)


async def _car(world: World) -> Shot:
    return Shot(f"/cars/{world.cast.vehicle}", "h1", world.owner)


async def _pairing(world: World) -> Shot:
    return Shot(f"/cars/{world.cast.vehicle}/passkey", "h1", world.owner)


async def _desk(world: World) -> Shot:
    vehicle, _, _ = await world.stand.more_car(world.cast, "pictured-car")
    await wants_calls(world.cast, vehicle)
    page = await agent(world.stand, world.cast, world.web, "ann@pictures.example", role="supervisor")
    await scanned(world.stand, vehicle, "P0524")
    world.kept["desk"] = page
    await page.goto(f"{world.web.url}/desk")
    await page.locator("#list li").first.wait_for()
    return Shot("/desk", "#list li", page=page)


async def _desk_call(world: World) -> Shot:
    page: Page = world.kept["desk"]
    await page.locator("#list li button").first.click()
    await page.locator("#case-title").wait_for()
    return Shot("/desk", "#case", page=page)


async def _wallboard(world: World) -> Shot:
    return Shot("/desk/wallboard", "#working", page=world.kept["desk"])


async def _operator(world: World, path: str) -> Shot:
    if "operator" not in world.kept:
        page = await world.web.page()
        await page.goto(f"{world.web.url}/operator/sign-in")
        await page.locator("#token").fill(token(world.stand))
        await page.locator("form button").first.click()
        await page.wait_for_url("**/operator**")
        cookies = await page.context.cookies()
        world.kept["operator"] = {one["name"]: one["value"] for one in cookies if "operator" in one["name"]}
        await page.context.close()
    return Shot(path, "h1", world.kept["operator"])


def _operators(path: str) -> Scene:
    async def scene(world: World) -> Shot:
        return await _operator(world, path)

    return scene


SCENES: Final[dict[str, Scene]] = {
    "home": _still("/"),
    "sign-in": _still("/sign-in", "#ask"),
    "sign-in-link": _still(f"/sign-in#{'a' * 43}", "#follow"),
    "confirm-email": _still(f"/confirm-email#{'a' * 43}", "#follow"),
    "keep-email": _still(f"/keep-email#{'a' * 43}", "#follow"),
    "keep-passkeys": _still(f"/keep-passkeys#{'a' * 43}", "#follow"),
    "invitation": _still("/invitations/inv_3k7m9qxd4hwe2a5t.1", "#said"),
    "decide": _asked_by_mail,
    "decide-no-link": _still("/decide", "#said"),
    "block-no-link": _still("/block", "#said"),
    "start": _start,
    "delivery-asked": _waits,
    "delivery-arrived": _at_the_car,
    "delivery-done": _done,
    "delivery-declined": _declined,
    "car": _car,
    "car-passkey": _pairing,
    "account": _still("/account", "h1", owner=True),
    "passkeys": _still("/passkeys", "#page", owner=True),
    "notifications": _still("/notifications", "h1", owner=True),
    "cases": _cases,
    "case": _case,
    "visit": _visit,
    "visit-link": _still("/book", "h1"),
    "garage-link": _still("/garage", "h1"),
    "courier": _still("/courier", "h1"),
    "desk-signed-out": _still("/desk", "#entry"),
    "desk": _desk,
    "desk-call": _desk_call,
    "desk-wallboard": _wallboard,
    "operator-sign-in": _still("/operator/sign-in"),
    "operator": _operators("/operator"),
    "operator-webhooks": _operators("/operator/webhooks"),
    "error-404": _still("/nowhere"),
    "error-422": _still("/invitations/nonsense"),
    "error-405": _still("/language"),
}
"""Every page by the name of its pictures, in this order: a later one may need what an earlier one did."""
