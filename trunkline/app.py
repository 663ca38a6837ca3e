"""The ASGI application: routes of every package, problems mapped once, security headers, a bound on bodies."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from fastapi import Depends, FastAPI, Request
from fastapi.responses import JSONResponse, Response
from jinja2 import Environment
from starlette.staticfiles import StaticFiles

import people.api
import people.api_parts
import people.pages
import trunkline.frame
import trunkline.metrics
import trunkline.stage_page_in_app
import webhooks.api
import webhooks.api_mending
import webhooks.published
from delivery.api_tap import Raised, Tap
from keys.bundles import Bundles
from keys.checkpoints import Checkpoints
from people.access import CarrierPrincipal
from people.model import Scope
from spine.clock import SystemClock
from spine.expiring import Expiring
from spine.hints import RECEIPTS, Hints
from spine.house import House
from spine.index import Index
from spine.log import Log, Tail
from spine.rates import Rates
from spine.store import Store
from spine.valkey import Valkey
from trunkline import languages, problems
from trunkline.application import Application
from trunkline.centering import center_routes
from trunkline.collector import keep_what_was_loaded
from trunkline.compose import Services, services
from trunkline.delivering import delivery_routes
from trunkline.desking import desk_routes
from trunkline.event_documents import describe_webhooks
from trunkline.eventing import catalogue, event_routes
from trunkline.frame import Framed, templates
from trunkline.ground import Ground, ground
from trunkline.headers import BodyLimit, SecurityHeaders, security_headers
from trunkline.lately import Lately
from trunkline.maintaining import maintenance_routes
from trunkline.notifying import notification_routes
from trunkline.operating import operator_routes
from trunkline.own_pages import OwnPages
from trunkline.settings import Settings
from trunkline.texts import Texts
from trunkline.trust import NoTrust, PublicKeys

log = logging.getLogger("trunkline")

BODY_BYTES = 2 * 1024 * 1024
_CHECKPOINTS_AGE: Final = timedelta(seconds=2)


def create_app(settings: Settings) -> Application:
    """The application; it opens the store when it starts and is ready when it serves."""

    @asynccontextmanager
    async def lifespan(app: Application) -> AsyncIterator[None]:
        async with ground(settings) as base, services(base) as parts:
            attach(app, parts, PublicKeys(settings))
            if settings.stage_socket is not None:
                trunkline.stage_page_in_app.show(app, parts, settings.stage_socket)
            receipts = Hints[None](base.valkey, RECEIPTS, parts.delivery.at_the_car.foretold, settings.spine)
            listening = asyncio.create_task(receipts.run(), name="hints")
            keep_what_was_loaded()
            log.info("ready", extra={"service": "api", "listens": settings.listen_port})
            try:
                yield
            finally:
                listening.cancel()
                await asyncio.gather(listening, return_exceptions=True)

    app = bare(settings, lifespan)
    if settings.stage_socket is not None:
        trunkline.stage_page_in_app.let_frame(app)
    return app


def bare(settings: Settings, lifespan: Any = None) -> Application:  # noqa: ANN401 - Starlette's own type is a union of callables
    """With its middleware and the words of its problems, without routes."""
    app = Application(
        title="Trunkline",
        version="1",
        summary="In-car delivery: orders, approvals, keys, openings, evidence.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url="/v1/openapi.json",
    )
    problems.install(app)
    describe_webhooks(app, catalogue())
    app.state.pages = templates(tiles=settings.map_tiles or "", credit=settings.map_credit)
    # The last one added is the first one asked.
    app.add_middleware(BodyLimit, limit=BODY_BYTES, patience=settings.body_patience)
    app.add_middleware(problems.Mishaps)
    app.add_middleware(OwnPages, origin=settings.public_url)
    app.add_middleware(Texts)
    app.add_middleware(SecurityHeaders, headers=_said_by_all(settings))
    app.add_middleware(Framed)
    app.add_middleware(languages.Languages)
    return app


def _said_by_all(settings: Settings) -> list[tuple[bytes, bytes]]:
    tiles = urlsplit(settings.map_tiles or "")
    return security_headers(tiles=f"https://{tiles.netloc}" if tiles.netloc else "")


def attach(app: Application, parts: Services, jwks: Mapping[str, Any]) -> None:
    """Add every package's routes, and before all that stands around them the tap's short way."""
    settings = parts.ground.settings
    app.first = Tap(
        parts.delivery, app.whole, patience=settings.body_patience, headers=_said_by_all(settings)
    )
    app.router.routes.insert(0, Raised())
    pages: Environment = app.state.pages
    cared_for = [*maintenance_routes(parts, pages), *desk_routes(parts, pages), center_routes(parts)]
    for router in (
        *delivery_routes(parts, pages),  # first: routes are tried in order, and a tap is waited for
        people.api.routes(parts.people),
        people.pages.routes(pages),
        trunkline.frame.routes(parts.people.access, partial(parts.people.persons.speaks, chosen=True)),
        event_routes(parts),
        *cared_for,
        *notification_routes(parts, pages),
        *operator_routes(parts, pages),
        webhooks.published.routes(_published(parts)),
    ):
        # Including a router would make each of its routes, with all its models, once more.
        app.router.routes.extend(router.routes)
    app.include_router(
        _webhook_routes(parts), responses=people.api_parts.problems(401, 403, 404, 409, 422, 429)
    )

    @app.get("/.well-known/jwks.json", tags=["keys"])
    async def service_keys() -> Response:
        """The service's public keys, each with its purpose."""
        return JSONResponse(dict(jwks), headers={"Cache-Control": "public, max-age=300"})

    @app.get("/.well-known/trust.json", tags=["keys"])
    async def trust() -> Response:
        """The trust bundle in force, as every car and every phone may fetch it: one signature per root."""
        found = await Bundles(parts.ground.store).in_force()
        if found is None:
            raise NoTrust("no trust bundle was published")
        return JSONResponse(found.document, headers={"Cache-Control": "public, max-age=60"})

    # A look at every partition, which nobody has to be known for.
    checkpoints = Lately(Checkpoints(parts.ground.store).everywhere, age=_CHECKPOINTS_AGE)

    @app.get("/.well-known/log-checkpoints.json", tags=["keys"])
    async def log_checkpoints() -> dict[str, str]:
        """Signed hashes of each partition's log: whoever keeps them can tell a log that was rewritten."""
        return await checkpoints()

    app.include_router(trunkline.metrics.routes(parts))

    @app.get("/healthz", include_in_schema=False)
    async def health() -> dict[str, str]:
        """Answers 200 while the store answers, else 503."""
        await parts.ground.valkey.everywhere("PING")
        return {"status": "ok"}

    @app.get("/", include_in_schema=False)
    async def home(request: Request) -> Response:
        """Whoever brings a session's cookie gets the start page; whether it is good is asked by its script."""
        signed_in = parts.people.access.cookie in request.cookies
        text = pages.get_template("start.html" if signed_in else "home.html").render()
        return Response(text, media_type="text/html")

    app.mount(
        "/static", StaticFiles(directory=Path(str(files("trunkline").joinpath("static")))), name="static"
    )


def _published(parts: Services) -> webhooks.published.PublishedKeys:
    base = parts.ground
    addresses = webhooks.published.Addresses(parts.endpoints, base.index)
    return webhooks.published.PublishedKeys(parts.endpoints, addresses, base.clock, base.settings.webhooks)


def _webhook_routes(parts: Services) -> Any:  # noqa: ANN401 - an APIRouter
    access = parts.people.access
    reader = access.carrier(Scope.DELIVERIES_READ)
    # A carrier that may not order at present still owns its addresses.
    writer = access.carrier(Scope.DELIVERIES_WRITE, even_stopped=True)

    async def subscriber(who: Annotated[CarrierPrincipal, Depends(reader)]) -> webhooks.api.Subscriber:
        return webhooks.api.Subscriber(id=who.id, livemode=who.livemode)

    async def changing(who: Annotated[CarrierPrincipal, Depends(writer)]) -> webhooks.api.Subscriber:
        return webhooks.api.Subscriber(id=who.id, livemode=who.livemode)

    router = webhooks.api.routes(parts.endpoints, parts.engine, subscriber, changing)
    mends = webhooks.api_mending.mending(parts.endpoints, parts.engine, subscriber, changing)
    router.routes.extend(mends.routes)
    return router


async def described(settings: Settings) -> FastAPI:
    """The application with all its routes and no store behind it: what the OpenAPI document is made from."""
    clock, valkey, house = SystemClock(), Valkey.at("redis://127.0.0.1:1/0"), House(8)
    facts = Log(valkey, house)
    base = Ground(
        settings=settings,
        clock=clock,
        valkey=valkey,
        house=house,
        store=Store(valkey, house),
        log=facts,
        tail=Tail(facts, limits=settings.spine),
        index=Index(valkey, house),
        expiring=Expiring(valkey),
        rates=Rates(valkey),
    )
    app = bare(settings)
    async with services(base) as parts:
        attach(app, parts, {"keys": []})
    await valkey.close()
    return app
