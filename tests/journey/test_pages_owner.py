"""The owner's own pages in a real browser: sign-in by mail, cars and addresses, a delivery as it happens, block."""

from playwright.async_api import Page, expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, until
from tests.journey.test_pages_deciding import asked, look
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import link_token

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER


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
    await expect(page.locator("#said")).to_contain_text("a mail is on its way")

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
    await mailed.get_by_role("button", name="Sign out on this device").click()
    await expect(mailed.get_by_role("link", name="Sign in")).to_be_visible()


async def test_addresses_are_made_and_blocked_and_a_car_is_added(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    page = await look(web, "/", session=cast.owner.token)
    car = page.get_by_role("region", name="Car 1")
    await car.get_by_text("Make an address", exact=True).click()
    await car.get_by_label("for one carrier").check()
    await car.get_by_label("A note for yourself").fill("book shop")
    await car.get_by_role("button", name="Make this address").click()
    row = car.get_by_role("listitem").filter(has_text="book shop")
    await expect(row).to_contain_text("For one carrier")
    address = await row.locator(".address").inner_text()

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

    code = page.get_by_label("Code on the car's display")
    add = page.get_by_role("button", name="Add this car")
    web.foresee("/v1/owner/cars/claim", "409")
    await code.fill("AAAA-AAAA")
    await add.click()
    await expect(page.locator("#claimed")).to_contain_text("This code is not right, was used, or is too old")
    await stand.by_hand(stand.stage.add_car, "pages", options=stand.unit_options())
    shown = (await stand.by_hand(stand.stage.pair, "pages"))["code"]
    await code.fill(shown)

    async def added() -> bool:
        # The car says its code over the broker: it may be known here a moment later.
        await add.click()
        await expect(page.locator("#claimed")).not_to_have_text("One moment…")
        return "among yours now" in await page.locator("#claimed").inner_text()

    await until(added, "the second car is claimed")
    await expect(page.get_by_role("heading", name="Car 2")).to_be_visible()
    await stand.kill("unit-pages")


async def test_somebody_invited_follows_the_mail_and_accepts(cast: Cast, web: Chromium) -> None:
    ben = {"email": "ben@example.org", "role": "driver", "may_approve": True}
    path = f"/v1/owner/cars/{cast.vehicle}/people"
    invitation = await cast.owner.api.call("POST", path, ben, token=cast.owner.token)
    token = link_token(await cast.owner.mail.wait("ben@example.org", "You are invited"))
    page = await look(web, f"/sign-in#{token}")
    await page.get_by_role("button", name="Sign in on this device").click()

    await expect(page).to_have_url(f"{web.url}/invitations/{invitation['id']}")
    await expect(page.locator("#what")).to_have_text("You are invited as a driver.")
    assert await faults(page) == []
    await page.get_by_role("button", name="Accept").click()
    await expect(page.locator("#said")).to_have_text("Done: the car is among yours.")
    await page.get_by_role("link", name="Your deliveries and cars").click()
    await expect(page.get_by_role("region", name="Car 1")).to_contain_text("You may approve deliveries.")
    person = (await cast.owner.api.call("GET", path, token=cast.owner.token))["data"]
    left = next(one["person"] for one in person if one["role"] == "driver")
    await cast.owner.api.call("DELETE", f"{path}/{left}", token=cast.owner.token)


async def test_the_page_follows_while_the_car_opens(stand: Stand, cast: Cast, web: Chromium) -> None:
    delivery, _ = await asked(cast, reference="live")
    page = await own_page(web, cast, delivery)
    state, timeline = page.locator("#state"), page.locator("#timeline")
    await expect(state).to_have_text("Your answer is awaited")
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

    for path in ("/v1/owner/deliveries/", "/static/"):
        web.foresee(path, "ERR_INTERNET_DISCONNECTED")
    await page.context.set_offline(True)
    await expect(page.locator("#live")).to_contain_text("reconnecting, as of ")


async def test_block_says_the_true_state_of_the_key(stand: Stand, cast: Cast, web: Chromium) -> None:
    delivery = await approved(cast, "blocked")
    await cast.courier.key(delivery)
    page = await own_page(web, cast, delivery)
    await expect(page.locator("#state")).to_have_text("Approved; the key is ready")
    await stand.car(mode="no_coverage")
    await page.get_by_role("button", name="Block").click()
    await page.get_by_role("button", name="Keep it").click()
    assert (await cast.owner.view(delivery))["state"] == "keyed"
    await page.get_by_role("button", name="Block").click()
    await page.get_by_role("button", name="Yes, block it").click()

    await expect(page.locator("#state")).to_have_text("Blocked")
    await expect(page.locator("#next")).to_contain_text("The car has not confirmed it yet")
    await expect(page.locator("#facts")).to_contain_text("dies by itself at")
    await expect(page.get_by_role("button", name="Block")).to_be_hidden()
    await stand.car(mode="awake")
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
