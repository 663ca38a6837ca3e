"""JSON routes of the desk: list, claim, the case beside the call, dial, outcome, help, wallboard. None opens a car."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AwareDatetime, Field, NaiveDatetime, StrictInt

from maintenance.desk import Desk
from maintenance.desk_dialling import At
from maintenance.desk_outcomes import DISPOSITIONS, Disposition, Said
from maintenance.desk_ports import Deliveries
from maintenance.desk_script import LONGEST_ANSWER
from maintenance.desk_views import CaseOut, ListOut, Out
from maintenance.desk_wallboard import Wallboard
from maintenance.model import Happened, Read
from maintenance.states import TriggerState
from people.agents import AgentPrincipal
from people.api_parts import Idempotent, In, problems
from spine.ids import CaseId
from spine.words import ASKED

CasePath = Annotated[
    CaseId,
    Path(
        pattern=r"^cse_[0-9a-hjkmnp-tv-z]{16}\.[a-z_]{1,24}\.[1-9][0-9]{0,8}$",
        examples=["cse_3k7m9qxd4hwe2a5t.brakes.1"],
    ),
]
Token = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="Of the lease, as the claim answered it.")]
_Question = Annotated[str, Field(pattern="^[a-z_]{1,24}$")]
_Answer = Annotated[str, Field(max_length=LONGEST_ANSWER)]
_LOCK_WAIT = 8.0
"""Seconds that a request waits for the car."""


class ClaimIn(In):
    """``case``: this one; without it the best that waits."""

    case: (
        Annotated[CaseId, Field(pattern=r"^cse_[0-9a-hjkmnp-tv-z]{16}\.[a-z_]{1,24}\.[1-9][0-9]{0,8}$")]
        | None
    ) = None


class LeaseIn(In):
    """Proof that the case is still this agent's."""

    token: Token


class DraftIn(LeaseIn):
    """Answers and note as they stand. ``n``: ``draft_n`` of what was read before."""

    n: Annotated[StrictInt, Field(ge=0, le=2**31)]
    answers: Annotated[dict[_Question, _Answer], Field(max_length=40)]
    note: Annotated[str, Field(max_length=4000)] = ""


class DialIn(LeaseIn):
    """``whom``: of help that two asked for; without it who asked first and left a number."""

    whom: Literal["owner", "courier"] | None = None


class OutcomeIn(LeaseIn):
    """What came of it. ``language``: what the person speaks, of ``language``.

    ``at``: of ``callback_at``; or ``local``, without a zone: as the person's own clock will show it.
    """

    disposition: Disposition
    at: AwareDatetime | None = None
    local: NaiveDatetime | None = None
    language: Literal["en", "nl", "de", "sv"] | None = None


class MeOut(Out):
    """The agent, and what the page needs to know. ``after_call_s``: time to write up a call."""

    id: str
    role: str
    languages: list[str]
    dispositions: list[str]
    lease_s: int
    after_call_s: int


class ClaimOut(Out):
    """The case is this agent's until ``until``, and longer with each heartbeat."""

    case: CaseId
    token: str
    until: AwareDatetime


class BeatOut(Out):
    """Until when the lease lives now."""

    until: AwareDatetime


class DraftOut(Out):
    """The number of what stands now."""

    draft_n: int


class DialOut(Out):
    """The number to call, for this call alone. ``n``: the case's how manieth. ``safety``: see the audit."""

    phone: str = Field(repr=False)
    n: int
    safety: bool


class StateOut(Out):
    """Where the case went, and when it comes back to the list or the owner."""

    case: CaseId
    state: str
    due: AwareDatetime | None


class LockOut(Out):
    """What the car said. ``unsure`` and ``pending`` never mean that it failed."""

    outcome: str
    code: str
    at: AwareDatetime | None
    may_have_happened: bool


class AuditOut(Out):
    """Oldest first."""

    data: list[Happened]


def routes(desk: Desk, deliveries: Deliveries) -> APIRouter:
    """To be mounted under ``/v1``."""
    at_desk = desk.people.agents.at_desk(desk.people.access, desk.cases.clock, desk.limits.shift)
    router = APIRouter(prefix="/desk", tags=["desk"])
    for part in (_having(desk, at_desk), _beside(desk, at_desk, deliveries), _calling(desk, at_desk)):
        router.include_router(part)
    return router


def _having(desk: Desk, at_desk: object) -> APIRouter:
    router, idempotency = APIRouter(), desk.people.idempotency
    Me = Annotated[AgentPrincipal, Depends(at_desk)]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422)

    @router.get("/me", responses=problems(401, 403), summary="Who am I here?")
    async def me(me: Me) -> MeOut:
        return MeOut(
            id=me.id, role=me.role, languages=sorted(me.languages), dispositions=list(DISPOSITIONS),
            lease_s=int(desk.limits.lease.total_seconds()),
            after_call_s=int(desk.limits.after_call.total_seconds()),
        )  # fmt: skip

    @router.get("/cases", responses=problems(401, 403), summary="What waits for me")
    async def listed(me: Me) -> ListOut:
        """The most urgent first, help before all. Cases that nobody may be called about now say why."""
        return await desk.listed(_at(me))

    @router.post("/claim", response_model=ClaimOut, responses=said, summary="Take a case")
    async def claim(me: Me, wanted: ClaimIn, asked: Idempotent) -> Response:
        """The best, or the one named: of two agents one has it, the other hears ``desk.taken`` with the next."""

        async def work(_: str) -> ClaimOut:
            agent = _at(me)
            read = await (desk.work.claim(agent, wanted.case) if wanted.case else desk.work.claim_next(agent))
            lease = read.body.trigger.lease
            assert lease is not None, "a claim gives a lease"
            return ClaimOut(case=read.id, token=lease.token, until=lease.until)

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/cases/{case}/heartbeat", responses=said, summary="I still have it")
    async def heartbeat(me: Me, case: CasePath, wanted: LeaseIn) -> BeatOut:
        read = await desk.work.heartbeat(_at(me), case, wanted.token)
        lease = read.body.trigger.lease
        assert lease is not None, "what was renewed is there"
        return BeatOut(until=lease.until)

    @router.post("/cases/{case}/release", responses=said, summary="Give it back")
    async def release(me: Me, case: CasePath, wanted: LeaseIn) -> StateOut:
        """As old as it was."""
        return _state(await desk.work.release(_at(me), case, wanted.token))

    return router


def _beside(desk: Desk, at_desk: object, deliveries: Deliveries) -> APIRouter:
    router = APIRouter()
    Me = Annotated[AgentPrincipal, Depends(at_desk)]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422)

    @router.get("/cases/{case}", responses=problems(401, 403, 404, 422), summary="A case beside the call")
    async def look(me: Me, case: CasePath) -> CaseOut:
        """For the one who has it, and supervisors. That it was looked at is in the owner's audit."""
        return await desk.look(_at(me), case, deliveries)

    @router.put("/cases/{case}/draft", responses=said, summary="Save answers and note")
    async def draft(me: Me, case: CasePath, wanted: DraftIn) -> DraftOut:
        """As given. A stale ``n`` is refused (``desk.draft_stale``) with what stands."""
        read = await desk.work.draft(
            _at(me), case, wanted.token, n=wanted.n, answers=wanted.answers, note=wanted.note
        )
        return DraftOut(draft_n=read.body.draft_n)

    @router.post("/cases/{case}/lock", responses={**said, **problems(429)}, summary="Lock the car")
    async def lock(me: Me, case: CasePath, wanted: LeaseIn) -> LockOut:
        """Of help with a delivery: drive the lock shut. Nothing here opens it."""
        outcome, code, at = await desk.lock(_at(me), case, wanted.token, deliveries, wait=_LOCK_WAIT)
        perhaps = outcome in {"unsure", "pending"}
        return LockOut(outcome=outcome, code=code, at=at, may_have_happened=perhaps)

    @router.get("/cases/{case}/audit", responses=problems(401, 403, 404, 422), summary="Who did what")
    async def audit(me: Me, case: CasePath) -> AuditOut:
        """For the one who has it, and supervisors; looking here is looking at the case."""
        return AuditOut(data=await desk.audit(_at(me), case))

    @router.get("/wallboard", responses=problems(401, 403), summary="The desk at a glance")
    async def wallboard(_: Me) -> Wallboard:
        return await desk.board.look()

    return router


def _calling(desk: Desk, at_desk: object) -> APIRouter:
    router, idempotency = APIRouter(), desk.people.idempotency
    Me = Annotated[AgentPrincipal, Depends(at_desk)]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422)

    @router.post("/cases/{case}/dial", responses=said, summary="The number to call")
    async def dial(me: Me, case: CasePath, wanted: DialIn) -> DialOut:
        """Takes the person's one call of the day first; refused outside the hours they may be called in."""
        number = await desk.work.dial(_at(me), case, wanted.token, wanted.whom)
        return DialOut(phone=number.phone, n=number.n, safety=number.safety)

    @router.post(
        "/cases/{case}/disposition", response_model=StateOut, responses=said, summary="What came of it"
    )
    async def settle(me: Me, case: CasePath, wanted: OutcomeIn, asked: Idempotent) -> Response:
        async def work(_: str) -> StateOut:
            told = Said(wanted.disposition, wanted.at, wanted.local, wanted.language)
            return _state(await desk.work.settle(_at(me), case, wanted.token, told))

        return await idempotency.answer(asked, me.id, 200, work)

    @router.post("/cases/{case}/close", responses=said, summary="Help was given")
    async def close(me: Me, case: CasePath, wanted: LeaseIn) -> StateOut:
        return _state(await desk.work.close(_at(me), case, wanted.token))

    return router


def _at(me: AgentPrincipal) -> At:
    return At(me.id, me.role, me.languages, reads=ASKED.get())


def _state(read: Read) -> StateOut:
    trigger, waits = read.body.trigger, read.state in {TriggerState.SCHEDULED, TriggerState.QUEUED}
    return StateOut(case=read.id, state=read.state, due=trigger.due if waits else trigger.until)
