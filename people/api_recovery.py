"""JSON routes for the day a passkey is lost: recovery, taken back from anywhere, and the devices that are known."""

from typing import Annotated

from fastapi import APIRouter, Depends, Path, Response
from pydantic import AwareDatetime

from people.access import PersonPrincipal
from people.api_links import used_at
from people.api_parts import Idempotent, Out, problems, together
from people.api_sign_in import Accepted, CodeShown
from people.service import People

DevicePath = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["5f0c2a9d81b64e7c"])]


class RecoveryOut(Out):
    """``ripe_at``: when the passkeys are dead unless it is taken back; null: none waits."""

    ripe_at: AwareDatetime | None


class DeviceOut(Out):
    """``known_from``: from then on a sign-in by mail on it counts as level `session`."""

    id: str
    made_at: AwareDatetime
    used_at: AwareDatetime
    known_from: AwareDatetime
    expires_at: AwareDatetime


class DevicesOut(Out):
    data: list[DeviceOut]


def routes(people: People) -> APIRouter:
    """Recovery and devices of the person in the session."""
    return together(part(people) for part in (_recovery, _devices))


def _recovery(people: People) -> APIRouter:
    router, clock, recoveries = APIRouter(prefix="/v1", tags=["people"]), people.clock, people.recoveries
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.post(
        "/me/recovery", status_code=202, responses=problems(401, 403, 409, 429), summary="All are lost"
    )
    async def ask(me: Me) -> RecoveryOut:
        """After 72 h, or presence in your car, your passkeys are dead and you may make a new one.

        You are told at once by mail and on your pages, and can take it back there. Asked again, the wait stays.
        """
        return RecoveryOut(ripe_at=(await recoveries.ask(me.id, now=clock.now())).ripe_at)

    @router.get("/me/recovery", responses=problems(401), summary="Does a recovery wait?")
    async def look(me: Me) -> RecoveryOut:
        waits = await recoveries.waiting(me.id)
        return RecoveryOut(ripe_at=waits.ripe_at if waits else None)

    @router.delete("/me/recovery", status_code=204, responses=problems(401, 403), summary="Keep my passkeys")
    async def cancel(me: Me) -> None:
        """Any session may; nothing happens where none waits."""
        await recoveries.cancel(me.id, now=clock.now())

    @router.post(
        "/me/recovery/presence", status_code=202, response_model=Accepted, summary="I sit in my car",
        responses=problems(401, 403, 404, 409, 422, 429),
    )  # fmt: skip
    async def present(me: Me, shown: CodeShown, asked: Idempotent) -> Response:
        """The code on the display of a car you own ends the wait. Your other sessions end."""

        async def work(_: str) -> Accepted:
            await recoveries.show_presence(me.id, me.session, shown.code, now=clock.now())
            return Accepted()

        return await people.idempotency.answer(asked, me.id, 202, work)

    used_at(
        "/recovery-cancellation", router, people, lambda token, now: recoveries.cancel_by_link(token, now=now),
        name="refuse", summary="That was not me", description="Uses up the link of the notice. No session comes of it.",
    )  # fmt: skip
    return router


def _devices(people: People) -> APIRouter:
    router, clock = APIRouter(prefix="/v1", tags=["people"]), people.clock
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get("/me/devices", responses=problems(401), summary="Devices that are known")
    async def devices(me: Me) -> DevicesOut:
        found = await people.known_devices.all_of(me.id, now=clock.now())
        return DevicesOut(data=[DeviceOut.model_validate(one) for one in found])

    @router.delete(
        "/me/devices/{device}", status_code=204, responses=problems(401, 403, 422), summary="Forget a device"
    )
    async def forget(me: Me, device: DevicePath) -> None:
        """The next sign-in by mail there is level `link`. Its session ends at `/v1/sessions`."""
        await people.known_devices.forget(me.id, device, now=clock.now())

    return router
