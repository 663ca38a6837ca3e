"""JSON routes of a person's own account: name, language, e-mail, erasing."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime

from people.access import PersonPrincipal
from people.api_links import used_at
from people.api_parts import Idempotent, In, Out, problems, together
from people.api_sign_in import Accepted, CodeShown, SignInWanted
from people.model import Name
from people.passkeys import ApprovesBy
from people.problems import NotFound
from people.service import People
from spine.words import Language


class NameWanted(In):
    name: Name


class LanguageWanted(In):
    language: Language


class PersonOut(Out):
    """``language``: of mails and notifications; null where none was chosen and no browser named one of ours."""

    id: str
    email: str
    name: str
    language: str | None
    made_at: AwareDatetime
    new_email: str | None
    new_email_from: AwareDatetime | None
    recovery_from: AwareDatetime | None
    approves_by: ApprovesBy


def routes(people: People) -> APIRouter:
    """The own account and its e-mail."""
    return together(part(people) for part in (_account, _email))


def _account(people: People) -> APIRouter:
    router, access, clock = APIRouter(prefix="/v1", tags=["people"]), people.access, people.clock
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get("/me", responses=problems(401), summary="My data")
    async def mine(me: Me) -> PersonOut:
        view = await people.persons.view(me.id)
        if view is None:
            raise NotFound("This account was erased.")
        pending = await people.changes.pending(me.id)
        change = None if pending is None else pending[1]
        waits = await people.recoveries.waiting(me.id)
        return PersonOut(
            id=view.id, email=view.email, name=view.name, language=view.language or None, made_at=view.made_at,
            new_email=change.email if change else None, new_email_from=change.ripe_at if change else None,
            recovery_from=waits.ripe_at if waits else None,
            approves_by=await people.passkeys.approves_by(me.id),
        )  # fmt: skip

    @router.put("/me/name", status_code=204, responses=problems(401, 403, 422), summary="My name")
    async def rename(me: Me, wanted: NameWanted) -> None:
        """Co-owners of a car see it."""
        await people.persons.rename(me.id, wanted.name)

    @router.put("/me/language", status_code=204, responses=problems(401, 403, 422), summary="My language")
    async def speak(me: Me, wanted: LanguageWanted) -> None:
        """Mails and notifications come in it. On our pages the choice at their foot says the same."""
        await people.persons.speaks(me.id, wanted.language, chosen=True)

    @router.delete("/me", status_code=204, responses=problems(401, 403), summary="Erase me")
    async def erase(me: Me, response: Response) -> None:
        """Name, e-mail, sessions and roles end at once. What cars did stays, without you in it.

        Whoever has a passkey shows it first (401 `insufficient_user_authentication`).
        """
        await people.step_up.require_fresh_passkey(me, now=clock.now())
        await people.persons.erase(me.id, now=clock.now())
        response.delete_cookie(access.cookie, path="/", httponly=True, samesite="lax", secure=access.secure)

    return router


def _email(people: People) -> APIRouter:
    router, clock = APIRouter(prefix="/v1", tags=["people"]), people.clock
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.post(
        "/me/email", status_code=202, response_model=Accepted, responses=problems(401, 403, 409, 422, 429),
        summary="Change my e-mail",
    )  # fmt: skip
    async def change(me: Me, wanted: SignInWanted, asked: Idempotent) -> Response:
        """Both addresses get mail. It counts after 72 h, or at once with presence in a car of yours.

        Whoever has a passkey shows it first (401 `insufficient_user_authentication`).
        """

        async def work(_: str) -> Accepted:
            await people.step_up.require_fresh_passkey(me, now=clock.now())
            await people.changes.ask(me.id, wanted.email, now=clock.now())
            return Accepted()

        return await people.idempotency.answer(asked, me.id, 202, work)

    @router.delete("/me/email", status_code=204, responses=problems(401, 403), summary="Keep my e-mail")
    async def keep(me: Me) -> None:
        """Takes a change that is under way back."""
        await people.changes.cancel(me.id)

    @router.post(
        "/me/email/presence", status_code=202, response_model=Accepted,
        responses=problems(401, 403, 404, 409, 422, 429), summary="I sit in my car",
    )  # fmt: skip
    async def present(me: Me, shown: CodeShown, asked: Idempotent) -> Response:
        """The code on the display of a car you own makes a change of e-mail count at once."""

        async def work(_: str) -> Accepted:
            await people.changes.show_presence(me.id, shown.code, now=clock.now())
            return Accepted()

        return await people.idempotency.answer(asked, me.id, 202, work)

    used_at(
        "/email-confirmation", router, people, lambda token, now: people.changes.prove(token, now=now),
        name="prove", summary="This is my new e-mail",
        description="Uses up the link that went to the new address. No session comes of it.",
    )  # fmt: skip
    used_at(
        "/email-cancellation", router, people, lambda token, _: people.changes.cancel_by_link(token),
        name="refuse", summary="That was not me: keep my e-mail",
        description="Uses up the link of the notice, which went to the present e-mail. No session comes of it.",
    )  # fmt: skip
    return router
