"""Events put together: the catalogue of every package, and who may listen to which stream."""

from collections.abc import Iterable
from typing import Annotated

from fastapi import APIRouter, Request, Security
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer

import delivery.events
import maintenance.centers_composing
import maintenance.events
import webhooks.api_events
import webhooks.operational
from people.access import Access, CarrierPrincipal, PersonPrincipal
from people.api_parts import problems
from people.model import Scope
from people.tokens import Bearer
from trunkline import people_news
from trunkline.compose import Services
from webhooks.api_events import Listener, ListeningAs
from webhooks.catalogue import Catalogue, EventType


def catalogue() -> Catalogue:
    """Every type of event that a subscriber of this installation can hear."""
    every: list[Iterable[EventType]] = [
        delivery.events.types(),
        people_news.types(),
        maintenance.centers_composing.types(),
        maintenance.events.types(),
        webhooks.operational.types(),
    ]
    return Catalogue(one for types in every for one in types)


def event_routes(parts: Services) -> APIRouter:
    """Streams of carriers and persons, and the catalogue."""
    router = APIRouter(responses=problems(401, 403, 404, 410, 422, 429))
    router.include_router(
        webhooks.api_events.routes(
            parts.subscriptions, catalogue(), parts.ground.settings.webhooks, listening(parts.people.access)
        )
    )
    return router


def listening(access: Access) -> ListeningAs:
    """A carrier with its token, or a person in a session (bearer or cookie): each hears the own stream only."""
    as_carrier, as_owner = access.carrier(Scope.DELIVERIES_READ), access.owner()
    carrier = HTTPBearer(scheme_name="carrier", description="OAuth 2 client credentials.", auto_error=False)
    session = HTTPBearer(scheme_name="session", description="Token of /v1/session.", auto_error=False)
    cookie = APIKeyCookie(name=access.cookie, scheme_name="session_cookie", auto_error=False)

    async def listener(
        request: Request,
        carriers: Annotated[HTTPAuthorizationCredentials | None, Security(carrier)],
        persons: Annotated[HTTPAuthorizationCredentials | None, Security(session)],
        kept: Annotated[str | None, Security(cookie)],
    ) -> Listener:
        who: CarrierPrincipal | PersonPrincipal
        if carriers is not None and carriers.credentials.startswith(f"{Bearer.CARRIER}_"):
            who = await as_carrier(request, carriers)
        else:
            who = await as_owner(request, persons, kept)

        async def still() -> None:
            await access.check_still(who)

        return Listener(who.id, still)

    return listener
