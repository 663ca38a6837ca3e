"""The files of the courier's page: everything it needs is kept, under a name that changes with any of them."""

import json
import re
import shutil
import subprocess
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

import pytest

from delivery import courier_pages
from delivery.place import Point, distance
from tests.unit.test_docs_link import VECTORS
from trunkline import headers
from trunkline.app import templates
from trunkline.delivering import _courier_pages, _shared

STATIC: Final = Path(str(files("delivery").joinpath("static")))
WORKER: Final = STATIC.joinpath("courier_sw.js").read_text("utf-8")
PAGE: Final = templates().get_template("courier.html").render()


def test_the_shell_has_every_file_that_any_of_its_files_names() -> None:
    kept = courier_pages.shell(PAGE, courier_pages.own_files(), _shared)
    assert set(courier_pages.own_files()) <= set(kept)
    assert {"/static/trunkline.css", "/static/words.js", "/courier/jsqr.js"} <= set(kept)
    for path, data in kept.items():
        if path.endswith(".js"):
            for named in re.findall(r'(?:from|import\() ?"(/[^"]+)"', data.decode()):
                assert named in kept, (path, named)


def test_a_file_that_is_not_there_is_found_when_the_service_starts() -> None:
    with pytest.raises(LookupError, match=r"/static/gone\.js"):
        courier_pages.shell('<script src="/static/gone.js">', {}, _shared)


def test_the_version_changes_with_any_byte_and_only_then() -> None:
    kept = courier_pages.shell(PAGE, courier_pages.own_files(), _shared)
    first = courier_pages.version_of(WORKER, PAGE, kept)
    assert first == courier_pages.version_of(WORKER, PAGE, dict(reversed(kept.items())) and kept)
    others = {
        courier_pages.version_of(WORKER, PAGE, {**kept, path: data + b" "}) for path, data in kept.items()
    }
    others |= {courier_pages.version_of(WORKER + " ", PAGE, kept), courier_pages.version_of(WORKER, "", kept)}
    assert first not in others
    assert len(others) == len(kept) + 2


def test_the_worker_says_each_file_with_its_hash() -> None:
    script = courier_pages.worker(WORKER, "0123", {"/a.js": b"a"})
    assert 'const VERSION = "0123";' in script
    assert json.dumps({"/a.js": sha256(b"a").hexdigest()}, indent=2) in script
    assert "{version}" not in script
    assert "{files}" not in script


def test_the_page_may_use_the_camera_and_make_one_trusted_address() -> None:
    router = _courier_pages(templates())
    assert "trusted-types 'none'" in headers.CSP, "the page's own policy is made from this"
    paths = {getattr(route, "path", "") for route in router.routes}
    assert {"/courier", "/courier/sw.js", "/courier/start.js", "/courier/courier.css"} <= paths
    assert "/courier/courier_sw.js" not in paths


def test_what_is_not_ours_is_what_was_published() -> None:
    listed = json.loads(STATIC.joinpath("vendored.json").read_text("utf-8"))
    assert set(listed) == {"courier_jsqr.js"}
    for name, about in listed.items():
        assert sha256(STATIC.joinpath(name).read_bytes()).hexdigest() == about["sha256"]
        assert about["integrity"].startswith("sha512-")
        assert about["licence"] == "Apache-2.0"


def test_opening_and_flashing_have_no_way_into_the_outbox() -> None:
    queued = {
        name
        for file in STATIC.glob("courier_*.js")
        for name in re.findall(r'later\([^,]+, "(\w+)"', file.read_text("utf-8"))
    }
    assert queued == {"arrived", "photo", "done", "fail", "receipts"}
    assert "outbox" not in STATIC.joinpath("courier_opening.js").read_text("utf-8")


NODE: Final = shutil.which("node")
needs_node: Final = pytest.mark.skipif(NODE is None, reason="node is missing (Debian package: nodejs)")


def said(script: str, asked: str) -> Any:
    """What a script of the page answers outside of one; texts are said as they are written."""
    words = 'const t = (text) => text; const language = "en";'
    source = re.sub(r'^import .* from "/static/words.js";$', words, script, count=1, flags=re.MULTILINE)
    command = [str(NODE), "--input-type=module", "-e", f"{source}\nconsole.log(JSON.stringify({asked}))"]
    return json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


@needs_node
def test_distance_and_direction_are_those_of_the_service() -> None:
    one, other = "{ lat: 52.0907, lon: 5.1214 }", "{ lat: 52.0921, lon: 5.1245 }"
    asked = f"[distance({one}, {other}), bearing({one}, {other}), length(7.4), length(263), length(1440)]"
    metres, degrees, *lengths = said(STATIC.joinpath("courier_here.js").read_text("utf-8"), asked)
    assert metres == pytest.approx(distance(Point(lat=52.0907, lon=5.1214), Point(lat=52.0921, lon=5.1245)))
    assert degrees == pytest.approx(53.7, abs=0.3)
    assert lengths == ["7 m", "260 m", "1.4 km"]


@needs_node
def test_frames_over_bluetooth_are_those_of_the_page_on_the_link() -> None:
    """The phone's own frames byte for byte, the unit's as it reads them, and what breaks a stream."""
    hexed = "const hex = (bytes) => Array.from(bytes, (one) => one.toString(16).padStart(2, '0')).join('');"
    raw = "const raw = (text) => Uint8Array.from(text.match(/../g), (two) => parseInt(two, 16));"
    broken = (
        "const broken = (...chunks) => { const frames = new Frames();"
        " try { chunks.map((one) => frames.feed(raw(one))); return false; }"
        " catch (problem) { return problem instanceof BrokenStream; } };"
    )
    script = "\n".join([STATIC.joinpath("courier_frames.js").read_text("utf-8"), hexed, raw, broken])
    asks = {"hello": '{"hello":1}', "challenge": '{"challenge":{"link":"phone"}}'}
    answers = {"greeted": {"ok": {"hello": 1}}, "refused": {"no": "refused"}}
    streams = (
        ["00"], ["01aa"], ["0000", "0200"], ["0000000000"], ["0000004001"], ["00000000026869"], ["00000000027b7d"],
        ["00000000025b5d"], ["000000000d7b2261223a312c2262223a327d"],
    )  # fmt: skip
    wrote = [
        f"[hex(pack({document})), new Chunks().cut(pack({document}), {VECTORS[name]['mtu']}).map(hex)]"
        for name, document in asks.items()
    ]
    read = [
        f"(() => {{ const f = new Frames(); return {VECTORS[name]['chunks']}.flatMap((one) => f.feed(raw(one))); }})()"
        for name in answers
    ]
    failed = [f"broken(...{json.dumps(chunks)})" for chunks in streams]
    whole = 'broken("00000000", "01077b2261223a317d")'
    found = said(script, f"[[{','.join(wrote)}], [{','.join(read)}], [{','.join(failed)}], {whole}]")
    assert found[0] == [[VECTORS[name]["frame"], VECTORS[name]["chunks"]] for name in asks]
    assert found[1] == [[document] for document in answers.values()]
    assert found[2] == [True] * len(streams)
    assert found[3] is False
