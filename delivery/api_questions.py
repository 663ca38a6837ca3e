"""Answers from outside a session: the link of a mail, and a linked system's signed decision."""

import asyncio
from collections.abc import Mapping
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request
from pydantic import AwareDatetime, Field

from delivery.api_parts import OptionsOut
from delivery.desk import Desk
from delivery.model import Read, Window
from delivery.problems import LinkUnknown
from delivery.questions import Decision, Question
from delivery.states import ACTS, Act, State
from delivery.system_answers import SystemAnswer
from delivery.views import CarOut, NeededOut, Out, asked_out, car_out
from keys.car.claims import Fra, OwnerSignature
from people.api_parts import In, network_address, problems
from people.assertions import Assertion
from spine.ids import DeliveryId, PersonId
from webhooks.verified import Verifier

_Token = Annotated[str, Field(min_length=40, max_length=400, pattern=r"^[A-Za-z0-9_-]+$", repr=False)]
SourcePath = Annotated[
    # Of any length: what is no source of ours has the one answer of all that is not verified.
    str, Path(description="The linked system.", examples=["src_5c2h8tq4n6w0rj3v"])
]


_SCHEMA = SystemAnswer.model_json_schema()


class LinkIn(In):
    """The token of a mail's link."""

    token: _Token


class LinkDecisionIn(LinkIn):
    """``shown``: SHA-256 of the question as it was shown; ``own``: needed with a yes where it has ``sign``.

    ``assertion``: of the passkey over the challenge of this answer, where the question needs it.
    ``not_me``: with a no, that nothing of the kind was ordered. ``fra``: see the owner's own decision.
    """

    decision: Decision
    shown: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    silent: bool = False
    not_me: bool = False
    fra: Fra | None = None
    own: OwnerSignature | None = None
    assertion: Assertion | None = None


class LinkChallengeIn(LinkIn):
    """Which answer a passkey is to be asked for: ``decision`` and ``fra`` as they will be given."""

    decision: Decision = "approve"
    fra: Fra | None = None


class WaitingOut(Out):
    """Another question about a car of this person's that waits. ``zone``: by whose clock its times are told."""

    delivery: DeliveryId
    zone: str | None
    carrier_name: str
    window: Window
    expires_at: AwareDatetime


class QuestionOut(Out):
    """What is asked, and how the car can be reached now (which is not part of what is decided on).

    ``zone``: by whose clock its times are told (IANA); null: by the reader's own.
    """

    delivery: DeliveryId
    zone: str | None
    state: State
    shown: str
    content: Mapping[str, Any]
    expires_at: AwareDatetime
    decided: Decision | None
    decided_at: AwareDatetime | None
    by_you: bool
    level: str | None
    not_me: bool
    needed: NeededOut | None
    waiting: tuple[WaitingOut, ...]
    car: CarOut | None
    out_by_m: int | None
    can_block: bool


class DecidedOut(Out):
    """The decision that stands."""

    delivery: DeliveryId
    state: State
    decided: Decision | None


def routes(desk: Desk, verifier: Verifier) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(tags=["questions"])
    said = problems(404, 409, 410, 422, 429)

    @router.post("/questions/open", responses=said, summary="What a mail's link asks")
    async def open_(wanted: LinkIn, request: Request) -> QuestionOut:
        """Looking decides nothing, and does not use the link up."""
        try:
            read, question, person = await desk.deciding.mailed.open(wanted.token, "decide", "block")
        except LinkUnknown:
            # Only wrong links count: a household behind one address is not stopped.
            await desk.people.doorkeeper.redeems(network_address(request), now=desk.deliveries.clock.now())
            raise
        return await _question(desk, read, question, person)

    @router.post(
        "/questions/challenge",
        responses=problems(403, 404, 409, 410, 422, 429),
        summary="What a passkey has to sign for an answer",
    )
    async def challenge(wanted: LinkChallengeIn, request: Request) -> OptionsOut:
        """A challenge made of what was shown and the decision, and of nothing else."""
        try:
            said = await desk.deciding.challenge_by_link(wanted.token, wanted.decision, wanted.fra)
        except LinkUnknown:
            await desk.people.doorkeeper.redeems(network_address(request), now=desk.deliveries.clock.now())
            raise
        return OptionsOut(options=said)

    @router.post(
        "/questions/block",
        responses=problems(403, 404, 409, 410, 422, 429),
        summary="Block by a mail's link",
    )
    async def block(wanted: LinkIn, request: Request) -> DecidedOut:
        """Of the mail about what nobody was asked: at any moment until the lock moves. Again: no change."""
        try:
            read, _, person = await desk.deciding.mailed.open(wanted.token, "block")
        except LinkUnknown:
            await desk.people.doorkeeper.redeems(network_address(request), now=desk.deliveries.clock.now())
            raise
        return await _decided(desk, await desk.owner.block(person, read.id))

    @router.post(
        "/questions/decide",
        responses=problems(403, 404, 409, 410, 422, 429),
        summary="Answer by a mail's link",
    )
    async def decide(wanted: LinkDecisionIn, request: Request) -> DecidedOut:
        """The same answer again is fine; a different one is a conflict."""
        try:
            read = await desk.deciding.by_link(
                wanted.token,
                wanted.decision,
                wanted.shown,
                silent=wanted.silent,
                not_me=wanted.not_me,
                fra=wanted.fra,
                own=wanted.own,
                assertion=wanted.assertion,
            )
        except LinkUnknown:
            await desk.people.doorkeeper.redeems(network_address(request), now=desk.deliveries.clock.now())
            raise
        return await _decided(desk, read)

    @router.post(
        "/decisions/{source}",
        responses=problems(401, 403, 409, 410, 413, 422),
        summary="A linked system's signed decision",
        openapi_extra={
            "requestBody": {"required": True, "content": {"application/json": {"schema": _SCHEMA}}}
        },
    )
    async def decision(source: SourcePath, request: Request) -> DecidedOut:
        """Standard Webhooks `v1`; the body echoes `question`, `shown` and `decision`."""
        verified = await verifier.verified(request.scope["headers"], await request.body(), source)
        return await _decided(desk, await desk.deciding.by_system(verified))

    return router


async def _question(desk: Desk, read: Read, question: Question, person: PersonId) -> QuestionOut:
    # Nothing here hangs on another.
    needed, car, beside = await asyncio.gather(
        desk.deciding.needed(person, read), _car(desk, read), desk.waiting.beside(read, person)
    )
    asked = asked_out(read, question, needed)
    if asked is None:
        raise LinkUnknown("this link is not known")
    return QuestionOut(
        delivery=read.id,
        zone=await _zone(desk, read),
        state=read.state,
        shown=asked.shown,
        content=asked.content,
        expires_at=asked.expires_at,
        decided=asked.decided,
        decided_at=asked.decided_at,
        by_you=asked.decided_by == person,
        level=asked.level,
        not_me=asked.not_me,
        needed=asked.needed,
        waiting=tuple([await _waiting(desk, one) for one in beside]),
        car=car,
        out_by_m=read.body.out_by,
        can_block=read.state in ACTS[Act.BLOCK],
    )


async def _car(desk: Desk, read: Read) -> CarOut | None:
    if read.body.vehicle is None or read.over:
        return None
    return car_out(await desk.cars.car(read.body.vehicle, now=desk.deliveries.clock.now()))


async def _waiting(desk: Desk, read: Read) -> WaitingOut:
    carrier = await desk.people.carriers.view(read.body.carrier)
    return WaitingOut(
        delivery=read.id,
        zone=await _zone(desk, read),
        carrier_name=carrier.name if carrier else "",
        window=read.body.window,
        expires_at=read.body.approve_by,
    )


async def _zone(desk: Desk, read: Read) -> str | None:
    return await desk.people.cars.zone_of(read.body.vehicle) if read.body.vehicle is not None else None


async def _decided(desk: Desk, read: Read) -> DecidedOut:
    question = await desk.deciding.question(read)
    decided = question.decided.answer if question and question.decided else None
    return DecidedOut(delivery=read.id, state=read.state, decided=decided)
