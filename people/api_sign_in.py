"""JSON routes by which a person signs in, and of their sessions."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import AwareDatetime, Field

from people.access import PersonPrincipal
from people.api_parts import In, Out, network_address, problems, together
from people.assertions import Assertion
from people.model import Email
from people.passkeys import ApprovesBy
from people.service import People
from people.sign_in import SignedIn
from people.tokens import read
from spine.ids import PersonId
from spine.words import ASKED

SecretText = Annotated[
    str, Field(min_length=1, max_length=128, examples=["Zq3…43 characters of the link's fragment"])
]
CodeText = Annotated[str, Field(min_length=1, max_length=64, examples=["7K3M-9QXD"])]


class SignInWanted(In):
    email: Annotated[Email, Field(examples=["ada@example.org"])]


class LinkFollowed(In):
    token: SecretText


class LinkOfSignIn(LinkFollowed):
    """For programs; a browser keeps its device's secret in a cookie.

    ``device``: what an earlier sign-in gave; ``remember``: give one, so that later ones are of level `session`.
    """

    device: SecretText | None = None
    remember: bool = False


class PasskeySignIn(In):
    """As ``LinkOfSignIn``, with what the passkey answered."""

    credential: Assertion
    device: SecretText | None = None
    remember: bool = False


class OptionsOut(Out):
    """For `PublicKeyCredential.parse…OptionsFromJSON`."""

    options: dict[str, Any]


class CodeShown(In):
    code: CodeText


class SessionMade(Out):
    """``token`` and ``device`` are null in a browser: cookies hold them, where no script can read them.

    ``approves_by``: `nothing` while the person neither has a passkey nor chose mail links (`/v1/me/approvals`).
    """

    token: str | None
    device: str | None
    session: str
    person: str
    level: str
    approves_by: ApprovesBy
    expires_at: AwareDatetime
    to: str


class SessionOut(Out):
    """``passkey_at``: when a passkey was last shown in it."""

    id: str
    level: str
    passkey_at: AwareDatetime | None
    made_at: AwareDatetime
    expires_at: AwareDatetime
    current: bool


class SessionsOut(Out):
    data: list[SessionOut]


class Accepted(Out):
    """Taken, with nothing said about what is known here."""

    accepted: bool = True


def routes(people: People) -> APIRouter:
    """Sign-in and sessions."""
    return together(part(people) for part in (_in, _sessions))


def _in(people: People) -> APIRouter:
    router, clock = APIRouter(prefix="/v1", tags=["people"]), people.clock

    @router.post("/sign-in", status_code=202, responses=problems(422, 429), summary="Mail me a link")
    async def ask(wanted: SignInWanted, request: Request) -> Accepted:
        """The answer is the same for every e-mail. A link is good once, for minutes."""
        await people.sign_in.ask(
            wanted.email, client=network_address(request), language=ASKED.get(), now=clock.now()
        )
        return Accepted()

    @router.post("/session", status_code=201, responses=problems(403, 410, 422, 429), summary="Follow a link")
    async def redeem(followed: LinkOfSignIn, request: Request, response: Response) -> SessionMade:
        """Uses the link of a mail up. A browser gets a cookie, any other client a bearer token."""
        device = _device(people, request, followed.device, remember=followed.remember)
        made = await people.sign_in.redeem(
            followed.token, client=network_address(request), device=device, now=clock.now()
        )
        return await _made(people, request, response, made)

    @router.post(
        "/sign-in/passkey/options", responses=problems(409, 429), summary="Begin to sign in by passkey"
    )
    async def begin(request: Request) -> OptionsOut:
        """No e-mail is typed: the device shows the passkeys that it has for this place."""
        await people.doorkeeper.redeems(network_address(request), now=clock.now())
        return OptionsOut(options=await people.step_up.sign_in_options())

    @router.post(
        "/sign-in/passkey", status_code=201, responses=problems(403, 422, 429), summary="Sign in by passkey"
    )
    async def recognise(shown: PasskeySignIn, request: Request, response: Response) -> SessionMade:
        """A session of level `passkey`. All refusals are alike."""
        device = _device(people, request, shown.device, remember=shown.remember)
        await people.doorkeeper.redeems(network_address(request), now=clock.now())
        made = await people.step_up.sign_in(shown.credential, device=device, now=clock.now())
        return await _made(people, request, response, made)

    return router


def _in_a_browser(request: Request) -> bool:
    return "sec-fetch-site" in request.headers or "origin" in request.headers


def _device(
    people: People, request: Request, presented: str | None, *, remember: bool
) -> Callable[[PersonId], str | None] | None:
    """Where the secret of this device is found: a cookie for each person in a browser, the body for a program."""
    if _in_a_browser(request):
        people.access.refuse_cross_site(request)
        return lambda person: request.cookies.get(people.access.device_cookie(person))
    return (lambda _: presented) if remember or presented else None


async def _end_anothers(people: People, request: Request, person: PersonId) -> None:
    """Whoever was signed in here before is signed out: what is bound to that session (notifications) ends with it.

    A session of the same person goes on, because this browser may be notified by it.
    """
    former = read(request.cookies.get(people.access.cookie, ""))
    if former is None:
        return
    found = await people.sessions.find(former, now=people.clock.now())
    if found is not None and found.person != person:
        await people.sessions.revoke(found.person, found.id, now=people.clock.now())


async def _made(people: People, request: Request, response: Response, made: SignedIn) -> SessionMade:
    """The answer to a sign-in; a browser's secrets go into cookies, and mails speak its language until one is chosen."""
    access, limits, session = people.access, people.limits, made.session
    await people.persons.speaks(session.person, ASKED.get(), chosen=False)
    browser = _in_a_browser(request)
    if browser:
        await _end_anothers(people, request, session.person)
        cookies = [(access.cookie, made.token.text, limits.session_life)]
        if made.device is not None:
            cookies.append((access.device_cookie(session.person), made.device, limits.device_life))
        for name, value, life in cookies:
            response.set_cookie(
                name, value, path="/", httponly=True, samesite="lax", secure=access.secure,
                max_age=int(life.total_seconds()),
            )  # fmt: skip
    return SessionMade(
        token=None if browser else made.token.text, device=None if browser else made.device,
        session=session.id, person=session.person, level=session.level, expires_at=session.expires_at,
        to=made.to, approves_by=await people.passkeys.approves_by(session.person),
    )  # fmt: skip


def _sessions(people: People) -> APIRouter:
    router, access, clock = APIRouter(prefix="/v1", tags=["people"]), people.access, people.clock
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.delete("/session", status_code=204, responses=problems(401, 403), summary="Sign out")
    async def sign_out(me: Me, response: Response) -> None:
        await people.sessions.revoke(me.id, me.session, now=clock.now())
        response.delete_cookie(access.cookie, path="/", httponly=True, samesite="lax", secure=access.secure)

    @router.get("/sessions", responses=problems(401), summary="Where am I signed in?")
    async def sessions(me: Me) -> SessionsOut:
        found = await people.sessions.all_of(me.id, now=clock.now())
        return SessionsOut(
            data=[
                SessionOut(
                    id=one.id,
                    level=one.level,
                    passkey_at=one.passkey_at,
                    made_at=one.made_at,
                    expires_at=one.expires_at,
                    current=one.id == me.session,
                )
                for one in found
            ]
        )

    @router.delete("/sessions", status_code=204, responses=problems(401, 403), summary="Sign out everywhere")
    async def sign_out_everywhere(me: Me) -> None:
        await people.sessions.revoke(me.id, None, now=clock.now())

    @router.delete(
        "/sessions/{session}", status_code=204, responses=problems(401, 403, 422), summary="End a session"
    )
    async def end(me: Me, session: Annotated[str, Path(pattern="^[0-9a-f]{16}$")]) -> None:
        await people.sessions.revoke(me.id, session, now=clock.now())

    return router
