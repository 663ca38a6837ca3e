"""The operator's pages, put together: signing in with the token, then addresses and their attempts."""

from fastapi import APIRouter
from jinja2 import Environment

import people.operator_pages
import webhooks.pages
from people.operator_sessions import OperatorSessions
from trunkline.compose import Services


def operator_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the operator's pages."""
    base, of = parts.ground, parts.people
    sessions = OperatorSessions(of.operators, of.access, of.doorkeeper, base.expiring, base.clock, of.limits)
    return [
        people.operator_pages.routes(sessions, pages),
        webhooks.pages.routes(parts.endpoints, parts.engine, base.index, base.clock, pages, sessions.on_page),
    ]
