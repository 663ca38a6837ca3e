"""Around every page: errors in the reader's language, sessions only from our own pages, the choice of a language, weight."""

import gzip
import logging
import re
from typing import Any, cast

import httpx
import pytest
from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, StreamingResponse
from starlette.staticfiles import StaticFiles

from people.access import Access
from people.problems import NotYours
from spine.problems import Kind, Problem
from trunkline import frame
from trunkline.app import bare
from trunkline.frame import local
from trunkline.settings import Settings

ORIGIN = "https://trunkline.example"
BROWSER = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
OURS = {"Sec-Fetch-Site": "same-origin"}
SCRIPT = "export const long = 1;\n" * 40


class Over(Problem):
    code = "thing.over"
    kind = Kind.GONE


@pytest.fixture(scope="module")
def app() -> FastAPI:
    made = bare(Settings(public_url=ORIGIN, map_tiles="https://tiles.example/{z}/{x}/{y}.png"))
    nothing = cast(Any, None)
    access = Access(nothing, nothing, nothing, nothing, nothing, nothing, ORIGIN)
    made.router.routes.extend(frame.routes(access, nothing).routes)

    @made.api_route("/things/{thing}", methods=["GET", "PUT", "DELETE"])
    async def things(thing: str) -> Response:
        if thing == "bug":
            raise RuntimeError("the token 1234 is wrong")
        if thing == "over":
            raise Over("its detail is in English")
        if thing == "foreign":
            raise NotYours("its detail is in English")
        return Response("done")

    @made.get("/sign-in")
    @made.get("/visits")
    @made.get("/deliveries/{one}")
    async def page(request: Request) -> HTMLResponse:
        text = made.state.pages.from_string(
            "{% extends 'base.html' %}{% block content %}<h1>{{ 'page' * 99 }}</h1>{% endblock %}"
        )
        answer = HTMLResponse(text.render(**request.query_params))
        if "keep" in request.query_params:
            answer.set_cookie("tl_session", "x")
        return answer

    @made.get("/people/script.js")
    async def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")

    @made.get("/v1/secret")
    async def secret() -> dict[str, str]:
        return {"secret": "s" * 999}

    @made.get("/v1/events")
    async def events() -> StreamingResponse:
        async def lines() -> Any:
            yield ":" * 999

        return StreamingResponse(lines(), media_type="text/event-stream")

    made.mount("/static", StaticFiles(packages=[("trunkline", "static")]))
    return made


@pytest.fixture
async def http(app: FastAPI) -> Any:
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=ORIGIN) as client:
        yield client


@pytest.mark.parametrize(
    ("method", "path", "status", "words"),
    [
        ("GET", "/nowhere", 404, "There is no such page"),
        ("GET", "/things/over", 410, "This is over"),
        ("GET", "/things/foreign", 403, "This is not allowed"),
        ("POST", "/things/one", 405, "This cannot be opened like that"),
        ("GET", "/things/bug", 500, "That was our mistake"),
    ],
)
async def test_a_browser_gets_a_page_and_a_program_its_problem(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, method: str, path: str, status: int, words: str
) -> None:
    with caplog.at_level(logging.CRITICAL):
        page = await http.request(method, path, headers={**BROWSER, "Cookie": "tl_language=de"})
        problem = await http.request(method, path)
    assert page.status_code == problem.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert '<html lang="de">' in page.text
    assert ("Svenska" in page.text) is (method == "GET")  # an answer to a form cannot be asked for again
    assert "its detail" not in page.text
    assert "1234" not in page.text + problem.text
    english = await http.request(method, path, headers=BROWSER)
    assert words in english.text
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == status
    for answer in (page, problem):
        assert "trusted-types 'none'" in answer.headers["content-security-policy"]
        assert answer.headers["cache-control"] == "no-store"
    assert "allow" in page.headers or status != 405


async def test_a_bug_is_found_in_the_log_by_what_its_page_says(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    page = await http.get("/things/bug", headers=BROWSER)
    (logged,) = [record for record in caplog.records if record.message == "request.failed"]
    reference = cast(Any, logged).reference
    assert re.fullmatch("[0-9a-f]{8}", reference)
    assert reference in page.text


@pytest.mark.parametrize("cookie", ["tl_session", "tl_operator", "__Host-tl_session", "__Host-tl_operator"])
@pytest.mark.parametrize(
    ("said", "let_in"),
    [
        (OURS, True),
        ({"Origin": ORIGIN}, True),
        ({}, False),
        ({"Sec-Fetch-Site": "none"}, False),
        ({"Sec-Fetch-Site": "same-site", "Origin": ORIGIN}, False),
        ({"Sec-Fetch-Site": "cross-site", "Authorization": "Bearer x"}, False),
        ({"Origin": "null"}, False),
        ({"Origin": ORIGIN + ".evil.example"}, False),
    ],
)
async def test_a_session_changes_something_from_our_own_pages_alone(
    http: httpx.AsyncClient, cookie: str, said: dict[str, str], let_in: bool
) -> None:
    carried = {"Cookie": f"other=1; {cookie}=abc", **said}
    for method in ("PUT", "DELETE"):
        answer = await http.request(method, "/things/one", headers=carried)
        assert answer.status_code == (200 if let_in else 403)
        assert let_in or answer.json()["code"] == "auth.cross_site"
    assert (await http.get("/things/one", headers=carried)).status_code == 200
    assert (await http.put("/things/one", headers=said)).status_code == 200  # nobody's session rides along


async def test_the_language_is_chosen_where_one_is(http: httpx.AsyncClient) -> None:
    async def choose(back: str, language: str = "sv", **headers: str) -> httpx.Response:
        return await http.post(
            "/language", data={"language": language, "back": back}, headers=headers or OURS
        )

    chosen = await choose("/deliveries/dlv_1")
    assert (chosen.status_code, chosen.headers["location"]) == (303, "/deliveries/dlv_1")
    assert chosen.headers["set-cookie"].startswith("tl_language=sv; HttpOnly; Max-Age=")
    assert "Secure" in chosen.headers["set-cookie"]
    for elsewhere in (
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "/a\r\nSet-Cookie: b=c",
        "",
        "/" + "a" * 550,
    ):
        assert (await choose(elsewhere)).headers["location"] == "/"
    assert (await choose("/", "xx")).status_code == 422
    assert (await choose("/", **{"Sec-Fetch-Site": "cross-site"})).status_code == 403
    page = await http.get("/deliveries/dlv_1?said=x", headers={"Cookie": "tl_language=sv"})
    assert '<html lang="sv">' in page.text
    assert 'name="back" value="/deliveries/dlv_1"' in page.text
    assert re.findall(r'value="(..)" lang=".." aria-current', page.text) == ["sv"]
    assert {"Accept-Language, Cookie"} <= {page.headers["vary"].partition(", Accept-Encoding")[0]}


@pytest.mark.parametrize("path", ["/a", "/", "/x?y=z", "/%C3%A9"])
def test_a_path_of_ours(path: str) -> None:
    assert local(path)


async def test_a_page_whose_text_has_a_language_of_its_own_says_all_in_it(http: httpx.AsyncClient) -> None:
    page = await http.get("/visits?language=nl", headers={"Cookie": "tl_language=sv"})
    assert '<html lang="nl">' in page.text
    assert 'action="/language"' not in page.text
    readers = await http.get("/visits?language=nl&of_reader=1")
    assert 'action="/language"' in readers.text
    assert '<html lang="sv">' in (await http.get("/visits", headers={"Cookie": "tl_language=sv"})).text


async def test_where_one_is_stands_in_the_head_of_a_page(http: httpx.AsyncClient) -> None:
    nobody = await http.get("/deliveries/dlv_1")
    assert "<nav" not in nobody.text
    somebody = await http.get("/deliveries/dlv_1", headers={"Cookie": "tl_session=x"})
    assert re.findall(r'href="([^"]+)" aria-current="true"', somebody.text) == ["/"]


async def test_what_is_the_same_for_everybody_is_compressed_and_known_again(http: httpx.AsyncClient) -> None:
    for path in ("/people/script.js", "/static/trunkline.css", "/static/icons.svg"):
        first = await http.get(path)
        assert first.headers["content-encoding"] == "gzip"
        assert first.headers["cache-control"] == "public, max-age=300"
        assert "Accept-Encoding" in first.headers["vary"]
        again = await http.get(path, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
        plain = await http.get(path, headers={"Accept-Encoding": "br", "If-None-Match": 'W/"of another one"'})
        assert "content-encoding" not in plain.headers
        assert plain.text == first.text
        assert int(plain.headers["content-length"]) == len(plain.content)
    raw = [
        part
        async for part in (
            await http.send(http.build_request("GET", "/people/script.js"), stream=True)
        ).aiter_raw()
    ]
    assert gzip.decompress(b"".join(raw)).decode() == SCRIPT
    assert (await http.head("/static/trunkline.css")).status_code == 200


@pytest.mark.parametrize(
    ("path", "compressed"),
    [
        ("/sign-in", True),
        ("/sign-in?language=nl", False),  # a query is a stranger's to choose
        ("/sign-in?keep=1", False),
        ("/deliveries/dlv_1", False),  # it brings along what a person sees: made of pieces, or not at all
        ("/visits", False),  # not named: it may hold a token
        ("/v1/secret", False),
        ("/v1/events", False),
    ],
)
async def test_nothing_that_can_be_found_out_is_compressed(
    http: httpx.AsyncClient, path: str, compressed: bool
) -> None:
    answer = await http.get(path)
    assert answer.status_code == 200
    assert (answer.headers.get("content-encoding") == "gzip") is compressed
    assert "etag" not in answer.headers


async def test_tiles_of_the_operator_are_all_that_a_page_shows_of_elsewhere(http: httpx.AsyncClient) -> None:
    page = await http.get("/sign-in")
    assert "img-src 'self' https://tiles.example data:;" in page.headers["content-security-policy"]
    assert '<meta name="map-tiles" content="https://tiles.example/{z}/{x}/{y}.png"' in page.text
