"""What the operator's pages share: who is let in, that every act is written down first, what a page says afterwards."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, Final

from fastapi import Query, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment

from people.access import OperatorPrincipal
from people.operator_sessions import OperatorSessions
from people.problems import Unauthenticated
from spine.problems import Problem
from trunkline.compose import Services

START: Final = "/operator"
PAGE: Final = 25
"""Rows of one page."""

Cursor = Annotated[str | None, Query(max_length=200)]
SaidCode = Annotated[str, Query(max_length=20, pattern="^[a-z_]*$")]


@dataclass(frozen=True, slots=True)
class Desk:
    """Passed to every part of the pages."""

    parts: Services
    sessions: OperatorSessions
    templates: Environment

    @property
    def now(self) -> datetime:
        """By the installation's clock."""
        return self.parts.ground.clock.now()

    def page(self, name: str, **about: Any) -> HTMLResponse:  # noqa: ANN401 - what a template shows
        """A page of ``templates``."""
        about |= {"moment": moment, "now": self.now}
        return HTMLResponse(self.templates.get_template(name).render(**about))

    async def record(self, who: OperatorPrincipal, act: str, on: str) -> None:
        """Written down before it is done."""
        await self.parts.people.operators.acted(who, act, on, now=self.now)

    async def act(
        self, who: OperatorPrincipal, act: str, on: str, work: Callable[[], Awaitable[str]], back: str
    ) -> Response:
        """Write it down, do it, and go ``back`` with the code of what to say; what cannot be done says so."""
        await self.record(who, act, on)
        try:
            said = await work()
        except Unauthenticated:
            raise
        except Problem as why:
            if why.may_have_happened:
                raise
            said = "refused"
        return RedirectResponse(f"{back}?said={said}", 303)


def moment(at: datetime | None) -> str:
    """As every language reads it; empty for never."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC" if at is not None else ""
