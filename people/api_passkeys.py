"""JSON routes of a person's passkeys: what approves, registration, a session lifted, the list."""

from typing import Annotated, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import AwareDatetime, Field

from people.access import PersonPrincipal
from people.api_parts import In, Out, problems, together
from people.api_sign_in import OptionsOut
from people.assertions import Assertion, Attestation
from people.model import Name
from people.passkey_model import PasskeyView
from people.passkeys import ApprovesBy, approves_by
from people.service import People

PasskeyPath = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["5f0c2a9d81b64e7c"])]


class ApprovalsOut(Out):
    """``by``: what a yes of yours is given with. ``link_possible``: you never had a passkey, so you may choose."""

    by: ApprovesBy
    passkeys: int
    link_possible: bool


class ApprovalsWanted(In):
    """``link``: whoever reads your mail can open your car for a parcel. Over for ever with your first passkey."""

    by: Literal["link"]


class PasskeyMade(In):
    name: Annotated[Name, Field(examples=["My phone"])] = "Passkey"
    credential: Attestation


class PasskeyShown(In):
    credential: Assertion


class PasskeyNamed(In):
    name: Name


class PasskeyOut(Out):
    """``synced``: the device may copy it to your other devices; ``backed_up``: it has."""

    id: str
    name: str
    made_at: AwareDatetime
    last_used_at: AwareDatetime | None
    synced: bool
    backed_up: bool


class PasskeysOut(Out):
    data: list[PasskeyOut]


class ProvenOut(Out):
    """The session may do what asks for a passkey for so many seconds."""

    passkey: str
    seconds: int


def _passkey(view: PasskeyView) -> PasskeyOut:
    return PasskeyOut.model_validate(view)


def routes(people: People) -> APIRouter:
    """Passkeys of the person in the session."""
    return together(part(people) for part in (_approvals, _making, _proving, _list))


def _approvals(people: People) -> APIRouter:
    router, clock = APIRouter(prefix="/v1", tags=["people"]), people.clock
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get("/me/approvals", responses=problems(401), summary="What approves for me")
    async def told(me: Me) -> ApprovalsOut:
        """`nothing`: make a passkey, or choose links while you never had one."""
        kept = await people.passkeys.kept(me.id)
        return ApprovalsOut(by=approves_by(kept), passkeys=len(kept.passkeys), link_possible=not kept.ever)

    @router.put(
        "/me/approvals", status_code=204, responses=problems(401, 403, 409, 422), summary="Approve by mail"
    )
    async def choose(me: Me, wanted: ApprovalsWanted) -> None:  # noqa: ARG001 - there is one choice
        """Whoever reads your mail can then say yes for you. Refused for whoever has, or ever had, a passkey."""
        await people.passkeys.choose_link(me.id, now=clock.now())

    return router


def _making(people: People) -> APIRouter:
    router, clock, step_up = APIRouter(prefix="/v1", tags=["people"]), people.clock, people.step_up
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.post(
        "/me/passkeys/options", responses=problems(401, 403, 409, 429), summary="Begin a new passkey"
    )
    async def begin(me: Me) -> OptionsOut:
        """A first one needs your session alone; another one needs a passkey shown in it a moment ago."""
        return OptionsOut(options=await step_up.new_options(me, now=clock.now()))

    @router.post(
        "/me/passkeys", status_code=201, responses=problems(401, 403, 409, 422, 429), summary="Keep a passkey"
    )
    async def keep(me: Me, made: PasskeyMade) -> PasskeyOut:
        """What the browser made of the options, once. From your first one on no mail link approves for you."""
        return _passkey(await step_up.register(me, made.credential, name=made.name, now=clock.now()))

    return router


def _proving(people: People) -> APIRouter:
    router, clock, step_up = APIRouter(prefix="/v1", tags=["people"]), people.clock, people.step_up
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.post("/session/passkey/options", responses=problems(401, 403, 404, 409, 429), summary="Ask me")
    async def begin(me: Me) -> OptionsOut:
        """What to do after a 401 with `insufficient_user_authentication`."""
        return OptionsOut(options=await step_up.proof_options(me, now=clock.now()))

    @router.post("/session/passkey", responses=problems(401, 403, 422, 429), summary="Show my passkey")
    async def prove(me: Me, shown: PasskeyShown) -> ProvenOut:
        """For some minutes this session may do what asks for a passkey."""
        passkey = await step_up.prove(me, shown.credential, now=clock.now())
        return ProvenOut(passkey=passkey, seconds=people.passkeys.max_age)

    return router


def _list(people: People) -> APIRouter:
    router, clock, step_up = APIRouter(prefix="/v1", tags=["people"]), people.clock, people.step_up
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get("/me/passkeys", responses=problems(401), summary="My passkeys")
    async def mine(me: Me) -> PasskeysOut:
        return PasskeysOut(data=[_passkey(one) for one in await people.passkeys.all_of(me.id)])

    @router.put(
        "/me/passkeys/{passkey}/name", status_code=204, responses=problems(401, 403, 404, 422),
        summary="Name a passkey",
    )  # fmt: skip
    async def rename(me: Me, passkey: PasskeyPath, wanted: PasskeyNamed) -> None:
        await step_up.require_fresh_passkey(me, now=clock.now())
        await people.passkeys.rename(me.id, passkey, wanted.name)

    @router.delete(
        "/me/passkeys/{passkey}", status_code=204, responses=problems(401, 403, 404, 409, 422),
        summary="Forget a passkey",
    )  # fmt: skip
    async def remove(me: Me, passkey: PasskeyPath) -> None:
        """The last one stays: add another first, or recover where it is lost."""
        await step_up.require_fresh_passkey(me, now=clock.now())
        await people.passkeys.remove(me.id, me.session, passkey, now=clock.now())

    return router
