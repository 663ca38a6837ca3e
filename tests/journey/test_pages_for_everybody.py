"""Every page for everybody: axe-core in both themes from 320 px up, reflow, targets, weight, and a strict CSP."""

from typing import Any, Final

from playwright.async_api import Page, expect

from tests.journey.chromium import (
    IN_THE_BROWSER,
    OF_A_THEME,
    OF_A_WIDTH,
    Chromium,
    browser,
    cast,
    violations,
    web,
)
from tests.journey.stand import Cast, decide, until
from tests.journey.test_pages_deciding import asked, look

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

WIDTHS: Final = (320, 1280)
THEMES: Final = ("light", "dark")
FIRST_VISIT_BYTES: Final = 60_000
WEIGHT: Final = (
    "['navigation', 'resource'].flatMap((kind) => performance.getEntriesByType(kind))"
    ".reduce((sum, one) => sum + one.encodedBodySize, 0)"
)


async def faults(page: Page) -> list[str]:
    """What is wrong with a page at each width, in each theme.

    All rules are asked once; at another width or in the other colours those whose answer hangs on them.
    """
    found: list[str] = []
    await page.emulate_media(color_scheme=THEMES[0], reduced_motion="reduce")
    for width in WIDTHS:
        await page.set_viewport_size({"width": width, "height": 800})
        wide = await page.evaluate("document.documentElement.scrollWidth")
        found += [f"{width} px: {wide} px wide"] if wide > width else []
        low = await page.evaluate(
            "[...document.querySelectorAll('button, .button, input, summary')].filter((e) => e.checkVisibility())"
            ".filter((e) => !['radio', 'checkbox'].includes(e.type) && e.getBoundingClientRect().height < 44).map((e) => e.outerHTML)"
        )
        found += [f"{width} px: less than 44 px high: {one}" for one in low]
        rules = () if width == WIDTHS[0] else OF_A_WIDTH
        found += [f"{width} px: {one}" for one in await violations(page, only=rules)]
    for theme in THEMES[1:]:
        await page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        found += [f"{theme}: {one}" for one in await violations(page, only=OF_A_THEME)]
    await page.emulate_media(color_scheme=THEMES[0], reduced_motion="reduce")
    return found


async def test_pages_before_signing_in(cast: Cast, web: Chromium) -> None:
    page = await web.page()
    for path, shown in (
        ("/", "Sign in"),
        ("/sign-in", "Mail me a link"),
        (f"/sign-in#{'a' * 43}", "Sign in on this device"),
        (f"/confirm-email#{'a' * 43}", "This is my e-mail"),
        (f"/keep-email#{'a' * 43}", "That was not me: keep my e-mail"),
        ("/decide", "Your deliveries and cars"),
        ("/block", "Your deliveries and cars"),
    ):
        await page.goto(web.url + path)
        await expect(page.get_by_text(shown, exact=True)).to_be_visible()
        assert await faults(page) == [], path


async def test_the_question_and_its_answer(cast: Cast, web: Chromium) -> None:
    _, path = await asked(cast, reference="axe")
    page = await look(web, path)
    await expect(page.get_by_role("button", name="Approve")).to_be_visible()
    assert 5_000 < await page.evaluate(WEIGHT) < FIRST_VISIT_BYTES
    assert await faults(page) == []
    await page.get_by_role("button", name="Approve").click()
    await expect(page.locator("#outcome")).to_have_text("Approved")
    assert await faults(page) == []


async def test_pages_of_somebody_signed_in(cast: Cast, web: Chromium) -> None:
    delivery, _ = await asked(cast, reference="axe signed in")
    page = await look(web, f"/deliveries/{delivery}", session=cast.owner.token)
    await expect(page.locator("#live")).to_have_text("live")
    assert await faults(page) == []
    await page.get_by_role("button", name="Approve").click()
    await page.get_by_role("button", name="Block").click()
    assert await faults(page) == []


async def test_the_pages_say_how_every_state_stands(cast: Cast, web: Chromium) -> None:
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="words")
    await decide(cast.owner, delivery, "decline")
    page = await look(web, f"/deliveries/{delivery}", session=cast.owner.token)
    await expect(page.locator("#state")).to_have_text("Declined")
    await expect(page.locator("#facts")).to_contain_text("none")
    silent: list[Any] = await page.evaluate(
        """async (states) => {
            const { standing, stateName } = await import("/delivery/words.js");
            const read = await (await fetch(location.pathname.replace("/deliveries", "/v1/owner/deliveries"))).json();
            return states.filter((state) => {
                const { title, next } = standing({ ...read, state });
                return !title || !next || title.includes("undefined") || next.includes("undefined") || !stateName(state)[0];
            });
        }""",
        [state.value for state in _owners_states()],
    )
    assert silent == []
    doubt: list[str] = await page.evaluate(
        """async (endings) => {
            const { standing } = await import("/delivery/words.js");
            const key = { state: "ending", dies_at: "2026-11-22T14:30:00Z" };
            return endings.map((words) => standing({ state: "blocked", timeline: words.map((one) => ["", one]), key }).next);
        }""",
        [["opening", "blocked"], ["unsure", "blocked"], ["opening", "refused", "blocked"], ["blocked"]],
    )
    assert ["the boot may be open" in words for words in doubt] == [True, True, False, False]


def _owners_states() -> list[Any]:
    from delivery.states import State

    # Of an address that cannot be used no car's people hear.
    return [state for state in State if state not in {State.NEW, State.UNUSABLE}]


async def test_what_breaks_the_policy_would_fail_a_test(web: Chromium) -> None:
    page = await look(web, "/")
    await page.evaluate(
        "document.body.append(Object.assign(document.createElement('style'), {textContent: 'p {}'}))"
    )
    await page.evaluate("void setTimeout(() => { document.body.innerHTML = '<p>' })")

    async def both() -> bool:
        # What was thrown is told twice, by the console and as a page error: the slower one would fail the teardown.
        told = {one.split(":")[0] for one in web.complaints if "TrustedHTML" in one}
        return {"page error", "console error"} <= told and "style-src" in "\n".join(web.complaints)

    await until(both, "the browser complains")
    web.complaints.clear()
    await page.evaluate(
        "document.querySelector('h1').className = 'badge'; document.body.style.color = '#999'"
    )
    assert any("color-contrast" in one for one in await violations(page))
