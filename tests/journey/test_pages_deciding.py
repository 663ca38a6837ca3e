"""The page behind a question's mail, in a real browser: looking decides nothing, a button decides once."""

from typing import Any

import aiohttp
from playwright.async_api import Page, Route, expect

from keys.car.jws import KEY, read
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, violations, web
from tests.journey.stand import Cast, Stand, question, until

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER


async def asked(cast: Cast, *, reference: str) -> tuple[str, str]:
    """A delivery that waits for the owner, and the path of its mail's link."""
    delivery = await cast.carrier.order(
        cast.address, courier=cast.courier.courier, reference=reference, hours=2
    )
    return delivery, await link_to(cast, delivery)


async def link_to(cast: Cast, delivery: str) -> str:
    """The path in the mail about this delivery."""
    token, _ = await question(cast.owner, delivery)
    return f"/decide#{token}"


async def look(web: Chromium, path: str, **options: object) -> Page:
    """Somebody opens this link."""
    page = await web.page(**options)
    await page.goto(web.url + path)
    return page


async def test_an_owner_approves_from_the_mail_and_the_delivery_goes_on(
    stand: Stand, cast: Cast, web: Chromium
) -> None:
    delivery, path = await asked(cast, reference="approve")

    page = await look(web, path)
    await expect(page.get_by_role("heading", level=1)).to_have_text("May Parcel Post deliver into your car?")
    card = page.locator("#question")
    for words in ("Parcel Post", "Sam", "Leave something in the boot", "today", "wherever the car stands"):
        await expect(card).to_contain_text(words)
    await expect(card).to_contain_text("can be reached now")
    approve = page.get_by_role("button", name="Approve")
    box, width = await approve.bounding_box(), await page.evaluate("document.body.clientWidth")
    assert box
    assert box["width"] >= width - 40
    assert box["height"] >= 44
    assert page.url == f"{web.url}/decide"
    await approve.click()

    await expect(page.locator("#result")).to_contain_text("You can block it until the lock moves")
    await expect(page.locator("#outcome")).to_have_text("Approved")
    await expect(approve).to_be_hidden()
    key = await cast.courier.key(delivery)
    await cast.courier.arrive(delivery)
    assert (await cast.courier.open(delivery, key))["outcome"] == "opened"
    await stand.car_comes_to("latched")
    evidence = await cast.carrier.evidence(delivery)
    assert '"level":"link"' in str(evidence).replace(" ", "").replace("'", '"')

    await page.reload()
    await expect(page.locator("#outcome")).to_have_text("Approved")


async def test_an_owner_lets_it_open_without_any_network(cast: Cast, web: Chromium) -> None:
    """The choice stands beside the answer, and goes into the key."""
    delivery, path = await asked(cast, reference="garage")
    page = await look(web, path)
    await page.get_by_text("If there may be no network at the car").click()
    await expect(page.get_by_label("It needs the courier's network, or the car's")).to_be_checked()
    await page.get_by_label("It works without any network").check()
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#outcome")).to_have_text("Approved")
    key = await cast.courier.key(delivery)
    assert read(key, KEY).claims["fra"] == 86_400


async def test_a_mail_scanner_decides_nothing_and_uses_nothing_up(cast: Cast, web: Chromium) -> None:
    delivery, path = await asked(cast, reference="scanned")

    async with aiohttp.ClientSession() as scanner:
        for method in ("HEAD", "GET", "GET"):
            async with scanner.request(method, web.url + path) as answer:
                assert answer.status in {200, 405}
    bare = await look(web, path, javascript=False)
    assert "Nothing was decided" in await bare.content()
    await expect(bare.get_by_role("main").get_by_role("button")).to_have_count(0)
    for _ in range(2):
        clever = await look(web, path)
        await expect(clever.get_by_role("button", name="Approve")).to_be_visible()
        await clever.context.close()

    view = await cast.owner.view(delivery)
    assert (view["state"], view["question"]["decided"]) == ("asked", None)
    page = await look(web, path)
    await page.get_by_role("button", name="Decline", exact=True).click()
    await expect(page.locator("#outcome")).to_have_text("Declined")
    assert (await cast.owner.view(delivery))["state"] == "declined"


async def test_an_answer_stands_and_another_tab_hears_so(cast: Cast, web: Chromium) -> None:
    delivery, path = await asked(cast, reference="twice")
    late = await look(web, path)
    await expect(late.get_by_role("button", name="Approve")).to_be_visible()

    page = await look(web, path)
    await page.get_by_role("button", name="Decline without saying so").click()
    await expect(page.locator("#result")).to_contain_text("Nobody gets a key, and nothing is opened.")
    assert (await cast.carrier.view(delivery))["state"] == "address_not_usable"

    web.foresee("/v1/questions/decide", "409")
    await late.get_by_role("button", name="Approve").click()
    await expect(late.locator("#said")).to_contain_text("Nothing was changed now")
    await late.reload()
    await expect(late.locator("#outcome")).to_have_text("Declined")


async def test_a_link_that_is_no_good_says_so_and_what_to_do(cast: Cast, web: Chromium) -> None:
    delivery, path = await asked(cast, reference="withdrawn")
    open_page = await look(web, path)
    await expect(open_page.get_by_role("button", name="Approve")).to_be_visible()
    await cast.carrier.api.call("POST", f"/v1/deliveries/{delivery}/cancel", token=cast.carrier.token)

    web.foresee("/v1/questions/", "410")
    await open_page.get_by_role("button", name="Approve").click()
    await expect(open_page.locator("#said")).to_contain_text("Nothing is asked any more")
    again = await look(web, path)
    await expect(again.locator("#outcome")).to_have_text("Nothing is asked any more")
    await expect(again.get_by_role("main").get_by_role("button")).to_have_count(0)

    wrong = await look(web, path[:-4] + ("AAAA" if path[-4:] != "AAAA" else "BBBB"))
    await expect(wrong.locator("#said")).to_contain_text("This link is not known")
    await expect(wrong.locator("#said")).to_contain_text("Nothing was decided")
    none = await look(web, "/decide")
    await expect(none.locator("#said")).to_contain_text("reached by the link of a mail")


async def test_a_question_ends_by_itself_while_somebody_looks_at_it(cast: Cast, web: Chromium) -> None:
    _, path = await asked(cast, reference="too late")
    page = await web.page()
    await page.clock.install()
    await page.goto(web.url + path)
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()
    await page.clock.fast_forward("02:00:01")
    await expect(page.locator("#outcome")).to_have_text("Nothing is asked any more")
    await expect(page.locator("#result")).to_contain_text("Without an approval nobody gets a key.")
    await expect(page.get_by_role("main").get_by_role("button")).to_have_count(0)


async def test_approving_takes_a_keyboard_only(cast: Cast, web: Chromium) -> None:
    delivery, path = await asked(cast, reference="keyboard")
    page = await look(web, path, reduced_motion="reduce")
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()

    focused: list[str] = []
    for _ in range(6):
        await page.keyboard.press("Tab")
        focused.append(await page.evaluate("document.activeElement.textContent"))
        outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
        assert outline == "solid", focused
        if focused[-1] == "Approve":
            break
    assert focused == [
        "To the content", "Trunkline", "If there may be no network at the car", "Choose how you say yes", "Approve",
    ]  # fmt: skip
    await page.keyboard.press("Enter")

    await expect(page.locator("#outcome")).to_have_text("Approved")
    assert await page.evaluate("document.activeElement.id") == "result"
    assert (await cast.owner.view(delivery))["question"]["decided"] == "approve"


async def test_without_a_network_it_says_that_we_cannot_tell(cast: Cast, web: Chromium) -> None:
    delivery, path = await asked(cast, reference="tunnel")
    page = await look(web, path)
    approve = page.get_by_role("button", name="Approve")
    await expect(approve).to_be_visible()

    web.foresee("/v1/questions/decide", "ERR_INTERNET_DISCONNECTED")
    await page.context.set_offline(True)
    await approve.click()
    await expect(page.locator("#said")).to_contain_text("we cannot tell whether it was done")
    await page.context.set_offline(False)
    await approve.click()

    await expect(page.locator("#outcome")).to_have_text("Approved")

    async def approved() -> bool:
        return bool((await cast.owner.view(delivery))["approved_by"] == cast.owner.person)

    await until(approved, "the approval is recorded")


async def test_the_mail_of_what_nobody_was_asked_blocks_by_its_button(cast: Cast, web: Chromium) -> None:
    """The page alone: a courier is known long enough for a standing approval only after a day."""
    _, path = await asked(cast, reference="let in")
    token = path.partition("#")[2]
    found = await cast.owner.api.call("POST", "/v1/questions/open", {"token": token})
    answer = {"state": "approved", "decided": "approve", "level": "standing", "can_block": True}
    let_in = {**found, **answer, "decided_at": found["expires_at"]}
    sent: list[Any] = []

    async def block(route: Route) -> None:
        sent.append(route.request.post_data_json)
        done = {"delivery": found["delivery"], "state": "blocked", "decided": "approve"}
        await route.fulfill(json=done)

    page = await web.page()
    await page.route("**/v1/questions/open", lambda route: route.fulfill(json=let_in))
    await page.route("**/v1/questions/block", block)
    await page.goto(f"{web.url}/block#{token}")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Parcel Post was let in")
    await expect(page.locator("#result")).to_contain_text("It was let in by a standing approval")
    assert page.url == f"{web.url}/block"
    assert await violations(page) == []
    await page.reload()
    await page.get_by_role("button", name="Block", exact=True).click()
    assert sent == []  # asked once more
    await page.get_by_role("button", name="Yes, block it").click()
    await expect(page.locator("#outcome")).to_have_text("Blocked")
    await expect(page.get_by_role("button", name="Block", exact=True)).to_be_hidden()
    assert sent == [{"token": token}]
