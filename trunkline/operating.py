"""The operator's pages, put together: sign-in with the token, how it does, what there is, webhook addresses."""

from fastapi import APIRouter
from jinja2 import Environment

import people.operator_pages
import webhooks.pages
from people.operator_sessions import OperatorSessions
from trunkline import operator_fleet, operator_pages
from trunkline.compose import Services
from trunkline.operator_parts import Desk


def operator_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the operator's pages."""
    base, of = parts.ground, parts.people
    sessions = OperatorSessions(of.operators, of.access, of.doorkeeper, base.expiring, base.clock, of.limits)
    desk = Desk(parts, sessions, pages)
    return [
        people.operator_pages.routes(sessions, pages),
        operator_pages.routes(desk),
        operator_fleet.routes(desk),
        webhooks.pages.routes(
            parts.endpoints, parts.engine, base.index, base.clock, pages, sessions.on_page, desk.record
        ),
    ]
