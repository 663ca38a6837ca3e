"""Notifications put together: who is signed in, the installation's key, the page with its worker."""

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Depends
from jinja2 import Environment

import webhooks.web_push_api
import webhooks.web_push_pages
from people.access import PersonPrincipal
from people.api_parts import problems
from trunkline.compose import Services
from trunkline.headers import csp
from trunkline.push_key import public_push_key
from webhooks.web_push_api import Owner


def notification_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """The API of a person's devices, and the page."""
    access, base = parts.people.access, parts.ground

    async def me(who: Annotated[PersonPrincipal, Depends(access.owner())]) -> Owner:
        return Owner(who.id, who.session)

    api = APIRouter(prefix="/v1", responses=problems(401, 403, 404, 409, 422, 429, 503))
    key = partial(public_push_key, base.settings)
    api.include_router(webhooks.web_push_api.routes(parts.devices, parts.engine, base.clock, me, key))
    page = webhooks.web_push_pages.routes(pages, csp(policy=webhooks.web_push_pages.POLICY))
    return [api, page]
