"""The files of the courier's page: everything it needs is kept, under a name that changes with any of them."""

import json
import re
import shutil
import subprocess
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Final

import pytest

from delivery import courier_pages
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
    assert queued == {"arrived", "photo", "done", "fail"}
    assert "outbox" not in STATIC.joinpath("courier_opening.js").read_text("utf-8")


@pytest.mark.skipif(shutil.which("node") is None, reason="node is missing (Debian package: nodejs)")
def test_distance_and_direction_are_those_of_the_service() -> None:
    script = (
        STATIC.joinpath("courier_here.js")
        .read_text("utf-8")
        .replace('from "/static/words.js"', 'from "words"')
    )
    script = re.sub(
        r"^import .*$",
        'const t = (text) => text; const language = "en";',
        script,
        count=1,
        flags=re.MULTILINE,
    )
    asked = (
        "console.log(JSON.stringify([distance(a, b), bearing(a, b), length(7.4), length(263), length(1440)]))"
    )
    script += f"\nconst [a, b] = [{{ lat: 52.0907, lon: 5.1214 }}, {{ lat: 52.0921, lon: 5.1245 }}]; {asked}"
    done = subprocess.run(
        [str(shutil.which("node")), "--input-type=module", "-e", script],
        capture_output=True,
        check=True,
        text=True,
    )
    metres, degrees, *lengths = json.loads(done.stdout)
    from delivery.place import Point, distance

    assert metres == pytest.approx(distance(Point(lat=52.0907, lon=5.1214), Point(lat=52.0921, lon=5.1245)))
    assert degrees == pytest.approx(53.7, abs=0.3)
    assert lengths == ["7 m", "260 m", "1.4 km"]
