"""The frame of every page in a real browser: its weight, the choice of a language, pages of errors, and the small map."""

from typing import Final

from playwright.async_api import expect

from tests.journey.chromium import IN_THE_BROWSER, Chromium, browser, cast, web
from tests.journey.stand import Cast
from tests.journey.test_pages_deciding import look
from tests.journey.test_pages_for_everybody import FIRST_VISIT_BYTES, WEIGHT, faults
from trunkline.play import Owner

__all__ = ["browser", "cast", "web"]
pytestmark = IN_THE_BROWSER

MAP: Final = """async (points) => {
    await import("/static/mini-map.js");
    const map = document.querySelector("mini-map") || document.createElement("mini-map");
    map.points = points;
    document.querySelector("main").append(map);
    return map.hidden ? "" : map.querySelector("[role=img]").getAttribute("aria-label");
}"""
CAR: Final = {"kind": "car", "lat": 57.7089, "lon": 11.9746, "accuracy_m": 8}
COURIER: Final = {"kind": "courier", "lat": 57.7102, "lon": 11.9781, "accuracy_m": 30}
PLACE: Final = {"kind": "place", "lat": 57.7091, "lon": 11.9749, "radius_m": 80}


async def test_a_first_visit_is_light(cast: Cast, web: Chromium) -> None:
    # Somebody new: what the owner of other tests had delivered would weigh more than the pages.
    new = Owner(cast.owner.api, cast.owner.mail, "light@example.org")
    await new.sign_in()
    for session, path, shown in (("", "/sign-in", "#ask"), (new.token, "/", "#yours")):
        page = await look(web, path, session=session)
        await expect(page.locator(shown)).to_be_visible()
        assert 5_000 < await page.evaluate(WEIGHT) < FIRST_VISIT_BYTES, path


async def test_a_language_is_chosen_without_losing_where_one_is(cast: Cast, web: Chromium) -> None:
    web.foresee("/nowhere", "404")
    page = await look(web, "/nowhere#part")
    await expect(page.get_by_role("heading", name="There is no such page")).to_be_visible()
    assert await faults(page) == []
    await page.get_by_role("button", name="Nederlands").press("Enter")
    await expect(page.locator("html")).to_have_attribute("lang", "nl")
    assert page.url == f"{web.url}/nowhere#part"
    assert await faults(page) == []
    plain = await look(web, "/sign-in", javascript=False)
    await plain.get_by_role("button", name="Deutsch").click()
    await expect(plain.locator("html")).to_have_attribute("lang", "de")
    assert plain.url == f"{web.url}/sign-in"


async def test_the_map_says_in_words_what_it_shows(cast: Cast, web: Chromium) -> None:
    page = await look(web, "/sign-in")
    await expect(page.locator("#ask")).to_be_visible()
    assert await page.evaluate(MAP, [CAR, COURIER, PLACE]) == (
        "The courier is 250 m north-east of the car. The courier's position may be 30 m off. "
        "The car stands within the agreed place."
    )
    shown = page.locator("mini-map")
    await expect(shown.locator("use")).to_have_count(2)
    assert await faults(page) == []
    far = await page.evaluate(
        MAP, [CAR, {**COURIER, "lat": 57.65, "accuracy_m": None}, {**PLACE, "lat": 57.71}]
    )
    assert (
        far
        == "The courier is 6.6 km south of the car. The car stands outside the agreed place, 120 m from its middle."
    )
    assert await page.evaluate(MAP, [CAR, {**COURIER, "lat": CAR["lat"], "lon": CAR["lon"]}]) == (
        "The courier is at the car. The courier's position may be 30 m off."
    )
    assert (
        await page.evaluate(MAP, [{"kind": "car", "lat": 91, "lon": 0}, {"kind": "<b>", "lat": 1, "lon": 1}])
        == ""
    )
    await expect(shown).to_be_hidden()
