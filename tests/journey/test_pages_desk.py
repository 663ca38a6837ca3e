"""The desk in a real browser: two agents on one list, drafts that survive, a call that ends in a visit, keys alone."""

import asyncio
import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from playwright.async_api import Page, Route, expect

from keys.car.jwk import unb64
from spine.facts.vehicle import UnitScan
from spine.house import open_house
from spine.ids import UnitId, VehicleId
from spine.store import Change, Store, Write
from spine.valkey import Valkey
from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast, Stand, ready_to_open, until
from tests.journey.test_pages_for_everybody import faults
from tests.journey.test_pages_passkeys import ask_api, by_mail
from trunkline.play import Owner
from trunkline.software_key import SoftwareKey

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

PHONE = "+31612345678"


DROPS = """() => {
    window.dropped = 0;
    const remove = Storage.prototype.removeItem;
    Storage.prototype.removeItem = function (name) {
        window.dropped += name.startsWith("desk.draft.");
        return remove.call(this, name);
    };
}"""
"""Counts how often the page forgets what it kept of a draft."""


class Savings:
    """A slow network: each saving of a draft waits until the test lets it go."""

    def __init__(self) -> None:
        self._waiting: list[asyncio.Event] = []

    async def hold(self, route: Route) -> None:
        mine = asyncio.Event()
        self._waiting.append(mine)
        await mine.wait()
        await route.continue_()

    async def held(self) -> bool:
        return bool(self._waiting)

    def go(self) -> None:
        self._waiting.pop().set()


@asynccontextmanager
async def store_of(stand: Stand) -> AsyncIterator[Store]:
    valkey = Valkey.at(f"redis://127.0.0.1:{stand.stage.ports.store}/0")
    try:
        yield Store(valkey, await open_house(valkey, allow_everysec=True))
    finally:
        await valkey.close()


async def scanned(stand: Stand, vehicle: str, *codes: str) -> None:
    """The car's unit sends a scan: as its gateway puts it into the log."""
    car, now = VehicleId(vehicle), datetime.now(UTC)
    said = [{"code": code, "status": "confirmed"} for code in codes]
    scan = {
        "scan_id": f"s-{now.timestamp()}", "at": now.isoformat(), "outcome": "complete", "source": "obd",
        "drive_cycle": 7, "mil": True, "odometer_m": 84_213_000, "readiness": {"supported": [], "incomplete": []},
        "ecus": [{"id": "7E8", "answered": True, "codes": said}],
    }  # fmt: skip
    fact = UnitScan(at=now, vehicle=car, unit=UnitId("vu_" + car[4:]), scan=scan)
    async with store_of(stand) as store:
        await store.change(
            [f"tst_{car[4:]}"], lambda _: Change({f"tst_{car[4:]}": Write("kept", "{}")}, [fact])
        )


async def agent(
    stand: Stand, cast: Cast, web: Chromium, email: str, role: str = "agent", **options: Any
) -> Page:
    """Somebody whom the operator made an agent, in a session that has shown a passkey. By the API: it is quicker."""
    [file] = list(stand.directory.rglob("operator.token"))
    api, operator = cast.owner.api, file.read_text("utf-8").strip()
    wish = {"Idempotency-Key": f"agent-{email}"}
    wanted = {"email": email, "role": role, "languages": ["en", "nl", "de"]}
    await api.call("POST", "/v1/operator/agents", wanted, token=operator, headers=wish)
    person = Owner(api, cast.owner.mail, email)
    await person.sign_in()
    begun = await api.call("POST", "/v1/me/passkeys/options", token=person.token)
    key = SoftwareKey.draw(origin=web.url, rp_id="localhost")
    made = {"name": "Key", "credential": key.registration(unb64(begun["options"]["challenge"]))}
    await api.call("POST", "/v1/me/passkeys", made, token=person.token)
    return await web.page(session=person.token, **options)


async def wants_calls(cast: Cast, vehicle: str) -> None:
    wish = {
        "on": True, "phone": PHONE, "language": "nl", "zone": "Europe/Amsterdam", "country": "NL",
        "hours": ["00:00", "23:59"],
    }  # fmt: skip
    await cast.owner.api.call("PUT", f"/v1/owner/cars/{vehicle}/calls", wish, token=cast.owner.token)


async def has_a_case(page: Page) -> bool:
    return bool(await page.locator("#case").is_visible())


async def held(page: Page) -> dict[str, str]:
    kept: dict[str, str] = await page.evaluate("JSON.parse(sessionStorage.getItem('desk.case'))")
    return kept


async def fits(page: Page, width: int) -> None:
    await page.set_viewport_size({"width": width, "height": 844})
    assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def shot(page: Page, file: Path) -> None:
    """As a person sees it, on a phone and at a desk, by day and by night: where ``TRUNKLINE_SHOTS`` asks for it."""
    if not os.environ.get("TRUNKLINE_SHOTS"):
        return
    for width, height in ((390, 844), (1440, 900)):
        await page.set_viewport_size({"width": width, "height": height})
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            await page.screenshot(path=str(file.with_stem(f"{file.stem}-{width}-{scheme}")), full_page=True)
    await page.emulate_media(color_scheme="light")


async def test_two_agents_from_a_race_to_a_booked_visit(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    web.foresee("/v1/desk/", "409")
    web.foresee("/v1/desk/cases/", "404")  # of a case that is another's now
    vehicle, _, _ = await stand.more_car(cast, "desk-car")
    await wants_calls(cast, vehicle)
    await stand.by_hand(
        stand.stage.command, "garage", "make", "Garage Oost", "--address", "Kade 2, Utrecht", "--mail",
        "oost@garage.example", "--hours", "mon-sun 08:00-17:00",
    )  # fmt: skip
    wide: Any = {"viewport": {"width": 1280, "height": 800}}
    ann = await agent(stand, cast, web, "ann@desk.example", locale="nl-NL", **wide)
    bob = await agent(stand, cast, web, "bob@desk.example", locale="de-DE", **wide)
    for page in (ann, bob):
        await page.goto(f"{web.url}/desk")
        await expect(page.locator("#live")).to_have_attribute("data-state", "live")
    assert await ann.locator("html").get_attribute("lang") == "nl"
    oil, heat = (f"cse_{vehicle[4:]}.{system}.1" for system in ("engine_control", "fuel_air"))

    # A fault of a car is on both screens without anybody looking again; both take it; one has it.
    await scanned(stand, vehicle, "P0524")
    for page in (ann, bob):
        await expect(page.locator(f'[data-case="{oil}"]')).to_be_visible()
    assert await faults(ann) == []
    await shot(bob, tmp_path / "list.png")
    await bob.set_viewport_size(wide["viewport"])
    await asyncio.gather(
        *(page.locator(f'[data-case="{oil}"]').click(no_wait_after=True) for page in (ann, bob))
    )

    async def decided() -> bool:
        return await has_a_case(ann) != await has_a_case(bob)

    await until(decided, "one of them has it")
    winner, loser = (ann, bob) if await has_a_case(ann) else (bob, ann)
    await expect(loser.locator("#said")).to_have_class("said bad")
    await expect(loser.locator(f'[data-case="{oil}"]')).to_have_count(0)
    await expect(winner.locator("#case-title")).to_be_focused()
    assert PHONE not in await winner.content(), "the number is told by dialling alone"
    await expect(winner.locator("#opening")).to_contain_text("Goedendag")
    local = datetime.now(UTC).astimezone(ZoneInfo("Europe/Amsterdam"))
    await expect(winner.locator("#clock-time")).to_have_text(
        re.compile("|".join(f"{local + timedelta(minutes=n):%H:%M}" for n in (0, 1, 2)))
    )

    # The list goes on living under the hands of who writes; not a letter is lost, nor the place of the cursor.
    note, savings = winner.locator("#note"), Savings()
    await note.press_sequentially("calls back ")
    await scanned(stand, vehicle, "P0524", "P0217")
    await expect(loser.locator(f'[data-case="{heat}"]')).to_be_visible()

    async def counted_alike() -> bool:
        rows = await loser.locator("#list [data-case]").count()  # another test's car may have left one
        return re.findall(r"\d+", await winner.locator("#count").inner_text()) == [str(rows)]

    await until(counted_alike, "both screens know of the same cases")
    await expect(note).to_be_focused()
    await expect(winner.locator("#saved")).to_have_text(re.compile(r"\d"))
    await winner.evaluate(DROPS)
    await winner.route("**/draft", savings.hold)
    await winner.keyboard.type("from ")
    await until(savings.held, "a saving is on its way")
    await winner.keyboard.type("work")
    savings.go()
    await until(savings.held, "what was written meanwhile is saved in its turn")
    assert await winner.evaluate("window.dropped") == 0, "until then it stays in the tab"
    savings.go()
    await winner.unroute_all(behavior="wait")
    await winner.locator("#questions textarea").first.fill("het lampje brandt")
    await expect(winner.locator("#saved")).to_have_text(re.compile(r"\d"))
    await winner.reload()
    await expect(note).to_have_value("calls back from work")
    await expect(winner.locator("#questions textarea").first).to_have_value("het lampje brandt")

    # Saved from another screen of the same agent: nothing is overwritten, both texts are there.
    kept = await held(winner)
    path = f"/v1/desk/cases/{kept['case']}"
    n = (await ask_api(winner, "GET", path))["body"]["draft_n"]
    other = {"token": kept["token"], "n": n, "answers": {}, "note": "from the other screen"}
    assert (await ask_api(winner, "PUT", f"{path}/draft", other))["status"] == 200
    await note.fill("mine")
    await expect(winner.locator("#theirs")).to_contain_text("from the other screen")
    await expect(note).to_have_value("mine")
    await winner.locator("#mine").click()
    await expect(winner.locator("#stale")).to_be_hidden()

    # The call, and a visit booked while they talk.
    await winner.locator("#dial").click()
    await expect(winner.get_by_role("link", name=PHONE)).to_be_visible()
    await expect(winner.locator("#outcomes")).to_be_focused()
    # Not the first one: while it is looked at, its notice may end.
    time = winner.locator("#offers h5 + .acts").first.get_by_role("button").last
    await expect(time).to_be_visible()
    day = await winner.locator("#offers h5").first.text_content()
    assert day
    assert day in str(await time.get_attribute("aria-label")), (
        "a day is its times' heading, and read with each"
    )
    assert await faults(winner) == []
    await fits(winner, 390)
    await shot(winner, tmp_path / "case.png")
    await winner.set_viewport_size(wide["viewport"])
    await time.click()
    await expect(winner.locator("#after")).to_be_visible()
    await expect(winner.locator("#next")).to_be_focused()
    cases = await cast.owner.api.call("GET", f"/v1/owner/cars/{vehicle}/cases", token=cast.owner.token)
    [booked] = [one for one in cases["data"] if one["state"] == "booked"]
    assert [one["disposition"] for one in booked["calls"]] == ["booked"]
    await cast.owner.mail.wait("oost@garage.example", "")
    await _by_keys_alone(loser, web, heat, tmp_path)


async def _by_keys_alone(page: Page, web: Chromium, case: str, folder: Path) -> None:
    """The other agent never touches the mouse: keys are changed, the next case taken, lost, had again, told of."""
    keys = page.keyboard
    await page.locator("#waiting").focus()
    await keys.press("?")
    await expect(page.locator("#keys-title")).to_be_focused()
    assert await faults(page) == []
    await shot(page, folder / "keys.png")
    await page.locator('[data-act="next"]').focus()
    await keys.press("Enter")
    await keys.press("q")
    await expect(page.locator('[data-act="next"] kbd')).to_have_text("q")
    await page.locator('[data-act="outcome.declined_not_now"]').focus()
    await keys.press("Enter")
    await keys.press("w")  # the wrong number's: they change places
    await expect(page.locator('[data-act="outcome.wrong_number"] kbd')).to_have_text("l")
    await keys.press("?")
    await expect(page.locator("#keys")).to_be_hidden()
    await page.reload()
    await expect(page.locator("#next-key")).to_have_text("q")
    await expect(page.locator(f'[data-case="{case}"]')).to_be_visible()
    await page.locator("#waiting").focus()
    await keys.press("j")
    await expect(page.locator(f'[data-case="{case}"]')).to_be_focused()
    await keys.press("q")
    await expect(page.locator("#case-title")).to_be_focused()
    assert page.url.endswith(f"/desk#{case}")

    # Given back from somewhere else: this screen hears of it, and keeps what is written.
    kept = await held(page)
    await keys.press("m")
    given = await ask_api(page, "POST", f"/v1/desk/cases/{case}/release", {"token": kept["token"]})
    assert given["status"] == 200
    await keys.type("typed after it was lost")
    await expect(page.locator("#lost")).to_be_visible()
    await expect(page.locator("#note")).to_have_value("typed after it was lost")
    assert await faults(page) == []
    await page.locator("#again").focus()
    await keys.press("Enter")
    await expect(page.locator("#lost")).to_be_hidden()

    async def saved() -> bool:
        return bool((await ask_api(page, "GET", f"/v1/desk/cases/{case}"))["body"]["note"])

    await until(saved, "what was written is saved")

    # On a phone: one column, and a way back from it to the list.
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.locator("#to-list").focus()
    await keys.press("Enter")
    await expect(page.locator("#waiting")).to_be_visible()
    await expect(page.locator("#case")).to_be_hidden()
    assert await faults(page) == []
    await page.set_viewport_size({"width": 390, "height": 844})
    await page.locator("#to-case").focus()
    await keys.press("Enter")
    await expect(page.locator("#case-title")).to_be_focused()
    await page.set_viewport_size({"width": 1280, "height": 800})

    # What is in the address is what is open: the link of a case opens it again in another tab of theirs.
    await keys.press("z")
    await expect(page.locator("#next")).to_be_focused()
    assert page.url.endswith("/desk")
    tab = await web.tab(page.context)
    await tab.goto(f"{web.url}/desk#{case}")
    await expect(tab.locator("#case-title")).to_be_focused()
    await page.close()

    await tab.keyboard.press("p")
    await expect(tab.locator("#outcomes")).to_be_focused()
    await tab.keyboard.press("w")  # "not now", where it was put
    await expect(tab.locator("#after")).to_be_visible()
    assert await faults(tab) == []
    await tab.goto(f"{web.url}/desk/wallboard")
    await expect(tab.locator("#state .tile")).not_to_have_count(0)
    await expect(tab.locator("#live")).to_have_attribute("data-state", "live")
    assert await faults(tab) == []
    await shot(tab, folder / "wallboard.png")

    # Signed out in another tab: what was written and not saved yet stays in no tab for the next one at this screen.
    await tab.goto(f"{web.url}/desk")
    await expect(tab.locator("#live")).to_have_attribute("data-state", "live")
    await tab.evaluate("sessionStorage.setItem('desk.draft.x', 'she is at her mother\\'s')")
    web.foresee("/v1/desk", "401")
    out = await web.tab(tab.context)
    await out.goto(web.url)
    # All that it asks for has come, also the look that follows when its stream has opened.
    await expect(out.locator("#live")).to_have_attribute("data-state", "live")
    async with tab.expect_event("load"):  # it hears so, forgets and begins anew
        await out.locator("#sign-out").click()
    await expect(tab.locator("#entry-link")).to_be_visible()
    assert not await tab.evaluate(
        "Object.keys(sessionStorage).filter((name) => name.startsWith('desk.')).length"
    )


async def test_help_from_the_owners_page_to_a_locked_car(
    stand: Stand, cast: Cast, web: Chromium, tmp_path: Path
) -> None:
    delivery, _ = await ready_to_open(cast, "help")
    owner = await web.page(session=cast.owner.token)
    await owner.goto(f"{web.url}/deliveries/{delivery}")
    await owner.get_by_label("Where we may call you").fill("+31 6 87 65 43 21")
    await owner.get_by_role("button", name="Ask for help").click()
    await expect(owner.locator("#help-said")).to_contain_text("first in the list")
    asked = await cast.courier.api.call(
        "POST", f"/v1/courier/deliveries/{delivery}/help", {}, token=cast.courier.token
    )
    assert asked["case"] == f"cse_{delivery[4:]}.help.1", "one open case a delivery"

    page = await agent(stand, cast, web, "dora@desk.example", "supervisor")
    await page.goto(f"{web.url}/desk#{asked['case']}")
    await expect(page.locator("#case-title")).to_have_text("Help with a delivery")
    await expect(page.locator("#help-facts")).to_contain_text("arrived")
    await page.get_by_role("button", name="Show the owner's number").click()
    await expect(page.get_by_role("link", name="+31687654321")).to_be_visible()
    await page.get_by_role("button", name="Lock the car").click()
    await expect(page.locator("#said")).to_contain_text("The car says that it is locked")
    assert await faults(page) == []
    await shot(page, tmp_path / "help.png")
    await page.get_by_role("button", name="Help was given: close the case").click()
    await expect(page.locator("#after-says")).to_contain_text("Help was given")
    state = (await cast.carrier.view(delivery))["state"]
    assert state == "arrived", "nothing was opened"


async def test_who_does_not_work_here(stand: Stand, cast: Cast, web: Chromium) -> None:
    web.foresee("/v1/desk/me", "401")
    web.foresee("/v1/desk/me", "403")
    web.foresee("/v1/session/passkey/options", "404")
    stranger = await web.page()
    await stranger.goto(f"{web.url}/desk")
    await expect(stranger.get_by_role("link", name="Sign in")).to_be_visible()
    owner = await web.page(session=cast.owner.token)
    await owner.goto(f"{web.url}/desk")
    await expect(owner.locator("#entry-says")).to_contain_text("do not work at this desk")
    make = ("agent", "make", "eli@desk.example", "--languages", "en")
    eli: Any = await stand.by_hand(stand.stage.command, *make)
    page = await web.page()
    await by_mail(page, cast, web, "eli@desk.example")
    await page.goto(f"{web.url}/desk")
    await page.get_by_role("button", name="Show your passkey").click()
    await expect(page.get_by_role("link", name="Make a passkey")).to_be_visible()
    assert await faults(page) == []

    async def newest() -> bool:
        listed: Any = await stand.by_hand(stand.stage.command, "agent", "list")
        return bool(listed[0] == eli)

    await until(newest, "the new agent is listed first")
    assert eli["role"] == "agent"
    await stand.by_hand(stand.stage.command, "agent", "remove", eli["agent"])
    await page.reload()
    await expect(page.locator("#entry-says")).to_contain_text("do not work at this desk")
