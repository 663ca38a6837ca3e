"""``make words``: catalogs of all that pages and mails say; ``--check`` tells what is missing, wrong or not generated."""

import argparse
import json
import re
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Final

from babel import Locale
from babel.messages.catalog import Catalog
from babel.messages.pofile import PoFileError, read_po, write_po
from jinja2 import TemplateSyntaxError

from trunkline.extracting import NotLiteral, Text, fills, ill_written, of_code, of_script, of_template
from trunkline.languages import LANGUAGES, PLACEHOLDER

ROOT: Final = Path(__file__).resolve().parent.parent
_SPEAKS: Final = Path("trunkline", "static", "words.js")
"""What looks up the texts of scripts, and has none of its own. A package's own ``words.js`` is full of them."""
PACKAGES: Final = ("trunkline", "people", "delivery", "maintenance", "webhooks", "spine")
_READ: Final = {".html": of_template, ".js": of_script, ".py": of_code}
TRANSLATED: Final = LANGUAGES[1:]

_BRACES: Final = re.compile(r"\{(\w+)\}")
_TAG: Final = re.compile(r"</?[a-z]\w*")
_HEADER: Final = """\
# Texts of the pages. `make words` adds what is new and drops what is gone; write only after msgstr.
msgid ""
msgstr ""
"Language: {language}\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\\n"

"""

Said = str | list[str]
"""A translation; of a text that counts, the singular and the plural."""


@dataclass
class Use:
    """A text of the sources and where it is used. ``many``: its plural."""

    many: str | None
    files: set[str] = field(default_factory=set)
    in_template: bool = False
    in_script: bool = False
    in_code: bool = False

    def forms(self, one: str) -> list[str]:
        """The singular, and the plural where there is one."""
        return [one] if self.many is None else [one, self.many]


@dataclass
class Sources:
    """Every text by its id, and what is wrong with how some are written."""

    texts: dict[str, Use] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def take(self, text: Text, file: str) -> None:
        """Add one that was found."""
        kind = Path(file).suffix
        why = ill_written(text, in_template=kind == ".html")
        use = self.texts.setdefault(text.one, Use(text.many))
        if use.many != text.many:
            why = f"has another plural, or none, in {', '.join(sorted(use.files))}"
        if why:
            self.faults.append(f"{file}:{text.line}: {text.one!r} {why}")
        use.files.add(file)
        use.in_template |= kind == ".html"
        use.in_script |= kind == ".js"
        use.in_code |= kind == ".py"


def gather(root: Path = ROOT) -> Sources:
    """The texts of every package under ``root``."""
    found = Sources()
    for file in sorted(_sources(root)):
        name = str(file.relative_to(root))
        try:
            for text in _READ[file.suffix](file.read_text("utf-8")):
                found.take(text, name)
        except (NotLiteral, TemplateSyntaxError) as wrong:
            found.faults.append(f"{name}: {wrong}")
    return found


def _sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from (root / package / "templates").rglob("*.html")
        yield from (path for path in (root / package / "static").rglob("*.js") if path != root / _SPEAKS)
        yield from (root / package).rglob("*.py")


def catalog_of(text: str, language: str) -> dict[str, tuple[Said, bool]]:
    """What a ``.po`` file says: id to translation (empty where there is none) and whether it is marked as doubtful."""
    said: dict[str, tuple[Said, bool]] = {}
    for message in read_po(BytesIO(text.encode()), locale=language, ignore_obsolete=True, abort_invalid=True):
        if not message.id:
            continue
        one = message.id if isinstance(message.id, str) else message.id[0]
        form = message.string
        said[one] = (form if isinstance(form, str) else [each or "" for each in form or ()], message.fuzzy)
    return said


def po_of(sources: Sources, said: Mapping[str, tuple[Said, bool]], language: str) -> str:
    """The ``.po`` file: every text of the sources with the translation it had, in the order of the texts."""
    made = Catalog(locale=language)
    for one, use in sources.texts.items():
        form, doubtful = said.get(one, ("", False))
        if isinstance(form, str) == (use.many is None):
            kept: str | tuple[str, ...] = form if isinstance(form, str) else tuple(form)
        else:
            kept, doubtful = ("" if use.many is None else ("", "")), False
        made.add(
            one if use.many is None else (one, use.many),
            kept,
            locations=[(file, 0) for file in sorted(use.files)],
            flags=("fuzzy",) if doubtful else (),
        )
    out = BytesIO()
    write_po(out, made, omit_header=True, sort_output=True, include_lineno=False, width=0)
    return _HEADER.format(language=language) + out.getvalue().decode().strip() + "\n"


def wrong(one: str, use: Use, form: Said) -> str:
    """Why a translation cannot stand for its text; empty if it can. Placeholders and tags are those of the text."""
    sources, forms = use.forms(one), [form] if isinstance(form, str) else form
    if len(forms) != len(sources) or not all(each.strip() for each in forms):
        return "is not translated"
    for source, each in zip(sources, forms, strict=True):
        # "one parcel" may become "1 parcel".
        loose = {"count", "num"} if len(sources) > 1 and source == one else set()
        if _names(source) - loose != _names(each) - loose:
            return f"has other placeholders: {each!r}"
        if Counter(_TAG.findall(source)) != Counter(_TAG.findall(each)):
            return f"has other tags: {each!r}"
        if use.in_template and not fills(each):
            return f"has a lone %: {each!r}"
    return ""


def _names(text: str) -> set[str]:
    return {*_BRACES.findall(text), *PLACEHOLDER.findall(text)}


def faults(sources: Sources, said: Mapping[str, tuple[Said, bool]], language: str) -> list[str]:
    """What keeps a language from being complete."""
    found = []
    for one, use in sorted(sources.texts.items()):
        form, doubtful = said.get(one, ("", False))
        why = "is not in the catalog" if one not in said else wrong(one, use, form)
        if not why and doubtful:
            why = "is marked fuzzy"
        if why:
            found.append(f"{language}: {one!r} {why}")
    found += [f"{language}: {one!r} is used nowhere" for one in sorted(set(said) - set(sources.texts))]
    return found


def cities(language: str) -> dict[str, str]:
    """How a language calls the cities that Europe's time zones are named after, by zone, where that is not the name itself.

    Of the CLDR, as mails have it (``spine.words``). The rest of the world keeps its zones' names: every page would carry it.
    """
    found = {}
    known = Locale.parse(
        language
    ).time_zones  # Babel's own, not this machine's: the same file comes of it everywhere
    for zone in sorted(known):
        city = str(known[zone].get("city", "")).replace("\xad", "")
        if zone.startswith(("Europe/", "Atlantic/")) and city not in {
            "",
            zone.partition("/")[2].replace("_", " "),
        }:
            found[zone] = city
    return found


def generated(sources: Sources, said: Mapping[str, tuple[Said, bool]], language: str) -> tuple[str, str]:
    """The catalog of templates and mails and the one of scripts, as JSON: only what can stand for its text.

    Scripts get the names of cities besides: no browser knows them.
    """
    good = {
        one: form
        for one, (form, doubtful) in said.items()
        if not doubtful and one in sources.texts and not wrong(one, sources.texts[one], form)
    }
    server = {
        one: form
        for one, form in good.items()
        if sources.texts[one].in_template or sources.texts[one].in_code
    }
    scripts = {one: form for one, form in good.items() if sources.texts[one].in_script}
    return _json(server), _json(scripts | cities(language))


def _json(said: Mapping[str, Said]) -> str:
    return json.dumps(said, ensure_ascii=False, sort_keys=True, indent=0, separators=(",", ":")) + "\n"


def files_of(language: str, root: Path = ROOT) -> tuple[Path, Path, Path]:
    """The catalog, and the two files that are generated from it."""
    folder = root / "trunkline"
    translations, static = folder / "translations", folder / "static"
    return (
        translations / f"{language}.po",
        translations / f"{language}.json",
        static / f"words.{language}.json",
    )


def _read(path: Path) -> str:
    return path.read_text("utf-8") if path.is_file() else ""


def run(*, check: bool, root: Path = ROOT) -> tuple[list[str], list[str]]:
    """Bring catalogs and generated files up to date (``check``: touch nothing).

    Gives what is ill written in the sources, and what is missing, wrong or stale in the languages.
    """
    sources = gather(root)
    found: list[str] = []
    for language in TRANSLATED:
        po, *outputs = files_of(language, root)
        try:
            said = catalog_of(_read(po), language)
        except PoFileError as unread:  # a merge's conflict, most often: left as it is for whoever resolves it
            sources.faults.append(f"{po.relative_to(root)} cannot be read: {unread}")
            continue
        if not check:
            po.parent.mkdir(parents=True, exist_ok=True)
            po.write_text(po_of(sources, said, language), "utf-8")
            said = catalog_of(_read(po), language)
        found += faults(sources, said, language)
        for path, text in zip(outputs, generated(sources, said, language), strict=True):
            if not check:
                path.write_text(text, "utf-8")
            elif _read(path) != text:
                found.append(f"{path.relative_to(root)} is not what the catalog says: run `make words`")
    return sources.faults, found


def main() -> int:
    """Exit code 1 where something is missing, wrong or stale; without ``--check`` only where a source is ill written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="change nothing; say what is missing, wrong or stale"
    )
    check = parser.parse_args().check
    ill_written, missing = run(check=check)
    if not check:
        left = Counter(fault.partition(":")[0] for fault in missing)
        missing = [f"{language}: {count} to translate or to mend" for language, count in sorted(left.items())]
    sys.stderr.write("".join(f"{fault}\n" for fault in (*ill_written, *missing)))
    return 1 if ill_written or (check and missing) else 0


if __name__ == "__main__":
    sys.exit(main())
