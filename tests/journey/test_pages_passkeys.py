"""Passkeys in a real browser with a virtual authenticator: the first choice, sign-in, step-up, removal, recovery."""

import json
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import CDPSession, Page, expect

from keys.car.jwk import unb64
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, until
from tests.journey.test_owner_signs import AUTHENTICATOR
from tests.journey.test_pages_for_everybody import faults
from trunkline.play import Owner, Refused, link_token
from trunkline.software_key import SoftwareKey

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER


class Hand:
    """The virtual authenticator of one page."""

    def __init__(self, debugger: CDPSession, authenticator: str) -> None:
        self.debugger = debugger
        self.authenticator = {"authenticatorId": authenticator}

    @classmethod
    async def of(cls, page: Page) -> "Hand":
        debugger = await page.context.new_cdp_session(page)
        await debugger.send("WebAuthn.enable")
        made = await debugger.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        return cls(debugger, made["authenticatorId"])

    async def verifies(self, yes: bool) -> None:
        await self.debugger.send("WebAuthn.setUserVerified", {**self.authenticator, "isUserVerified": yes})

    async def credentials(self) -> list[dict[str, Any]]:
        found = await self.debugger.send("WebAuthn.getCredentials", self.authenticator)
        return list(found["credentials"])


async def ask_for_mail(page: Page, cast: Cast, web: Chromium, email: str) -> str:
    """Type the e-mail on the page; the token of the mail that comes."""
    await page.goto(f"{web.url}/sign-in")
    await page.get_by_label("Your e-mail").fill(email)
    await page.get_by_role("button", name="Mail me a link").click()
    return link_token(await cast.owner.mail.wait(email, "Sign in"))


async def by_mail(page: Page, cast: Cast, web: Chromium, email: str) -> None:
    """Sign in by the link of a mail."""
    token = await ask_for_mail(page, cast, web, email)
    await page.goto(f"{web.url}/sign-in#{token}")
    await page.get_by_role("button", name="Sign in on this device").click()
    await expect(page).not_to_have_url(f"{web.url}/sign-in")


async def ask_api(page: Page, method: str, path: str, body: Any = None) -> dict[str, Any]:
    """What the page's own session gets from the API."""
    answer = await page.evaluate(
        "async ([method, path, body]) => { const answer = await fetch(path, { method, headers: "
        "body ? { 'Content-Type': 'application/json' } : {}, body: body || undefined }); "
        "const text = await answer.text(); return { status: answer.status, body: text ? JSON.parse(text) : null }; }",
        [method, path, body and json.dumps(body)],
    )
    return dict(answer)


async def test_the_first_choice_and_a_passkey_that_signs_in(cast: Cast, web: Chromium) -> None:
    page = await web.page()
    hand = await Hand.of(page)
    await by_mail(page, cast, web, "pia@example.org")
    await expect(page).to_have_url(f"{web.url}/passkeys")
    await expect(page.locator("#by")).to_have_text("Nothing says yes for you yet, so no parcel can come.")
    assert await faults(page) == []

    await hand.verifies(False)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#chosen")).to_contain_text("No passkey was made")
    await hand.verifies(True)
    await page.get_by_role("button", name="Make a passkey on this device").focus()
    await page.keyboard.press("Enter")
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
    await expect(page.get_by_role("button", name="I accept that: links in my mail say yes")).to_be_hidden()
    assert len(await hand.credentials()) == 1
    assert await faults(page) == []
    await page.get_by_role("button", name="Go on").click()
    await expect(page).to_have_url(f"{web.url}/")
    await expect(page.locator("#live")).to_have_text(
        "live"
    )  # nothing that it asks for is on its way any more
    await page.get_by_role("button", name="Sign out on this device").click()
    await page.get_by_role("link", name="Sign in").click()
    await expect(page.get_by_role("button", name="Sign in with a passkey")).to_be_visible()
    assert await page.evaluate("[sessionStorage.length, localStorage.getItem('back')]") == [0, None]
    await page.evaluate("localStorage.setItem('back', '{half a leftover')")

    assert await faults(page) == []
    await page.get_by_role("button", name="Sign in with a passkey").click()
    await expect(page.locator("#me")).to_contain_text("pia@example.org")
    sessions = (await ask_api(page, "GET", "/v1/sessions"))["body"]["data"]
    assert [one["level"] for one in sessions] == ["passkey"]
    mail = await cast.owner.mail.wait("pia@example.org", "A passkey was added")
    assert "No" in mail


async def test_links_are_chosen_in_plain_words(cast: Cast, web: Chromium) -> None:
    page = await web.page()
    await by_mail(page, cast, web, "lio@example.org")
    await page.get_by_role("button", name="I accept that: links in my mail say yes").click()
    await expect(page.locator("#by")).to_contain_text("Whoever reads your mail can say yes for you")
    assert await faults(page) == []
    await page.get_by_role("button", name="Go on").click()
    await expect(page.locator("#me")).to_contain_text("lio@example.org")
    # A browser drops the tab, and "//" would begin another site's address.
    await page.evaluate(
        "localStorage.setItem('back', JSON.stringify({ to: '/\\t/evil.example/', at: Date.now() }))"
    )
    await by_mail(page, cast, web, "lio@example.org")
    await expect(page).to_have_url(f"{web.url}/")  # asked once


async def test_a_session_by_mail_is_asked_for_the_passkey_and_the_last_one_stays(
    cast: Cast, web: Chromium
) -> None:
    email = "sol@example.org"
    page = await web.page()
    hand = await Hand.of(page)
    await by_mail(page, cast, web, email)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
    await expect(page.get_by_role("button", name="Remove First passkey")).to_have_count(0)

    await ask_api(page, "DELETE", "/v1/session")
    await by_mail(page, cast, web, email)
    await page.goto(f"{web.url}/passkeys")
    web.foresee("/v1/me/passkeys", "401")
    await hand.verifies(False)
    await page.get_by_label("Another one: a name for this device").fill("Key ring")
    await page.get_by_role("button", name="Make another passkey").click()
    await expect(page.locator("#listed")).to_contain_text("Your passkey did not answer")
    await hand.verifies(True)
    # the same authenticator is told to make no second one for this person
    await page.get_by_role("button", name="Make another passkey").click()
    await expect(page.locator("#listed")).to_contain_text("This device has a passkey of yours")
    begun = (await ask_api(page, "POST", "/v1/me/passkeys/options"))["body"]["options"]
    elsewhere = SoftwareKey.draw(origin=web.url, rp_id="localhost")
    answer = {"name": "Key ring", "credential": elsewhere.registration(unb64(begun["challenge"]))}
    assert (await ask_api(page, "POST", "/v1/me/passkeys", answer))["status"] == 201
    await page.reload()
    await expect(page.get_by_text("Key ring", exact=True)).to_be_visible()
    await page.get_by_role("button", name="Rename Key ring").click()
    name = page.get_by_label("New name for Key ring")
    await expect(name).to_be_focused()
    assert await faults(page) == []
    await name.fill("Key on the ring")
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Key on the ring", exact=True)).to_be_visible()
    other = Owner(cast.owner.api, cast.owner.mail, email)
    await other.sign_in()
    await page.goto(f"{web.url}/account")
    await expect(page.locator("#sessions li")).to_have_count(2)
    assert await faults(page) == []
    await page.get_by_role("button", name="Sign out: By mail").click()
    await expect(page.locator("#sessions li")).to_have_count(1)

    await ask_api(page, "DELETE", "/v1/session")
    await by_mail(page, cast, web, email)
    await page.goto(f"{web.url}/passkeys")
    await page.get_by_role("button", name="Remove First passkey").click()
    await page.get_by_role("button", name="Yes, remove it").click()
    await expect(page.locator("#listed")).to_contain_text("First passkey is removed")
    sessions = (await ask_api(page, "GET", "/v1/sessions"))["body"]["data"]
    assert [one["level"] for one in sessions] == ["passkey"]  # lifted on the way


async def test_recovery_is_told_everywhere_and_taken_back_by_mail_and_page(cast: Cast, web: Chromium) -> None:
    email = "rea@example.org"
    page = await web.page()
    await Hand.of(page)
    await by_mail(page, cast, web, email)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await page.get_by_role("button", name="All my passkeys are lost").click()
    await page.get_by_role("button", name="Yes, all are lost").click()
    await expect(page.locator("#until")).to_contain_text("all your passkeys are lost. They end")
    assert await faults(page) == []
    await page.goto(f"{web.url}/")
    await expect(page.get_by_role("link", name="Look, and keep them")).to_be_visible()
    assert await faults(page) == []

    stranger = await web.page()
    token = link_token(await cast.owner.mail.wait(email, "Are your passkeys lost?"))
    await stranger.goto(f"{web.url}/keep-passkeys#{token}")
    assert await faults(stranger) == []
    await stranger.get_by_role("button", name="That was not me: keep my passkeys").click()
    await expect(stranger.locator("#said")).to_contain_text("Taken back")
    await page.reload()
    await expect(page.locator("#me")).to_contain_text(email)
    await expect(page.get_by_role("link", name="Look, and keep them")).to_be_hidden()

    await page.goto(f"{web.url}/passkeys")
    await page.get_by_role("button", name="All my passkeys are lost").click()
    await page.get_by_role("button", name="Yes, all are lost").click()
    await page.get_by_role("button", name="Keep my passkeys").click()
    await expect(page.locator("#said")).to_contain_text("your passkeys stay as they are")
    web.foresee("/v1/me/recovery/presence", "404")
    assert (await ask_api(page, "POST", "/v1/me/recovery/presence", {"code": "ABCD2345"}))["status"] == 404


async def test_an_address_asks_for_the_passkey_and_presence_ends_a_lost_one(
    cast: Cast, web: Chromium, stand: Stand
) -> None:
    email = "una@example.org"
    page = await web.page()
    hand = await Hand.of(page)
    await by_mail(page, cast, web, email)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
    una = Owner(cast.owner.api, cast.owner.mail, email)
    await una.sign_in()
    with pytest.raises(
        Refused, match=r"auth\.passkey_needed"
    ):  # the car is claimed, an address asks for more
        await stand.more_car(replace(cast, owner=una), "una")

    await ask_api(page, "DELETE", "/v1/session")
    await by_mail(page, cast, web, email)
    web.foresee("/v1/owner/cars/", "401")
    await page.get_by_role("link", name="Car 1").click()
    car = page.get_by_role("region", name="Addresses for shops")
    await car.get_by_text("Make an address", exact=True).click()
    await hand.verifies(False)
    await car.get_by_role("button", name="Make this address").click()
    await expect(car.locator(".said").first).to_contain_text(
        "Your passkey did not answer, so nothing was done"
    )
    await hand.verifies(True)
    await car.get_by_role("button", name="Make this address").click()
    await expect(car.locator(".address")).to_have_count(1)

    await page.goto(f"{web.url}/passkeys")
    await page.get_by_role("button", name="All my passkeys are lost").click()
    await page.get_by_role("button", name="Yes, all are lost").click()
    code = (await stand.by_hand(stand.stage.pair, "una"))["code"]
    await page.get_by_label("Code on its display").fill(code)
    web.foresee("/v1/me/recovery/presence", "409")  # until the service has heard of the code

    async def over() -> bool:
        await page.get_by_role("button", name="End the wait").click()
        await expect(page.locator("#said")).not_to_have_text("One moment…")
        return "have ended" in await page.locator("#said").inner_text()

    await until(over, "the wait is over")
    await expect(page.locator("#by")).to_contain_text("Nothing says yes for you")
    await expect(page.get_by_role("button", name="I accept that: links in my mail say yes")).to_be_hidden()
    assert await faults(page) == []
    with pytest.raises(Refused, match=r"auth\.unauthenticated"):  # her other session ended
        await cast.owner.api.call("GET", "/v1/me", token=una.token)
    await page.get_by_role("button", name="Make a passkey on this device").click()
    await expect(page.locator("#by")).to_contain_text("You say yes with a passkey")
