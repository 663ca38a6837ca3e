"""Catalogs of texts: everything that pages show is found, and no translation that breaks a page comes through."""

import json
from pathlib import Path

import pytest
from jinja2 import DictLoader, Environment

from trunkline import languages
from trunkline.catalogs import ROOT, catalog_of, cities, files_of, gather, run
from trunkline.extracting import NotLiteral, of_script, of_template

IMPORT = 'import { n, t } from "/static/words.js";\n'


def test_a_packages_own_words_are_texts_too() -> None:
    """Named like the house's ``words.js``, which has none of its own: how every state is said stands there."""
    found = gather(ROOT)
    assert found.faults == []
    used = {name for use in found.texts.values() for name in use.files}
    assert "delivery/static/words.js" in used
    assert "trunkline/static/words.js" not in used


def test_texts_of_a_script_are_found_wherever_they_stand() -> None:
    script = (
        IMPORT
        + """
    // t("a comment is no text")
    say(t("Opened at {time}", { time: seen ? second(seen) : t("a time that nobody told") }));
    const told = `${t('It is \\'quoted\\'')}: ${n("{count} parcel", "{count} parcels", much)}`;
    wait("not ours"), object.t("nor this");
    t(
      "On a line of its own \\u2013 really",
    );
    """
    )
    assert [(one.one, one.many) for one in of_script(script)] == [
        ("Opened at {time}", None),
        ("a time that nobody told", None),
        ("It is 'quoted'", None),
        ("{count} parcel", "{count} parcels"),
        ("On a line of its own \u2013 really", None),
    ]
    assert list(of_script('t("of a script that has another t")')) == []


@pytest.mark.parametrize("call", ["t(name)", 't("a" + b)', "t(`a`)", 't(on ? "a" : "b")', 'n("one", "many")'])
def test_a_text_that_cannot_be_read_in_the_source_is_refused(call: str) -> None:
    with pytest.raises(NotLiteral, match="line 2"):
        list(of_script(IMPORT + call))
    with pytest.raises(NotLiteral):
        list(of_template("{{ _(name) }}"))


TEMPLATE = """{{ _("Sign in") }} {{ _("Hello %(name)s", name=who) }}
{% trans %}
  One line,
  then another
{% endtrans %}
{% trans count=many %}One car{% pluralize %}{{ count }} cars{% endtrans %}"""


def test_texts_of_a_template_are_found_as_the_page_asks_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    found = {one.one: one.many for one in of_template(TEMPLATE)}
    assert found == {
        "Sign in": None,
        "Hello %(name)s": None,
        "One line, then another": None,
        "One car": "%(count)s cars",
    }
    pages = Environment(loader=DictLoader({"page": TEMPLATE}), autoescape=True)
    languages.install(pages)
    asked: list[str] = []
    monkeypatch.setattr(languages, "catalog", lambda _: _Heard(asked))
    pages.get_template("page").render(who="<b>", many=2)
    assert set(asked) == set(found)


class _Heard(dict[str, str]):
    def __init__(self, asked: list[str]) -> None:
        self._asked = asked

    def get(self, text: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self._asked.append(text)
        return default


def test_only_what_can_stand_for_its_text_reaches_a_page(tmp_path: Path) -> None:
    templates, static = tmp_path / "people" / "templates", tmp_path / "people" / "static"
    templates.mkdir(parents=True)
    static.mkdir()
    (tmp_path / "trunkline" / "static").mkdir(parents=True)
    page = templates / "page.html"
    page.write_text(
        '{{ _("Cars") }}{{ _("Hello %(name)s") }}{{ _("All of it") }}{% trans %}A <b>bold</b> word{% endtrans %}'
    )
    (static / "page.js").write_text(
        IMPORT + 't("at {time}"); n("one car", "{count} cars", 2); t("Gone soon"); t("Cars");'
    )
    assert run(check=False, root=tmp_path)[0] == []
    po, server, scripts = files_of("nl", tmp_path)
    empty = po.read_text("utf-8")
    assert json.loads(server.read_text("utf-8")) == {}
    assert json.loads(scripts.read_text("utf-8")) == cities("nl")

    said = {
        "Cars": "Auto's", "Hello %(name)s": "Hallo", "All of it": "100 %", "A <b>bold</b> word": "Een <script>vet</script> woord",
        "at {time}": "om {tijd}", "Gone soon": "Straks weg",
    }  # fmt: skip
    text = empty
    for one, other in said.items():
        text = text.replace(f'msgid "{one}"\nmsgstr ""', f'msgid "{one}"\nmsgstr "{other}"')
    text = text.replace('msgstr[0] ""\nmsgstr[1] ""', 'msgstr[0] "{count} auto"\nmsgstr[1] "{count} auto\'s"')
    po.write_text(text, "utf-8")
    run(check=False, root=tmp_path)
    assert json.loads(server.read_text("utf-8")) == {"Cars": "Auto's"}
    assert json.loads(scripts.read_text("utf-8")) == cities("nl") | {
        "Cars": "Auto's",
        "Gone soon": "Straks weg",
        "one car": ["{count} auto", "{count} auto's"],
    }
    missing = "\n".join(one for one in run(check=True, root=tmp_path)[1] if one.startswith("nl"))
    assert missing.count("other placeholders") == 2
    assert missing.count("lone %") == missing.count("other tags") == 1
    assert "Cars" not in missing

    (static / "page.js").write_text(IMPORT + 't("at {time}"); t("New here");')
    stale = run(check=True, root=tmp_path)[1]
    assert any("'New here' is not in the catalog" in one for one in stale)
    assert any("'Gone soon' is used nowhere" in one for one in stale)
    assert any("run `make words`" in one for one in stale)
    run(check=False, root=tmp_path)
    kept = catalog_of(po.read_text("utf-8"), "nl")
    assert kept["Cars"] == ("Auto's", False)
    assert kept["New here"] == ("", False)
    assert "Gone soon" not in kept
    once = po.read_text("utf-8")
    run(check=False, root=tmp_path)
    assert po.read_text("utf-8") == once


def test_a_catalog_with_a_conflict_is_left_to_whoever_resolves_it(tmp_path: Path) -> None:
    po, _, _ = files_of("de", tmp_path)
    po.parent.mkdir(parents=True)
    files_of("de", tmp_path)[2].parent.mkdir()
    torn = '<<<<<<< HEAD\nmsgid "Cars"\nmsgstr "Autos"\n=======\n'
    po.write_text(torn, "utf-8")
    for check in (True, False):
        (fault,) = run(check=check, root=tmp_path)[0]
        assert "de.po cannot be read" in fault
    assert po.read_text("utf-8") == torn


def test_every_text_of_the_house_can_be_found_and_filled() -> None:
    assert gather().faults == []


def test_scripts_know_the_cities_of_time_zones_as_mails_do() -> None:
    assert (cities("sv")["Europe/Helsinki"], cities("nl")["Europe/Brussels"]) == ("Helsingfors", "Brussel")
    assert (cities("de")["Europe/Kyiv"], cities("nl").get("Europe/Amsterdam")) == ("Kiew", None)
    for language in languages.LANGUAGES[1:]:
        named = cities(language)
        assert len(named) < 50, "every page of this language carries them"
        assert set(named) & set(gather(ROOT).texts) == set()
