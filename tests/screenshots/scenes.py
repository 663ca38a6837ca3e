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
from trunkline.play import Owner, link_token


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


async def _approved(world: World) -> Shot:
    """Right after the answer, by the link of the mail."""
    _, path = await asked(world.cast, reference="approved by mail")
    world.kept["link"] = path
    page = await world.web.page()
    await page.goto(world.web.url + path)
    await page.locator("#approve").click()
    return Shot("/decide", "#result", page=page)


async def _block(world: World) -> Shot:
    return Shot("/block#" + world.kept["link"].partition("#")[2], "#stop")


async def _block_sure(world: World) -> Shot:
    page = await world.web.page()
    await page.goto(f"{world.web.url}/block#{world.kept['link'].partition('#')[2]}")
    await page.locator("#block").click()
    return Shot("/block", ".sure", page=page)


async def _blocked(world: World) -> Shot:
    delivery, path = await asked(world.cast, reference="blocked")
    owner = world.cast.owner
    await _said_yes(world, path)
    await owner.api.call("POST", f"/v1/owner/deliveries/{delivery}/block", {}, token=owner.token)
    return Shot(f"/deliveries/{delivery}", "#timeline li", world.owner)


async def _said_yes(world: World, path: str) -> None:
    """Say yes by the token of a mail that was read already."""
    api, token = world.cast.owner.api, path.partition("#")[2]
    question = await api.call("POST", "/v1/questions/open", {"token": token})
    answer = {"token": token, "decision": "approve", "shown": question["shown"], "silent": False}
    await api.call("POST", "/v1/questions/decide", answer)


async def _first_day(world: World) -> Shot:
    """Somebody who has no car yet."""
    new = Owner(world.cast.owner.api, world.cast.owner.mail, "new@pictures.example")
    await new.sign_in()
    world.kept["new"] = {"tl_session": new.token}
    return Shot("/", "#yours", world.kept["new"])


async def _nothing_says_yes(world: World) -> Shot:
    return Shot("/passkeys", "#page", world.kept["new"])


async def _invited(world: World) -> Shot:
    cast = world.cast
    invited = {"email": "new@pictures.example", "role": "driver", "may_approve": True}
    path = f"/v1/owner/cars/{cast.vehicle}/people"
    invitation = await cast.owner.api.call("POST", path, invited, token=cast.owner.token)
    return Shot(f"/invitations/{invitation['id']}", "#what", world.kept["new"])


async def _signed_out(world: World) -> Shot:
    return Shot(f"/deliveries/{await world.delivery('waits')}", "#enter")


async def _passkey(world: World) -> Shot:
    """The agent's: who works at the desk has one."""
    kept = await world.kept["desk"].context.cookies()
    world.kept["keyed"] = {one["name"]: one["value"] for one in kept if one["name"] == "tl_session"}
    return Shot("/passkeys", "#list li", world.kept["keyed"])


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
    _, address = await garage(world.stand)
    async with opened(world.stand, world.cast, 91) as case:
        page = await world.web.page(session=world.cast.owner.token)

        async def offered() -> bool:
            await page.goto(f"{world.web.url}/cases/{case}/book")
            return await page.get_by_role("radio").count() > 0

        await until(offered, "the garage's times are offered")
        world.kept |= {"visit": page, "garage": address}
    return Shot(f"/cases/{case}/book", "form", world.owner)


async def _visit_booked(world: World) -> Shot:
    page: Page = world.kept["visit"]
    await page.get_by_role("radio").nth(3).check()
    await page.locator("form:has([type=radio]) button[type=submit]").first.click()
    await page.locator("[role=status]").wait_for()
    return Shot(page.url.removeprefix(world.web.url), "[role=status]", page=page)


async def _garage(world: World) -> Shot:
    mail = await world.cast.owner.mail.wait(world.kept["garage"], "New appointment")
    page = await world.web.page()
    await page.goto(f"{world.web.url}/garage#{link_token(mail)}")
    await page.locator("section.card").first.wait_for()
    return Shot("/garage", "section.card", page=page, unfold=True)


async def _visit_by_link(world: World) -> Shot:
    mail = await world.cast.owner.mail.wait(world.cast.owner.address, "Booked: Garage Noord")
    page = await world.web.page()
    await page.goto(f"{world.web.url}/book#{link_token(mail)}")
    await page.locator("section.card").first.wait_for()
    return Shot("/book", "section.card", page=page, unfold=True)


async def _car(world: World) -> Shot:
    return Shot(f"/cars/{world.cast.vehicle}", "#car", world.owner)


async def _car_unfolded(world: World) -> Shot:
    return Shot(f"/cars/{world.cast.vehicle}", "#car", world.owner, unfold=True)


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


async def _desk_called(world: World) -> Shot:
    page: Page = world.kept["desk"]
    await page.locator("#dial").click()
    await page.locator("#number").wait_for()
    return Shot("/desk", "#number", page=page)


async def _desk_keys(world: World) -> Shot:
    page: Page = world.kept["desk"]
    await page.keyboard.press("Escape")
    await page.locator("#keys-open").click()
    return Shot("/desk", "#keys-list", page=page)


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
    "decide-approved": _approved,
    "block": _block,
    "block-sure": _block_sure,
    "decide-no-link": still("/decide", "#said"),
    "block-no-link": still("/block", "#said"),
    "start": _start,
    "start-first-day": _first_day,
    "passkeys-first-day": _nothing_says_yes,
    "invitation-mine": _invited,
    "delivery-signed-out": _signed_out,
    "delivery-asked": _waits,
    "delivery-blocked": _blocked,
    "delivery-arrived": _at_the_car,
    "delivery-done": _done,
    "delivery-declined": _declined,
    "car": _car,
    "car-unfolded": _car_unfolded,
    "car-passkey": _pairing,
    "account": still("/account", "#page", owner=True),
    "passkeys": still("/passkeys", "#page", owner=True),
    "notifications": still("/notifications", "#page", owner=True),
    "cases": _cases,
    "case": _case,
    "visit": _visit,
    "visit-booked": _visit_booked,
    "visit-by-link": _visit_by_link,
    "garage": _garage,
    "visit-link": still("/book", "h1"),
    "garage-link": still("/garage", "h1"),
    **COURIER,
    "desk-signed-out": still("/desk", "#entry"),
    "desk": _desk,
    "desk-call": _desk_call,
    "desk-called": _desk_called,
    "desk-keys": _desk_keys,
    "desk-wallboard": _wallboard,
    "passkeys-made": _passkey,
    **OPERATOR,
    **STAGE,
    "error-404": still("/nowhere"),
    "error-422": still("/invitations/nonsense"),
    "error-405": still("/language"),
}
"""Every page by the name of its pictures, in this order: a later one may need what an earlier one did."""
