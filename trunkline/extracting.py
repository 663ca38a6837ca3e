"""Finds the texts of pages and mails in templates, scripts and code, for the catalogs. Pure: source in, texts out."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Final

from jinja2.ext import babel_extract

from trunkline.languages import PLACEHOLDER

_FUNCTIONS: Final = ("_", "gettext", "ngettext")
_OPTIONS: Final = {"trimmed": "true", "newstyle_gettext": "true", "silent": "false"}

_LITERAL: Final = r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'"
_CALL: Final = re.compile(r"(?<![\w$.])([tn])\(\s*")
_ONE: Final = re.compile(rf"({_LITERAL})\s*(?=[,)])")
_TWO: Final = re.compile(rf"({_LITERAL})\s*,\s*({_LITERAL})\s*(?=,)")
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))")
_COMMENT: Final = re.compile(r"\s*(?://|/\*|\*)")
WORDS: Final = "/static/words.js"
"""A script that imports it speaks the page's language; ``t`` and ``n`` of any other script are something else."""
_SPEAKS: Final = re.compile(r"^(?:from spine\.words import |Text = NewType\()", re.MULTILINE)
"""The same of Python: a ``Text`` of anything else is something else."""


class NotLiteral(Exception):
    """A text that cannot be found by reading the source: no catalog will ever have it."""


@dataclass(frozen=True, slots=True)
class Text:
    """``one`` is the id; ``many`` is its plural, where it counts something."""

    one: str
    many: str | None
    line: int


def of_template(source: str) -> Iterator[Text]:
    """Texts of ``_()``, ``ngettext()`` and ``{% trans %}``. Raises ``NotLiteral`` and Jinja's ``TemplateSyntaxError``."""
    for line, _, message, _ in babel_extract(BytesIO(source.encode()), _FUNCTIONS, (), dict(_OPTIONS)):
        given = message if isinstance(message, tuple) else (message,)
        texts = [one for one in given if one is not None]
        if not texts or given[0] is None:
            raise NotLiteral(f"line {line}: a text is written out where it is used")
        yield Text(texts[0], texts[1] if len(texts) > 1 else None, line)


def of_script(source: str) -> Iterator[Text]:
    """Texts of ``t()`` and ``n()``, also within one another's arguments and in template strings. Raises ``NotLiteral``.

    Babel's extractor for JavaScript sees neither of those two, and passes over what is no literal in silence.
    """
    if WORDS not in source:
        return
    lines = source.split("\n")
    for found in _CALL.finditer(source):
        line = source.count("\n", 0, found.start()) + 1
        if _COMMENT.match(lines[line - 1]):
            continue
        counted = found[1] == "n"
        given = (_TWO if counted else _ONE).match(source, found.end())
        if given is None:
            what = 'n("one", "many", count)' if counted else 't("text")'
            raise NotLiteral(f"line {line}: write {what} with its text as a literal")
        yield Text(_unquoted(given[1]), _unquoted(given[2]) if counted else None, line)


def of_code(source: str) -> Iterator[Text]:
    """Texts of ``Text()`` and ``Plural()`` in Python that speaks with ``spine.words``. Raises ``NotLiteral``."""
    if _SPEAKS.search(source) is None:
        return
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            continue
        counted = node.func.id == "Plural"
        if not counted and node.func.id != "Text":
            continue
        given = [
            one.value for one in node.args if isinstance(one, ast.Constant) and isinstance(one.value, str)
        ]
        if node.keywords or len(given) != len(node.args) or len(given) != 1 + counted:
            what = 'Plural("one", "many")' if counted else 'Text("text")'
            raise NotLiteral(f"line {node.lineno}: write {what} with its text as a literal")
        yield Text(given[0], given[1] if counted else None, node.lineno)


def _unquoted(literal: str) -> str:
    def plain(escape: re.Match[str]) -> str:
        return chr(int(escape[1], 16)) if escape[1] else {"n": "\n", "t": "\t"}.get(escape[2], escape[2])

    return _ESCAPE.sub(plain, literal[1:-1])


def ill_written(text: Text, *, in_template: bool) -> str:
    """Why this source text cannot be translated well; empty if it can."""
    for one in filter(None, (text.one, text.many)):
        if not one.strip() or one != one.strip() or "\n" in one:
            return "begins, ends or breaks with white space (say {% trans trimmed %})"
        if in_template and not fills(one):
            return "has a lone %: write %%"
    return ""


def fills(text: str) -> bool:
    """Whether Jinja can fill it: a lone ``%`` would break the page."""
    try:
        text % dict.fromkeys(PLACEHOLDER.findall(text), "")
    except (ValueError, KeyError, TypeError):
        return False
    return True
