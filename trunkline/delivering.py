"""The routes and pages of deliveries, put under their paths."""

from importlib.resources import files

from fastapi import APIRouter
from jinja2 import Environment

import delivery.api
import delivery.api_beforehand
import delivery.api_brought
import delivery.api_courier
import delivery.api_owner
import delivery.api_pairing
import delivery.api_questions
import delivery.courier_pages
import delivery.pages
from trunkline import headers
from trunkline.compose import Services
from trunkline.frames import Frames
from trunkline.languages import LANGUAGES
from webhooks.verified import Verifier


def delivery_routes(parts: Services, pages: Environment) -> list[APIRouter]:
    """Every router of the package."""
    base = parts.ground
    verifier = Verifier(base.store, base.expiring, base.clock, base.settings.webhooks, parts.sources)
    api = APIRouter(prefix="/v1")
    api.include_router(delivery.api_courier.routes(parts.delivery))
    api.include_router(delivery.api_brought.routes(parts.delivery))
    api.include_router(delivery.api.routes(parts.delivery))
    api.include_router(delivery.api_owner.routes(parts.delivery))
    api.include_router(delivery.api_beforehand.routes(parts.delivery))
    api.include_router(delivery.api_pairing.routes(parts.delivery))
    api.include_router(delivery.api_questions.routes(parts.delivery, verifier))
    # Pages first: an owner waits for one, and there are few of them to be passed over on the way to the API.
    return [delivery.pages.routes(parts.delivery, Frames(pages)), api, _courier_pages(pages)]


def _courier_pages(pages: Environment) -> APIRouter:
    """The courier's page keeps files of everybody's on the phone, so it is told what they are."""
    texts = {path: data for path in _WORDS if (data := _shared(path)) is not None}
    return delivery.courier_pages.routes(
        pages, _shared, csp=headers.csp(policy="courier-worker"), words=texts
    )


_WORDS = tuple(f"/static/words.{language}.json" for language in LANGUAGES)


def _shared(path: str) -> bytes | None:
    """Content of a path under ``/static``; None where there is none."""
    name = path.removeprefix("/static/")
    found = files("trunkline").joinpath("static", name)
    return found.read_bytes() if "/" not in name and found.is_file() else None
