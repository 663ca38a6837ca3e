"""The pages of a mail's link: strict enough for our content policy, and nothing is used up by looking."""

import re

import httpx
import pytest
from fastapi import FastAPI

from people import pages
from trunkline.frame import templates

PAGES = [
    "/sign-in",
    "/confirm-email",
    "/passkeys",
    "/keep-passkeys",
    "/keep-email",
    "/account",
    "/invitations/inv_3k7m9qxd4hwe2a5t.1",
]


@pytest.fixture
def http() -> httpx.AsyncClient:
    app = FastAPI()
    app.include_router(pages.routes(templates()))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://localhost")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_has_no_inline_script_and_its_script_is_ours(http: httpx.AsyncClient, path: str) -> None:
    page = await http.get(path)
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    (script,) = re.findall(r"<script([^>]*)>(.*?)</script>", page.text)
    assert script[1] == ""
    source = re.search(r'src="([^"]+)"', script[0])
    assert source is not None
    assert not re.search(r"\son\w+=|style=|javascript:", page.text)
    found = await http.get(source[1])
    assert found.headers["content-type"].startswith("text/javascript")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", found.text)


async def test_what_is_no_invitation_has_no_page(http: httpx.AsyncClient) -> None:
    assert (await http.get("/invitations/../../etc")).status_code == 404
    assert (await http.get("/invitations/nonsense")).status_code == 422
