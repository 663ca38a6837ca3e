"""The language of a page: chosen by the reader, else what the browser asks for; catalogs read once."""

import json
import re
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from spine.words import ASKED, LANGUAGES, Words

__all__ = ["LANGUAGES", "Languages", "catalog", "chosen", "install", "language", "words"]

COOKIE: Final = "tl_language"
PLACEHOLDER: Final = re.compile(r"%\((\w+)\)s")
"""What Jinja fills; scripts fill ``{name}``."""

_READ: Final = "trunkline.cookies"


def language() -> str:
    """Of the request that is being answered; English outside of one, and where it named none of ours."""
    return ASKED.get() or LANGUAGES[0]


def cookies_of(scope: Scope) -> Mapping[str, str]:
    """Of a request; read once for all who ask."""
    found: dict[str, str] | None = scope.get(_READ)
    if found is None:
        found = scope[_READ] = cookie_parser(Headers(scope=scope).get("cookie", ""))
    return found


def chosen(cookie: str, accepts: str) -> str:
    """The cookie where it names one of ours, else the best of ``Accept-Language`` (RFC 9110, 12.5.4), else empty."""
    if cookie in LANGUAGES:
        return cookie
    wanted: list[tuple[float, int, str]] = []
    for place, part in enumerate(accepts[:200].split(",")):
        tag, _, weight = part.partition(";")
        name = tag.strip().lower().split("-")[0]
        try:
            quality = float(weight.strip().removeprefix("q=")) if weight else 1.0
        except ValueError:
            continue
        if name in LANGUAGES and quality > 0:
            wanted.append((-quality, place, name))
    return min(wanted)[2] if wanted else ""


class Languages:
    """ASGI middleware: every request is answered in its reader's language, and caches are told so."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Set the language for what runs below."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        accepts = Headers(scope=scope).get("accept-language", "")
        before = ASKED.set(chosen(cookies_of(scope).get(COOKIE, ""), accepts))

        async def telling(message: Message) -> None:
            if message["type"] == "http.response.start":
                kind = next((value for name, value in message["headers"] if name == b"content-type"), b"")
                if kind.startswith(b"text/html"):
                    MutableHeaders(scope=message).add_vary_header("Accept-Language, Cookie")
            await send(message)

        try:
            await self._app(scope, receive, telling)
        finally:
            ASKED.reset(before)


@cache
def catalog(name: str) -> Mapping[str, str | Sequence[str]]:
    """Translations of a language: English text (the singular, where it has a plural) to its words, or to both forms."""
    if name == LANGUAGES[0]:
        return {}
    source = files("trunkline").joinpath("translations", f"{name}.json")
    found: dict[str, str | list[str]] = json.loads(source.read_text("utf-8")) if source.is_file() else {}
    return found


def words(name: str) -> Words:
    """For what is said outside of pages (``spine.words``)."""
    known = name if name in LANGUAGES else LANGUAGES[0]
    return Words(known, catalog(known))


def speak(name: str) -> str:
    """For what is still to be said in this request: a page whose text has a language of its own says all in it."""
    if name in LANGUAGES:
        ASKED.set(name)
    return ""


def gettext(text: str) -> str:
    """The text in the request's language; as it is, where it has no translation."""
    found = catalog(language()).get(text, text)
    return found if isinstance(found, str) else found[0]


def ngettext(one: str, many: str, count: int) -> str:
    """One form or the other: all our languages have the two of English (CLDR)."""
    found = catalog(language()).get(one)
    if found is None or isinstance(found, str):
        return one if count == 1 else many
    return found[0 if count == 1 else 1]


def install(pages: Environment) -> None:
    """Templates may say ``_("...")``, ``{% trans %}``, ``lang()`` and ``speak("nl")``."""
    pages.add_extension("jinja2.ext.i18n")
    i18n: Any = pages
    i18n.install_gettext_callables(gettext, ngettext, newstyle=True)
    pages.policies["ext.i18n.trimmed"] = True
    pages.globals |= {"lang": language, "speak": speak}
