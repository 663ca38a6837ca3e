"""Kept frames: what differs is put in, never compressed, and never more than what it is to HTML."""

import gzip
import json
import zlib
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request, Response

from trunkline.app import bare
from trunkline.frames import Frame, in_a_script
from trunkline.pieces import Pieces
from trunkline.settings import Settings

TEXT = "<p>one one one one HOLE two två two two two</p>" + "the same for everybody " * 40 + "OTHER<b>HOLE</b>"
HOSTILE = {"name": "</script><script>alert(1)</script><!-- & \u2028 ü", "n": 1}
PAGE = """{% extends "base.html" %}{% block content %}<h1 data-id="{{ subject }}">{{ _("A delivery") }}</h1>
<script type="application/json" id="carried">{{ carried }}</script><script type="module" src="{{ script }}"></script>
{% endblock %}"""


@pytest.mark.parametrize("fill", ["", "x", "é" * 50, "long " * 30_000])
def test_a_whole_is_its_pieces_with_the_holes_filled(fill: str) -> None:
    pieces = Pieces(TEXT, ("HOLE", "OTHER"))
    filled = {"HOLE": fill.encode(), "OTHER": b"<i>HOLE</i>"}
    whole = TEXT.replace("OTHER", "\0").replace("HOLE", fill).replace("\0", "<i>HOLE</i>").encode()
    assert pieces.plain(filled) == whole
    assert gzip.decompress(pieces.gzip(filled)) == whole
    reader = zlib.decompressobj(16 + zlib.MAX_WBITS)
    assert reader.decompress(pieces.gzip(filled)) == whole
    assert (reader.eof, reader.unused_data) == (True, b"")
    with pytest.raises(KeyError):
        pieces.gzip({"HOLE": b""})


@pytest.mark.parametrize("text", ["", "no hole at all", "HOLE", "HOLEHOLE"])
def test_pieces_may_be_empty(text: str) -> None:
    pieces = Pieces(text, ("HOLE",))
    assert gzip.decompress(pieces.gzip({"HOLE": b"ab"})) == text.replace("HOLE", "ab").encode()
    assert gzip.decompress(Pieces(text, ()).gzip({})) == text.encode()


def test_the_length_tells_nothing_but_lengths() -> None:
    """A stranger's guess that is right is as long as one that is wrong (BREACH)."""
    pieces = Pieces(TEXT, ("HOLE", "OTHER"))
    secret = b"169a74ff0543ce586d1b6ade6e256c0ca044d0a88b443ff0b999e74b9132ec44"
    guesses = (secret, b"the same for everybody the same for everybody the same for every", bytes(64))
    assert len({len(pieces.gzip({"HOLE": guess, "OTHER": secret})) for guess in guesses}) == 1
    assert len(pieces.gzip({"HOLE": b"", "OTHER": b""})) < len(TEXT) / 3


@pytest.fixture
async def http() -> Any:
    app: FastAPI = bare(Settings())
    frame = Frame(app.state.pages.from_string(PAGE), {"script": "/delivery/delivery.js"})

    @app.get("/deliveries/{one}")
    async def page(request: Request, one: str) -> Response:
        said = json.dumps({**HOSTILE, "id": one}).encode() if "tl_session" in request.cookies else b""
        return frame.answer(request, subject=one, carried=said)

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="https://trunkline.example") as client:
        yield client


def carried(page: httpx.Response) -> str:
    return page.text.partition('id="carried">')[2].partition("</script>")[0]


async def test_a_kept_frame_is_of_one_language_one_kind_of_reader_and_nobodys_own(
    http: httpx.AsyncClient,
) -> None:
    for _ in range(2):  # made, then kept
        somebody = await http.get("/deliveries/dlv_1", headers={"Cookie": "tl_session=x; tl_language=de"})
        assert json.loads(carried(somebody)) == {**HOSTILE, "id": "dlv_1"}
        assert ('<html lang="de">' in somebody.text, "<nav" in somebody.text) == (True, True)
        other = await http.get("/deliveries/dlv_2", headers={"Cookie": "tl_session=y"})
        assert json.loads(carried(other))["id"] == "dlv_2"
        assert 'name="back" value="/deliveries/dlv_2"' in other.text
        nobody = await http.get("/deliveries/dlv_1")
        assert (carried(nobody), "<nav" in nobody.text) == ("", False)
        assert 'data-id="dlv_1"' in nobody.text
        for page in (somebody, other, nobody):
            assert "0f1e2d3c4b5a" not in page.text
            assert page.headers["content-encoding"] == "gzip"
            assert page.headers["cache-control"] == "no-store"
            assert page.headers["vary"] == "Accept-Encoding, Accept-Language, Cookie"
            assert "script-src 'self';" in page.headers["content-security-policy"]


async def test_a_browser_that_takes_no_gzip_gets_the_same(http: httpx.AsyncClient) -> None:
    cookie = {"Cookie": "tl_session=x"}
    packed = await http.get("/deliveries/dlv_1", headers=cookie)
    plain = await http.get("/deliveries/dlv_1", headers={**cookie, "Accept-Encoding": "br"})
    assert "content-encoding" not in plain.headers
    assert plain.text == packed.text
    assert int(plain.headers["content-length"]) == len(plain.content)


async def test_what_is_no_plain_id_is_put_into_no_page(http: httpx.AsyncClient) -> None:
    for path in ("/deliveries/%22%3E%3Cb%3E", "/deliveries/" + "a" * 41, "/deliveries/subject-0f1e2d3c4b5a"):
        assert (await http.get(path)).status_code == 500


def test_nothing_ends_the_data_block_but_its_end() -> None:
    said = in_a_script(json.dumps(HOSTILE, ensure_ascii=False).encode())
    assert not {b"<", b">", b"&"} & {bytes([byte]) for byte in said}
    assert json.loads(said) == HOSTILE
