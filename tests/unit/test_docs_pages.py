"""The written pages: links lead somewhere, rules have their number and their test, nothing of one machine is named."""

import re
from pathlib import Path

import pytest

from trunkline import documents
from trunkline.settings import Settings

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")])
WRITTEN = [page for page in PAGES if page.parent.name != "generated"]
LINK = re.compile(r"\[[^\]]+\]\(([^)\s]+)\)")
PROTOCOL = (ROOT / "docs" / "vehicle-protocol.md").read_text("utf-8")


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Headings as the common renderers name them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text("utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text("utf-8")):
        if link.startswith(("http://", "https://")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", [page for page in WRITTEN if page.parent == ROOT / "docs"], ids=name)
def test_every_page_can_be_found(page: Path) -> None:
    index = ROOT / "docs" / "README.md"
    assert page == index or f"]({page.name})" in index.read_text("utf-8")


def test_every_decision_can_be_found() -> None:
    folder = ROOT / "docs" / "decisions"
    index = (folder / "README.md").read_text("utf-8")
    for page in folder.glob("[0-9]*.md"):
        assert f"]({page.name})" in index
        text = page.read_text("utf-8")
        for part in ("**Context.**", "**Decision.**", "**Consequences.**", "**Alternatives.**"):
            assert part in text, (page.name, part)


@pytest.mark.parametrize("page", WRITTEN, ids=name)
def test_nothing_of_one_machine_is_named(page: Path) -> None:
    text = page.read_text("utf-8")
    assert not re.search(r"/(work|root|home|tmp|opt)/|pypi\.|registry\.", text)


def test_rules_of_the_vehicle_protocol_have_one_number_each() -> None:
    numbers = [int(n) for n in re.findall(r"\*\*VP-(\d+)", PROTOCOL)]
    assert sorted(numbers) == list(range(1, len(numbers) + 1))


def test_each_rule_of_the_vehicle_protocol_is_shown_by_tests_that_exist() -> None:
    rows = re.findall(r"^\| VP-(\d+) \| (.*) \|$", PROTOCOL, re.MULTILINE)
    assert sorted(int(n) for n, _ in rows) == sorted(int(n) for n in re.findall(r"\*\*VP-(\d+)", PROTOCOL))
    for number, tests in rows:
        for file, test in re.findall(r"`([^`:]+)::([^`]+)`", tests):
            assert f"def {test}(" in (ROOT / "tests" / file).read_text("utf-8"), (
                f"VP-{number}: {file}::{test}"
            )


def test_a_default_of_the_settings_table_can_be_given_as_it_stands(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rows = re.findall(r"^\| `(TRUNKLINE_\w+)` \| `(.*?)` \|", documents.settings(), re.MULTILINE)
    assert len(rows) > 100
    plain = Settings(data_dir=tmp_path)
    for variable, default in rows:
        monkeypatch.setenv(variable, default)
    assert Settings(data_dir=tmp_path) == plain


def test_the_diagram_draws_every_state() -> None:
    from delivery.states import State

    drawn = documents.diagram()
    assert drawn.count("```") == 2
    for state in State:
        assert re.search(rf"(--> {state}\b|{state} -->)", drawn), state
