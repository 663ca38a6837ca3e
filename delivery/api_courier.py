"""JSON routes of couriers: jobs, the way to the car, the one opening, what came of it."""

import asyncio
from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Request, Response
from pydantic import AwareDatetime, Field

from delivery.ahead import Sight
from delivery.answers import Answer, Word
from delivery.api_parts import After, DeliveryPath, FallbackOut, Limit, PageOut, Prefer, fallback, seconds
from delivery.courier import Device, Reason
from delivery.desk import Desk
from delivery.jobs import JobOut, job_view
from delivery.lists import OF_COURIER
from delivery.model import Read
from delivery.pace import slowly
from delivery.place import Point
from delivery.ports import Car
from delivery.problems import NoSuchDelivery
from delivery.rules import Rules
from delivery.views import Out
from people.access import CourierPrincipal
from people.api_parts import Idempotent, In, problems
from spine.ids import DeliveryId, KeyId, UnitId

_Why = Annotated[str, Field(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
_Jws = Annotated[str, Field(max_length=2048, pattern=r"^[A-Za-z0-9_.-]+$")]


class JobsOut(PageOut):
    """A courier's jobs, the newest first."""

    data: list[JobOut]


class SetOutIn(In):
    """``anyway``: although the car cannot be reached now."""

    anyway: bool = False


class ArrivedIn(In):
    """Where the phone is. ``reason``: needed from 50 m on, and where the car does not say where it is."""

    position: Point
    reason: _Why = ""


class OpenIn(In):
    """``proof``: the device's ``tl-pop+jwt`` over the challenge. ``position``: where the phone is now."""

    proof: _Jws
    position: Point | None = None
    reason: _Why = ""


class FailIn(In):
    """Why it cannot be done."""

    reason: Reason


class KeyTokenOut(Out):
    """The key itself, for this device only. ``unit``: whom the proof is for."""

    key: KeyId
    token: str = Field(repr=False)
    unit: UnitId


class FreshIn(In):
    """The challenge that the car gave the phone."""

    challenge: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{43}$")]


class FreshOut(Out):
    """A ``tl-fresh+jwt`` for the challenge: the phone gives it to the car with key and proof."""

    fresh: str


class ChallengeOut(Out):
    """What the device signs, and until when that is worth it. ``unit``: whom the proof is for."""

    challenge: str
    expires_at: AwareDatetime
    unit: UnitId


class ReceiptOut(Out):
    """The car's verified receipt: its number in the car's chain, and its hash."""

    n: int
    hash: str


class AnswerOut(Out):
    """What became of it. ``pending`` and ``unsure`` never mean that it failed: look at the boot.

    ``refused`` and ``not_sent``: nothing was opened. Before possession is proven ``code`` is ``refused``.
    """

    outcome: Word
    code: str = ""
    at: AwareDatetime | None = None
    receipt: ReceiptOut | None = None
    may_have_happened: bool
    try_again: bool
    job: str


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/courier", tags=["couriers"])
    for part in (_car(desk), _jobs(desk), _way(desk), _after(desk)):
        router.include_router(part)
    return router


def _jobs(desk: Desk) -> APIRouter:
    router = APIRouter()
    Me = Annotated[CourierPrincipal, Depends(desk.people.access.courier())]  # noqa: N806 - a type

    @router.get("/jobs", responses=problems(401, 422), summary="My jobs")
    async def jobs(me: Me, after: After = None, limit: Limit = 50) -> JobsOut:
        page = await desk.index.page(OF_COURIER, me.id, after=after, limit=limit)
        found = [await _found(desk, me, DeliveryId(member)) for member in page.members]
        views = [await _job(desk, read) for read in found if read is not None]
        return JobsOut(data=views, next=page.next)

    @router.get("/jobs/{delivery}", responses=problems(401, 404, 422), summary="One job")
    async def job(me: Me, delivery: DeliveryPath) -> JobOut:
        """The exact place, plate and colour from 30 minutes before the window; nothing after the end."""
        return await _job(desk, await desk.courier.read(device_of(me), delivery))

    @router.get(
        "/jobs/{delivery}/fallback",
        responses=problems(401, 404, 422),
        summary="Where the parcel may go instead",
    )
    async def instead(me: Me, delivery: DeliveryPath, response: Response) -> FallbackOut:
        """Of a job that ended undone, for a day; that it was read is recorded. Else 404, whatever the reason."""
        read = await desk.courier.read(device_of(me), delivery)
        return await fallback(desk, read, response, by=me.id)

    @router.get("/jobs/{delivery}/key", responses=problems(401, 404, 409, 410, 422), summary="The key")
    async def key(me: Me, delivery: DeliveryPath) -> KeyTokenOut:
        """From here on the key is on the phone: no other courier gets one while the car is offline."""
        token = await desk.courier.key(device_of(me), delivery)
        read = await desk.courier.read(device_of(me), delivery)
        if read.body.key is None or read.body.vehicle is None:
            raise NoSuchDelivery(delivery)
        return KeyTokenOut(key=read.body.key.key, token=token, unit=await desk.cars.unit(read.body.vehicle))

    return router


def _way(desk: Desk) -> APIRouter:
    router, idempotency = APIRouter(), desk.people.idempotency
    Me = Annotated[CourierPrincipal, Depends(desk.people.access.courier())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422, 429)

    @router.post("/jobs/{delivery}/set-out", response_model=JobOut, responses=said, summary="Set out")
    async def set_out(
        me: Me, delivery: DeliveryPath, asked: Idempotent, wanted: SetOutIn | None = None
    ) -> Response:
        """Refused where the car is not in its place (its owner is told), or cannot be reached."""

        async def work(_: str) -> JobOut:
            anyway = bool(wanted and wanted.anyway)
            return await _job(desk, await desk.courier.set_out(device_of(me), delivery, anyway=anyway))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/jobs/{delivery}/arrived", response_model=JobOut, responses=said, summary="I am here")
    async def arrived(me: Me, delivery: DeliveryPath, wanted: ArrivedIn, asked: Idempotent) -> Response:
        """Within 50 m of the car; up to 250 m with a reason. Only the distance is kept."""

        async def work(_: str) -> JobOut:
            read = await desk.courier.arrive(device_of(me), delivery, wanted.position, reason=wanted.reason)
            return await _job(desk, read)

        return await idempotency.answer(asked, me.id, 200, work)

    return router


def _car(desk: Desk) -> APIRouter:
    """What waits for the car: never kept for a later repeat, because an old answer would be a wrong one."""
    router, limits = APIRouter(), desk.deliveries.limits
    Me = Annotated[CourierPrincipal, Depends(desk.people.access.courier())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 410, 422, 429, 503)

    async def look(delivery: DeliveryPath) -> asyncio.Task[Sight]:
        """Begun before the token is read: both take a question to the store, and a person waits for a tap."""
        looking = asyncio.create_task(desk.at_the_car.look(delivery))
        looking.add_done_callback(lambda done: done.cancelled() or done.exception())  # nobody may be let in
        return looking

    later = {202: {"model": AnswerOut, "description": "Not known yet: see `Location`."}, **said}

    @router.post("/jobs/{delivery}/challenge", responses=said, summary="A challenge of the car")
    async def challenge(me: Me, delivery: DeliveryPath, prefer: Prefer = None) -> ChallengeOut:
        """To be asked for again every 20 s in front of the car, so that the tap costs one round trip."""
        device = device_of(me)
        text, until = await desk.at_the_car.challenge(device, delivery, wait=seconds(prefer, limits))
        read = await desk.courier.read(device, delivery)
        if read.body.vehicle is None:
            raise NoSuchDelivery(delivery)
        return ChallengeOut(challenge=text, expires_at=until, unit=await desk.cars.unit(read.body.vehicle))

    @router.post("/jobs/{delivery}/fresh", responses=said, summary="News for a car without network")
    async def fresh(me: Me, delivery: DeliveryPath, wanted: FreshIn, prefer: Prefer = None) -> FreshOut:
        """For the device of a live key: the time, and which keys are revoked, signed for that challenge alone."""
        wait = seconds(prefer, limits)
        return FreshOut(fresh=await desk.away.fresh(device_of(me), delivery, wanted.challenge, wait=wait))

    @router.post("/jobs/{delivery}/open", responses=later, summary="Open")
    async def open_(
        seen: Annotated[asyncio.Task[Sight], Depends(look)],
        me: Me,
        delivery: DeliveryPath,
        wanted: OpenIn,
        response: Response,
        prefer: Prefer = None,
    ) -> AnswerOut:
        """Once per proof: the same proof again gets the same answer, another one meanwhile is a conflict."""
        answer = await desk.at_the_car.open(
            device_of(me),
            delivery,
            wanted.proof,
            wait=seconds(prefer, limits),
            position=wanted.position,
            reason=wanted.reason,
            sight=await seen,
        )
        return _answered(answer, delivery, response)

    @router.post("/jobs/{delivery}/lock", responses=later, summary="Lock")
    async def lock(me: Me, delivery: DeliveryPath, response: Response, prefer: Prefer = None) -> AnswerOut:
        answer = await desk.at_the_car.lock(device_of(me), delivery, wait=seconds(prefer, limits))
        return _answered(answer, delivery, response)

    @router.post("/jobs/{delivery}/flash", responses=later, summary="Flash the lights")
    async def flash(me: Me, delivery: DeliveryPath, response: Response, prefer: Prefer = None) -> AnswerOut:
        answer = await desk.at_the_car.flash(device_of(me), delivery, wait=seconds(prefer, limits))
        return _answered(answer, delivery, response)

    return router


def _after(desk: Desk) -> APIRouter:
    router, idempotency = APIRouter(), desk.people.idempotency
    Me = Annotated[CourierPrincipal, Depends(desk.people.access.courier())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 413, 422, 429)
    picture = {"schema": {"type": "string", "format": "binary"}}
    pictures = {"required": True, "content": {"image/jpeg": picture, "image/png": picture}}

    @router.post(
        "/jobs/{delivery}/photo", response_model=JobOut, responses=said, summary="A photo",
        openapi_extra={"requestBody": pictures},
    )  # fmt: skip
    async def photo(me: Me, delivery: DeliveryPath, request: Request, asked: Idempotent) -> Response:
        """The body is the picture, JPEG or PNG, at most 1 MB and 50 megapixels. Its metadata is not kept."""

        async def work(_: str) -> JobOut:
            most = desk.deliveries.limits.photo_tries_most
            await slowly(desk.rates, "photo", me.id, most, desk.deliveries.clock.now())
            return await _job(
                desk, await desk.courier.photograph(device_of(me), delivery, await request.body())
            )

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/jobs/{delivery}/fail", response_model=JobOut, responses=said, summary="It cannot be done")
    async def fail(me: Me, delivery: DeliveryPath, wanted: FailIn, asked: Idempotent) -> Response:
        async def work(_: str) -> JobOut:
            return await _job(desk, await desk.courier.fail(device_of(me), delivery, wanted.reason))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/jobs/{delivery}/done", response_model=JobOut, responses=said, summary="It is done")
    async def done(me: Me, delivery: DeliveryPath, asked: Idempotent) -> Response:
        """Without this, or a photo, a closed delivery settles by itself after three minutes."""

        async def work(_: str) -> JobOut:
            return await _job(desk, await desk.courier.done(device_of(me), delivery))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/jobs/{delivery}/again", response_model=JobOut, responses=said, summary="It did not fit")
    async def again(me: Me, delivery: DeliveryPath, asked: Idempotent) -> Response:
        """Another key for the same device, within three minutes of the lock; no new approval is needed."""

        async def work(_: str) -> JobOut:
            return await _job(desk, await desk.courier.again(device_of(me), delivery))

        return await idempotency.answer(asked, me.id, 200, work)

    return router


def device_of(me: CourierPrincipal) -> Device:
    """The device that a courier's token belongs to."""
    return Device(me.id, me.jkt)


async def _job(desk: Desk, read: Read) -> JobOut:
    now, vehicle = desk.deliveries.clock.now(), read.body.vehicle
    if vehicle is None:
        return job_view(read, Car("no_coverage"), None, Rules(), now, desk.deliveries.limits)
    rules, _ = await desk.rules.of(vehicle)
    car, unit = await desk.cars.car(vehicle, now=now), await desk.cars.unit(vehicle)
    zone = await desk.people.cars.zone_of(vehicle)
    if read.over:
        instead = await desk.fallbacks.told(read)
    else:
        instead = None if car.online else await desk.fallbacks.ahead(read)
    return job_view(read, car, unit, rules, now, desk.deliveries.limits, zone=zone, fallback=instead)


async def _found(desk: Desk, me: CourierPrincipal, delivery: DeliveryId) -> Read | None:
    """One of the list; None where it is not this device's (any more), or not approved yet."""
    try:
        return await desk.courier.read(device_of(me), delivery)
    except NoSuchDelivery:
        return None


def _answered(answer: Answer, delivery: DeliveryId, response: Response) -> AnswerOut:
    told = answer_out(answer, delivery)
    status: Literal[200, 202] = 202 if answer.outcome == "pending" else 200
    response.status_code = status
    if status == 202:
        response.headers["Location"] = told.job
    return told


def answer_out(answer: Answer, delivery: DeliveryId) -> AnswerOut:
    """What became of it, as it is told."""
    receipt = ReceiptOut(n=answer.receipt[0], hash=answer.receipt[1]) if answer.receipt else None
    return AnswerOut(
        outcome=answer.outcome,
        code=answer.code,
        at=answer.at,
        receipt=receipt,
        may_have_happened=answer.may_have_happened,
        try_again=answer.try_again,
        job=f"/v1/courier/jobs/{delivery}",
    )
