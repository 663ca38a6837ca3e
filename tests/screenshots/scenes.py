"""What is photographed: each scene brings a page into a state and says where it is and whose it is."""

from typing import Final

from playwright.async_api import Page

from tests.journey.stand import decide, finish, ready_to_open, until
from tests.journey.test_pages_booking import garage, opened
from tests.journey.test_pages_cases import reported
from tests.journey.test_pages_deciding import asked
from tests.journey.test_pages_desk import agent, scanned, wants_calls
from tests.screenshots.courier import COURIER
from tests.screenshots.operator import OPERATOR
from tests.screenshots.stage import STAGE
from tests.screenshots.world import Scene, Shot, World, still


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
    return Shot(f"/cars/{world.cast.vehicle}", "#car", world.owner)


async def _pairing(world: World) -> Shot:
    return Shot(f"/cars/{world.cast.vehicle}/passkey", "#pairing", world.owner)


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


SCENES: Final[dict[str, Scene]] = {
    "home": still("/"),
    "sign-in": still("/sign-in", "#ask"),
    "sign-in-link": still(f"/sign-in#{'a' * 43}", "#follow"),
    "confirm-email": still(f"/confirm-email#{'a' * 43}", "#follow"),
    "keep-email": still(f"/keep-email#{'a' * 43}", "#follow"),
    "keep-passkeys": still(f"/keep-passkeys#{'a' * 43}", "#follow"),
    "invitation": still("/invitations/inv_3k7m9qxd4hwe2a5t.1", "#said"),
    "decide": _asked_by_mail,
    "decide-no-link": still("/decide", "#said"),
    "block-no-link": still("/block", "#said"),
    "start": _start,
    "delivery-asked": _waits,
    "delivery-arrived": _at_the_car,
    "delivery-done": _done,
    "delivery-declined": _declined,
    "car": _car,
    "car-passkey": _pairing,
    "account": still("/account", "#page", owner=True),
    "passkeys": still("/passkeys", "#page", owner=True),
    "notifications": still("/notifications", "#page", owner=True),
    "cases": _cases,
    "case": _case,
    "visit": _visit,
    "visit-link": still("/book", "h1"),
    "garage-link": still("/garage", "h1"),
    **COURIER,
    "desk-signed-out": still("/desk", "#entry"),
    "desk": _desk,
    "desk-call": _desk_call,
    "desk-wallboard": _wallboard,
    **OPERATOR,
    **STAGE,
    "error-404": still("/nowhere"),
    "error-422": still("/invitations/nonsense"),
    "error-405": still("/language"),
}
"""Every page by the name of its pictures, in this order: a later one may need what an earlier one did."""
