"""The owner's own pages in a real browser: sign-in by mail, cars and addresses, a delivery as it happens, block."""

import asyncio
import re

from playwright.async_api import Page, Route, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import HOME, Cast, Stand, until
from tests.journey.test_pages_approving import picture
from tests.journey.test_pages_deciding import asked, look
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import link_token

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER
TIMES = "import('/static/times.js')"


async def approved(cast: Cast, reference: str) -> str:
    """A delivery with a key that its courier can fetch."""
    delivery, path = await asked(cast, reference=reference)
    token = path.partition("#")[2]
    question = await cast.owner.api.call("POST", "/v1/questions/open", {"token": token})
    answer = {"token": token, "decision": "approve", "shown": question["shown"]}
    await cast.owner.api.call("POST", "/v1/questions/decide", answer)
    return delivery


async def own_page(web: Chromium, cast: Cast, delivery: str) -> Page:
    """The delivery's page, signed in, live."""
    page = await look(web, f"/deliveries/{delivery}", session=cast.owner.token)
    await expect(page.locator("#live")).to_have_text("live")
    return page


async def test_a_person_signs_in_by_mail_and_comes_back_to_where_they_were(cast: Cast, web: Chromium) -> None:
    delivery, _ = await asked(cast, reference="sign-in")
    web.foresee(f"/v1/owner/deliveries/{delivery}", "401")
    page = await look(web, f"/deliveries/{delivery}")
    await expect(page.locator("#said")).to_contain_text("Sign in")
    await page.get_by_role("link", name="Sign in to see this delivery").click()
    await page.get_by_label("Your e-mail").fill(cast.owner.address)
    await page.get_by_role("button", name="Mail me a link").click()
    await expect(page.get_by_role("heading", name="Look into your mail")).to_be_focused()

    token = link_token(await cast.owner.mail.wait(cast.owner.address, "Sign in"))
    scanned = await look(web, f"/sign-in#{token}")
    await expect(scanned.get_by_role("button", name="Sign in on this device")).to_be_visible()
    mailed = await web.tab(page.context)
    await mailed.goto(f"{web.url}/sign-in#{token}")
    await mailed.reload()
    assert mailed.url == f"{web.url}/sign-in"
    await mailed.get_by_role("button", name="Sign in on this device").click()

    await expect(mailed).to_have_url(f"{web.url}/deliveries/{delivery}")
    await expect(mailed.locator("#state")).to_have_text("Your answer is awaited")
    web.foresee("/v1/session", "410")
    await scanned.get_by_role("button", name="Sign in on this device").click()
    await expect(scanned.locator("#said")).to_contain_text("used already or is too old")
    await expect(scanned.get_by_label("Your e-mail")).to_be_visible()

    await mailed.get_by_role("link", name="Your deliveries and cars").click()
    await expect(mailed.locator("#live")).to_have_text(
        "live"
    )  # nothing that it asks for is on its way any more
    await mailed.get_by_role("button", name="Sign out on this device").click()
    await expect(mailed.get_by_role("link", name="Sign in")).to_be_visible()


async def test_a_car_s_page_shows_and_changes_all_of_it(stand: Stand, cast: Cast, web: Chromium) -> None:
    page = await look(web, "/", session=cast.owner.token)
    await page.get_by_role("link", name="Car 1").click()
    await expect(page.locator("#role")).to_have_text("You are an owner: you decide about it.")
    car = page.get_by_role("region", name="Addresses for shops")
    await car.get_by_text("Make an address", exact=True).click()
    await car.get_by_label("for one carrier").check()
    await car.get_by_label("A note for yourself").fill("book shop")
    await car.get_by_role("button", name="Make this address").click()
    row = car.get_by_role("listitem").filter(has_text="book shop")
    await expect(row).to_contain_text("For one carrier")
    address = await row.locator(".address").inner_text()
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await row.get_by_role("button", name=f"Copy {address}").click()
    await expect(car.locator(".said").first).to_have_text(f"{address} is copied.")
    assert await page.evaluate("navigator.clipboard.readText()") == address

    await row.get_by_role("button", name=f"Block {address}").click()
    await row.get_by_role("button", name="Keep it").click()
    await expect(row.get_by_role("button", name=f"Block {address}")).to_be_focused()
    await row.get_by_role("button", name=f"Block {address}").click()
    await row.get_by_role("button", name="Yes, block it").click()
    await expect(car.locator(".said").first).to_contain_text(f"{address} is blocked for good")
    mine = await cast.owner.api.call(
        "GET", f"/v1/owner/cars/{cast.vehicle}/addresses", token=cast.owner.token
    )
    assert address not in {one["text"] for one in mine["data"]}
    await expect(car.get_by_text(address, exact=True)).to_have_count(0)

    instead = page.get_by_role("region", name="When the car cannot take it")
    await instead.get_by_text("Name a place").click()
    await instead.get_by_label("Where to").select_option("To a neighbour")
    await instead.get_by_label("Name, street and number").fill("Jansen, Kade 2")
    await instead.get_by_role("button", name="Keep this place").click()
    await expect(instead.locator(".said")).to_have_text("Kept.")
    await expect(instead).to_contain_text("To a neighbour")
    await expect(instead).to_contain_text("Jansen, Kade 2")
    assert await faults(page) == []
    await instead.get_by_text("Change it").click()
    await instead.get_by_role("button", name="No place any more").click()
    await expect(instead).to_contain_text("No place is named: the carrier takes such a parcel back.")

    rules = page.get_by_role("region", name="How it is found, and what may be asked")
    await rules.get_by_text("Name, colour and plate").click()
    await rules.get_by_label("What you call it").fill("The old Volvo")
    await rules.get_by_label("Licence plate").fill("ABC 123")
    await rules.get_by_role("button", name="Keep this", exact=True).first.click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("The old Volvo")
    await rules.get_by_text("Where it may stand").click()
    await rules.get_by_label("near a point that I choose").check()
    await page.context.grant_permissions(["geolocation"])
    await page.context.set_geolocation({"latitude": HOME[0], "longitude": HOME[1]})
    await rules.get_by_role("button", name="Take the place where I am now").click()
    await expect(rules.get_by_label("Latitude")).to_have_value(f"{HOME[0]:.5f}")
    await rules.get_by_role("button", name="Keep this place").click()
    await expect(rules.locator(".said")).to_have_text("Kept.")
    await rules.get_by_text("Quiet hours", exact=True).click()
    await rules.get_by_role("button", name="Set quiet hours").click()
    await expect(rules.get_by_text("Quiet from 22:00 to 07:00.")).to_be_visible()
    assert await faults(page) == []
    found = await cast.owner.api.call("GET", f"/v1/owner/cars/{cast.vehicle}/rules", token=cast.owner.token)
    assert (found["plate"], found["place"]["radius"], found["quiet"]["start"]) == ("ABC 123", 200, "22:00")
    # somebody else changed them meanwhile: nothing of theirs is overwritten
    await cast.owner.api.call(
        "PUT", f"/v1/owner/cars/{cast.vehicle}/rules", {}, token=cast.owner.token, headers={"If-Match": "*"}
    )
    web.foresee(f"/v1/owner/cars/{cast.vehicle}/rules", "409")
    await rules.get_by_role("button", name="No quiet hours").click()
    await expect(rules.locator(".said")).to_contain_text("Somebody changed these settings since you looked")


async def test_a_car_is_added_by_the_code_on_its_display_and_given_up(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    page = await look(web, "/", session=cast.owner.token)
    await page.get_by_text("Add a car").click()
    code = page.get_by_label("Code on the car's display")
    add = page.get_by_role("button", name="Add this car")
    web.foresee("/v1/owner/cars/claim", "409")
    await code.fill("AAAA-AAAA")
    await add.click()
    await expect(page.locator("#claimed")).to_contain_text("This code is not right, was used, or is too old")
    before = await _cars_of(cast)
    await stand.by_hand(stand.stage.add_car, "pages", options=stand.unit_options())
    shown = (await stand.by_hand(stand.stage.pair, "pages"))["code"]
    await code.fill(shown)

    async def added() -> bool:
        # The car says its code over the broker: it may be known here a moment later.
        await add.click()
        await expect(page.locator("#claimed")).not_to_have_text("One moment…")
        return "among yours now" in await page.locator("#claimed").inner_text()

    await until(added, "the second car is claimed")
    (added_one,) = await _cars_of(cast) - before
    second = page.get_by_role("main").locator(f'a[href="/cars/{added_one}"]')
    await second.first.click()
    rules = page.get_by_role("region", name="How it is found, and what may be asked")
    await rules.get_by_text("Time zone", exact=True).first.click()
    zone, here = (
        rules.get_by_label("Time zone"),
        await page.evaluate(f"({TIMES}).then((times) => times.here())"),
    )
    await expect(zone).to_have_value(here)
    assert await _zone_of(cast, added_one) == here
    await zone.select_option("Asia/Tokyo")
    await rules.get_by_role("button", name="Keep this time zone").click()
    await expect(rules.locator(".said")).to_have_text("Kept.")
    assert await _zone_of(cast, added_one) == "Asia/Tokyo"
    assert await faults(page) == []
    await picture(page, "zone")
    # What its pages make of that: named where the clocks differ, and the same moment back from a field.
    told = await page.evaluate(
        f"""({TIMES}).then((times) => {{
            const window = {{ start: "2030-05-06T10:00:00Z", end: "2030-05-06T12:00:00Z" }};
            const field = times.toField(new Date(window.start), "Asia/Kathmandu");
            const back = times.fromField(field, "Asia/Kathmandu").toISOString();
            return [times.span(window, "Asia/Kathmandu"), times.span(window, times.here()), field, back];
        }})"""
    )
    assert told[0] == "Mon 6 May, 15:45 to 17:45 (car's time, Kathmandu)"
    assert "car's time" not in told[1]
    assert told[2:] == ["2030-05-06T15:45", "2030-05-06T10:00:00.000Z"]
    leave = page.get_by_role("region", name="Give it up")
    await leave.get_by_role("button", name="Give this car up").click()
    await leave.get_by_role("button", name="Yes, give it up").click()
    await expect(page.get_by_role("link", name="Car 1")).to_be_visible()
    await expect(second).to_have_count(0)
    await stand.kill("unit-pages")


async def _zone_of(cast: Cast, vehicle: str) -> object:
    mine = await cast.owner.api.call("GET", f"/v1/owner/cars/{vehicle}", token=cast.owner.token)
    return mine["zone"]


async def _cars_of(cast: Cast) -> set[str]:
    mine = await cast.owner.api.call("GET", "/v1/owner/cars", token=cast.owner.token)
    return {one["vehicle"] for one in mine["data"]}


async def test_somebody_invited_follows_the_mail_and_accepts(cast: Cast, web: Chromium) -> None:
    inviting = await look(web, f"/cars/{cast.vehicle}", session=cast.owner.token)
    await inviting.get_by_text("Invite somebody").click()
    await inviting.get_by_label("Their e-mail").fill("ben@example.org")
    await inviting.get_by_role("button", name="Invite", exact=True).click()
    await expect(inviting.get_by_text("Invited as a driver")).to_be_visible()
    await inviting.context.close()
    token = link_token(await cast.owner.mail.wait("ben@example.org", "You are invited"))
    page = await look(web, f"/sign-in#{token}")
    await page.get_by_role("button", name="Sign in on this device").click()

    await expect(page).to_have_url(re.compile(r"/invitations/inv_[0-9a-z]{16}\.[0-9]+$"))
    await expect(page.locator("#what")).to_have_text("You are invited as a driver.")
    assert await faults(page) == []
    await page.get_by_role("button", name="Accept").click()
    await expect(page.locator("#said")).to_have_text("Done: the car is among yours.")
    await page.get_by_role("link", name="Your deliveries and cars").click()
    await expect(page.get_by_role("region", name="Car 1")).to_contain_text("You may approve deliveries.")
    # Two pages of the driver stay open while the role is taken back.
    delivery, _ = await asked(cast, reference="taken back")
    car, parcel = await web.tab(page.context), await web.tab(page.context)
    await car.goto(f"{web.url}/cars/{cast.vehicle}")
    await parcel.goto(f"{web.url}/deliveries/{delivery}")
    for one, shown in ((car, "#car"), (parcel, "#delivery")):
        await expect(one.locator("#live")).to_have_text("live")
        await expect(one.locator(shown)).to_be_visible()
    web.foresee(f"/v1/owner/cars/{cast.vehicle}", "404")
    web.foresee(f"/v1/owner/deliveries/{delivery}", "404")
    owners = await look(web, f"/cars/{cast.vehicle}", session=cast.owner.token)
    crew = owners.get_by_role("region", name="Who uses it")
    driver = crew.get_by_role("listitem").filter(has_text="Drives it, and may approve deliveries")
    await driver.get_by_role("button", name="Take back").click()
    await driver.get_by_role("button", name="Yes, take it back").click()
    await expect(crew.get_by_text("Taken back.")).to_be_visible()
    for one, shown in ((car, "#car"), (parcel, "#delivery")):
        await one.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
        await expect(one.locator(shown)).to_be_hidden()
        await expect(one.locator("#said")).to_have_class("said bad")
    await page.reload()
    await expect(page.get_by_text("No car yet.")).to_be_visible()


async def test_the_page_follows_while_the_car_opens(stand: Stand, cast: Cast, web: Chromium) -> None:
    delivery, _ = await asked(cast, reference="live")
    page, answered = await web.page(session=cast.owner.token), asyncio.Event()

    async def late(route: Route) -> None:
        await answered.wait()
        await route.continue_()

    await page.route(f"**/v1/owner/deliveries/{delivery}", late)
    await page.goto(f"{web.url}/deliveries/{delivery}")
    state, timeline = page.locator("#state"), page.locator("#timeline")
    await expect(state).to_have_text("Your answer is awaited")
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()
    await expect(page.locator("#facts")).to_contain_text("can be reached now")
    await expect(page.locator("#live")).not_to_have_text("live")  # so far it is what the page brought along
    answered.set()
    await expect(page.locator("#live")).to_have_text("live")
    await page.unroute_all(behavior="wait")
    await page.get_by_role("button", name="Approve").click()
    key = await cast.courier.key(delivery)
    await expect(state).to_have_text("Approved; the key is ready")
    await expect(page.locator("#facts")).to_contain_text("made for one opening; dies by itself at")

    await cast.courier.arrive(delivery)
    await expect(state).to_have_text("The courier is at your car")
    await cast.courier.open(delivery, key)
    await expect(timeline).to_contain_text("Opened")
    await stand.car_comes_to("latched")
    await expect(state).to_have_text("The boot is shut and locked")
    await expect(page.get_by_role("button", name="Block")).to_be_hidden()
    await cast.courier.post(delivery, "done")
    await expect(state).to_have_text("Done")
    await expect(page.locator("#facts")).to_contain_text("used up; it can never open again")
    times = await timeline.locator("time").all_inner_texts()
    assert len(times) >= 9
    assert all(len(one) == len("14:03:11") for one in times)
    await expect(page.locator("#live")).to_have_text("live")

    web.foresee_no_network("/v1/owner/deliveries/", "/static/")
    await page.context.set_offline(True)
    await expect(page.locator("#live")).to_contain_text("reconnecting, as of ")


async def test_block_while_the_courier_stands_there_says_the_true_state_of_the_key(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    delivery = await approved(cast, "blocked")
    await cast.courier.key(delivery)
    page = await own_page(web, cast, delivery)
    await expect(page.locator("#state")).to_have_text("Approved; the key is ready")
    await cast.courier.arrive(delivery)
    await expect(page.locator("#state")).to_have_text("The courier is at your car")
    await stand.car(mode="no_coverage")
    await stand.car_comes_to("latched", connected=False)
    await page.get_by_role("button", name="Block").click()
    await page.get_by_role("button", name="Keep it").click()
    assert (await cast.owner.view(delivery))["state"] == "arrived"
    await page.get_by_role("button", name="Block").click()
    await page.get_by_role("button", name="Yes, block it").click()

    await expect(page.locator("#state")).to_have_text("Block requested; the car has not confirmed it yet")
    await expect(page.locator("#next")).to_contain_text(
        "an opening is still possible if the car is out of reach"
    )
    await expect(page.locator("#facts")).to_contain_text("dies by itself at")
    await expect(page.locator("#timeline")).to_contain_text("the car has not confirmed it yet")
    await expect(page.get_by_role("button", name="Block")).to_be_hidden()
    await stand.car(mode="awake")
    await expect(page.locator("#state")).to_have_text("Blocked, confirmed by car")
    await expect(page.locator("#facts")).to_contain_text("destroyed, confirmed by car")
    await expect(page.locator("#timeline")).to_contain_text("Key destroyed, confirmed by car")


async def test_a_car_that_does_not_answer_may_be_open_and_the_page_says_so(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    delivery = await approved(cast, "unsure")
    key = await cast.courier.key(delivery)
    await cast.courier.arrive(delivery)
    proof = await cast.courier.prove(delivery, key)
    page = await own_page(web, cast, delivery)
    await stand.by_hand(stand.stage.kill, "unit-car")
    try:
        await cast.courier.post(delivery, "open", {"proof": proof, "position": cast.courier.here}, wait=0)
        await expect(page.locator("#state")).to_have_text("We cannot tell; the boot may be open")
        await expect(page.locator("#next")).to_contain_text("Have a look if you can")
    finally:
        await stand.start_again("unit-car")
