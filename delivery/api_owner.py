"""JSON routes of the people of a car: deliveries into it, the answer, block, window, place and rules."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import AwareDatetime, Field

from delivery.api_parts import (
    After,
    DeliveryPath,
    Limit,
    OptionsOut,
    PageOut,
    PhotoPath,
    evidence_file,
    photo,
)
from delivery.desk import Desk
from delivery.lists import OF_CAR
from delivery.looking import as_done, as_seen_by
from delivery.model import Level, Read
from delivery.place import Place
from delivery.problems import NoSuchDelivery
from delivery.questions import Decision
from delivery.rules import Rules
from delivery.streams import Audience, LastEventId, stream
from delivery.views import SHOWN_AT_ONCE, OwnerDeliveryOut
from keys.car.claims import Fra, OwnerSignature
from people.access import PersonPrincipal
from people.api_parts import Idempotent, In, VehiclePath, problems
from people.assertions import Assertion
from spine.ids import DeliveryId, VehicleId

IfMatch = Annotated[str, Header(max_length=40, description="The ETag of the rules you read.")]


class DecisionIn(In):
    """The answer. ``shown``: SHA-256 of the question as you saw it; ``silent``: do not say there is a car.

    ``fra``: seconds, how old the car's news of revoked keys may be when it opens. Without it 600: car or
    courier needs a network. Up to 86,400: it opens without any, and also if you block it meanwhile.
    ``own``: needed with a yes where the question has ``sign``. ``assertion``: of the passkey over the challenge
    of this answer, where the question needs it. ``not_me``: with a no, that nothing of the kind was ordered.
    """

    decision: Decision
    shown: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    silent: bool = False
    not_me: bool = False
    fra: Fra | None = None
    own: OwnerSignature | None = None
    assertion: Assertion | None = None


class ChallengeIn(In):
    """Which answer a passkey is to be asked for: ``decision`` and ``fra`` as they will be given."""

    decision: Decision = "approve"
    fra: Fra | None = None


class ExtendIn(In):
    """The window's new end."""

    until: AwareDatetime


class PlaceIn(In):
    """Where the car may be."""

    place: Place


class OwnerDeliveriesOut(PageOut):
    """Deliveries into one car, or the newest of all cars, newest first."""

    data: list[OwnerDeliveryOut]


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/owner", tags=["owners"])
    for part in (_looking(desk), _acting(desk), _rules(desk)):
        router.include_router(part)
    return router


def _looking(desk: Desk) -> APIRouter:
    router = APIRouter()
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type

    @router.get("/deliveries", responses=problems(401, 422), summary="Deliveries into my cars")
    async def deliveries(
        me: Me,
        vehicle: Annotated[VehicleId | None, Query(pattern="^veh_[0-9a-hjkmnp-tv-z]{16}$")] = None,
        after: After = None,
        limit: Limit = 50,
    ) -> OwnerDeliveriesOut:
        """Of one car with pages; without ``vehicle`` the newest of all cars, in one page."""
        mine = await desk.people.cars.cars_of(me.id, now=desk.deliveries.clock.now())
        cars = [role.vehicle for role in mine if vehicle is None or role.vehicle == vehicle]
        found: list[Read] = []
        following: str | None = None
        for car in cars:
            page = await desk.index.page(OF_CAR, car, after=after if vehicle else None, limit=limit)
            found += [read for one in page.members if (read := await _found(desk, me, DeliveryId(one)))]
            following = page.next if vehicle else None
        found.sort(key=lambda read: read.body.requested_at, reverse=True)
        return OwnerDeliveriesOut(data=[await as_done(desk, one) for one in found[:limit]], next=following)

    @router.get("/deliveries/{delivery}", responses=problems(401, 404, 422), summary="One delivery")
    async def delivery(me: Me, delivery: DeliveryPath) -> OwnerDeliveryOut:
        return await as_seen_by(desk, me.id, await desk.deliveries.read(delivery))

    @router.get(
        "/deliveries/{delivery}/events", response_class=StreamingResponse, summary="Its facts as they happen",
        responses={200: {"content": {"text/event-stream": {}}}, **problems(401, 404, 422, 429)},
    )  # fmt: skip
    async def events(me: Me, delivery: DeliveryPath, last_event_id: LastEventId = None) -> StreamingResponse:
        async def still() -> Read:
            await desk.people.access.check_still(me)
            return (await desk.owner.read(me.id, delivery))[0]

        def name(kind: str, _: Read) -> str | None:
            return kind if kind in SHOWN_AT_ONCE else None

        return stream(
            desk, await still(), Audience(me.id, name, lambda read: read.state, still), last_event_id
        )

    @router.get(
        "/deliveries/{delivery}/evidence", responses=problems(401, 404, 409, 422),
        summary="The evidence as one file",
    )  # fmt: skip
    async def evidence(me: Me, delivery: DeliveryPath) -> JSONResponse:
        """The same file as its carrier's: `trunkline evidence verify` takes it, or anybody without our code."""
        return evidence_file(delivery, await desk.evidence.file((await desk.owner.read(me.id, delivery))[0]))

    @router.get(
        "/deliveries/{delivery}/photos/{sha256}", responses=problems(401, 404, 422, 429), summary="A photo",
        response_class=Response,
    )  # fmt: skip
    async def seen(me: Me, delivery: DeliveryPath, sha256: PhotoPath) -> Response:
        """That it was looked at is recorded."""
        return await photo(desk, (await desk.owner.read(me.id, delivery))[0], sha256, by=me.id)

    return router


def _acting(desk: Desk) -> APIRouter:
    router, idempotency = APIRouter(), desk.people.idempotency
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 410, 422)

    @router.post(
        "/deliveries/{delivery}/decision", response_model=OwnerDeliveryOut, responses=said, summary="Answer"
    )
    async def decide(me: Me, delivery: DeliveryPath, wanted: DecisionIn, asked: Idempotent) -> Response:
        """The same answer again is fine; a different one, or one to something else than was shown, is not."""

        async def work(_: str) -> OwnerDeliveryOut:
            read = await desk.deciding.by_session(
                me.id,
                delivery,
                wanted.decision,
                wanted.shown,
                session=me.session,
                level=_level(me),
                silent=wanted.silent,
                not_me=wanted.not_me,
                fra=wanted.fra,
                own=wanted.own,
                assertion=wanted.assertion,
            )
            return await as_done(desk, read)

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post(
        "/deliveries/{delivery}/challenge",
        responses=problems(401, 403, 404, 409, 410, 422),
        summary="What my passkey has to sign for an answer",
    )
    async def challenge(me: Me, delivery: DeliveryPath, wanted: ChallengeIn) -> OptionsOut:
        """A challenge made of what was shown and the decision, and of nothing else."""
        said = await desk.deciding.challenge_by_session(me.id, delivery, wanted.decision, wanted.fra)
        return OptionsOut(options=said)

    @router.post(
        "/deliveries/{delivery}/block", response_model=OwnerDeliveryOut, responses=said, summary="Block it"
    )
    async def block(me: Me, delivery: DeliveryPath, asked: Idempotent) -> Response:
        """At any moment until the lock moves. The key's true state is in the answer."""

        async def work(_: str) -> OwnerDeliveryOut:
            return await as_done(desk, await desk.owner.block(me.id, delivery))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post(
        "/deliveries/{delivery}/extend", response_model=OwnerDeliveryOut, responses=said, summary="More time"
    )
    async def extend(me: Me, delivery: DeliveryPath, wanted: ExtendIn, asked: Idempotent) -> Response:
        """More than was approved: whoever has a passkey shows it first."""

        async def work(_: str) -> OwnerDeliveryOut:
            await _steps_up(desk, me)
            return await as_done(desk, await desk.owner.extend(me.id, delivery, wanted.until))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post(
        "/deliveries/{delivery}/place",
        response_model=OwnerDeliveryOut,
        responses=said,
        summary="Another place",
    )
    async def place(me: Me, delivery: DeliveryPath, wanted: PlaceIn, asked: Idempotent) -> Response:
        """The key with the former fence is revoked, and made anew once it is dead. Passkey as for more time."""

        async def work(_: str) -> OwnerDeliveryOut:
            await _steps_up(desk, me)
            return await as_done(desk, await desk.owner.change_place(me.id, delivery, wanted.place))

        return await idempotency.answer(asked, me.id, 200, work)

    return router


def _rules(desk: Desk) -> APIRouter:
    router = APIRouter()
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type

    @router.get("/cars/{vehicle}/rules", responses=problems(401, 403, 422), summary="Rules of a car")
    async def rules(me: Me, vehicle: VehiclePath, response: Response) -> Rules:
        found, etag = await desk.owner.rules(me.id, vehicle)
        response.headers["ETag"] = etag
        return found

    @router.put("/cars/{vehicle}/rules", responses=problems(401, 403, 409, 422), summary="Set them")
    async def set_rules(
        me: Me, vehicle: VehiclePath, wanted: Rules, response: Response, if_match: IfMatch
    ) -> Rules:
        """Every delivery is asked for; these say what is not even asked, and where the car may be.

        Whoever has a passkey shows it first.
        """
        await _steps_up(desk, me)
        found, etag = await desk.owner.set_rules(me.id, vehicle, wanted, if_match=if_match)
        response.headers["ETag"] = etag
        return found

    return router


async def _found(desk: Desk, me: PersonPrincipal, delivery: DeliveryId) -> Read | None:
    """One of the list; None where it is of a time before this person's."""
    try:
        return (await desk.owner.read(me.id, delivery))[0]
    except NoSuchDelivery:
        return None


async def _steps_up(desk: Desk, me: PersonPrincipal) -> None:
    """Raises ``PasskeyNeeded`` for whoever has a passkey and did not show it a moment ago."""
    await desk.people.step_up.require_fresh_passkey(me, now=desk.deliveries.clock.now())


def _level(me: PersonPrincipal) -> Level:
    """What an answer in this session counts for: never more than the way the session began."""
    return "link" if me.session_level == "link" else "session"
