"""JSON routes of what an owner decides beforehand: standing approvals, carriers that may not ask, the fallback."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Response
from pydantic import AwareDatetime

from delivery.api_parts import OptionsOut
from delivery.desk import Desk
from delivery.fallback import Fallback
from delivery.standing import Standing, Wish
from delivery.views import Out
from people.access import PersonPrincipal
from people.api_parts import CarrierPath, In, VehiclePath, problems
from people.assertions import Assertion
from spine.ids import CarrierId, CourierId, PersonId

RulePath = Annotated[
    str, Path(pattern=r"^std_[0-9a-hjkmnp-tv-z]{16}\.[0-9]{1,9}$", examples=["std_3k7m9qxd4hwe2a5t.1"])
]
IfMatch = Annotated[str, Header(max_length=40, description="The ETag of the choice you read.")]


class StandingIn(In):
    """``assertion``: of the owner's passkey over the challenge of this very wish."""

    wish: Wish
    assertion: Assertion | None = None


class StandingOut(Out):
    """A standing approval."""

    id: str
    wish: Wish
    carrier_name: str
    by: PersonId
    at: AwareDatetime
    rests: str | None
    """Why it does not count until an owner lets the carrier come again (`DELETE …/barred/{carrier}`): `not_me`,
    `doubted` (came in vain too often) or `frozen` (the operator stopped the carrier since)."""


class BarredOut(Out):
    """A carrier that is not heard of. ``until``: a pause after a decline; None: until an owner lifts it."""

    carrier: CarrierId
    carrier_name: str
    courier: CourierId | None
    why: str
    until: AwareDatetime | None


class ChoiceIn(In):
    """Where parcels go that the car could not take; none: nowhere."""

    place: Fallback | None


class ChoiceOut(Out):
    """The choice as it stands."""

    place: Fallback | None


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/owner/cars/{vehicle}", tags=["owners"])
    _standing(router, desk)
    _barred(router, desk)
    _fallback(router, desk)
    return router


def _standing(router: APIRouter, desk: Desk) -> None:
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type
    said = problems(401, 403, 404, 409, 422)

    @router.get("/standing", responses=problems(401, 403, 422), summary="Standing approvals")
    async def standing(me: Me, vehicle: VehiclePath) -> list[StandingOut]:
        """Oldest first."""
        rests = await desk.beforehand.rests(me.id, vehicle)
        return [
            await _out(desk, one, rests.get(one.id)) for one in await desk.beforehand.rules(me.id, vehicle)
        ]

    @router.post("/standing/challenge", responses=said, summary="What my passkey has to sign for one")
    async def challenge(me: Me, vehicle: VehiclePath, wanted: Wish) -> OptionsOut:
        """A challenge over this wish; good for one rule."""
        return OptionsOut(options=await desk.beforehand.options(me.id, vehicle, wanted))

    @router.post("/standing", responses=said, summary="Allow beforehand")
    async def make(me: Me, vehicle: VehiclePath, wanted: StandingIn) -> StandingOut:
        """A carrier, the car's place and hours; only with a passkey. The same wish again: the one that stands.

        It lets in couriers that are enrolled for a day, twice a day, for two hours, the boot only. You are told of
        each at once, with a way to block it. It holds while the car's rules name this place.
        """
        made = await desk.beforehand.make(me.id, vehicle, wanted.wish, wanted.assertion)
        return await _out(desk, made, (await desk.beforehand.rests(me.id, vehicle)).get(made.id))

    @router.delete("/standing/{rule}", status_code=204, responses=said, summary="Take it back")
    async def end(me: Me, vehicle: VehiclePath, rule: RulePath) -> None:
        """What it let in before goes on until you block it."""
        await desk.beforehand.end(me.id, vehicle, rule)


def _barred(router: APIRouter, desk: Desk) -> None:
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type

    @router.get("/barred", responses=problems(401, 403, 422), summary="Carriers that may not ask")
    async def barred(me: Me, vehicle: VehiclePath) -> list[BarredOut]:
        """After "that was not me" until you lift it; after a decline for a while."""
        body = await desk.beforehand.bars(me.id, vehicle)
        names = dict.fromkeys(
            [*(one.carrier for one in body.carriers), *(one.carrier for one in body.pauses)], ""
        )
        for carrier in names:
            view = await desk.people.carriers.view(carrier)
            names[carrier] = view.name if view else ""
        return [
            *(
                BarredOut(
                    carrier=one.carrier,
                    carrier_name=names[one.carrier],
                    courier=None,
                    why="not_me",
                    until=None,
                )
                for one in body.carriers
            ),
            *(
                BarredOut(
                    carrier=one.carrier,
                    carrier_name=names[one.carrier],
                    courier=one.courier,
                    why="declined",
                    until=one.until,
                )
                for one in body.pauses
            ),
        ]

    @router.delete("/barred/{carrier}", status_code=204, responses=problems(401, 403, 422), summary="Lift it")
    async def lift(me: Me, vehicle: VehiclePath, carrier: CarrierPath) -> None:
        """It may ask again, and what you allowed it beforehand counts again. Where nothing rests: no change."""
        await desk.people.step_up.require_fresh_passkey(me, now=desk.deliveries.clock.now())
        await desk.beforehand.lift(me.id, vehicle, carrier)


def _fallback(router: APIRouter, desk: Desk) -> None:
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type

    @router.get("/fallback", responses=problems(401, 403, 422), summary="Where parcels go instead")
    async def chosen(me: Me, vehicle: VehiclePath, response: Response) -> ChoiceOut:
        place, response.headers["ETag"] = await desk.fallbacks.of(me.id, vehicle)
        return ChoiceOut(place=place)

    @router.put("/fallback", responses=problems(401, 403, 409, 422), summary="Choose it")
    async def choose(
        me: Me, vehicle: VehiclePath, wanted: ChoiceIn, response: Response, if_match: IfMatch
    ) -> ChoiceOut:
        """A carrier reads it only of a delivery that you approved and that ended undone, for a day.

        With ``when_declined`` also of one that you declined openly. Whoever has a passkey shows it first.
        """
        await desk.people.step_up.require_fresh_passkey(me, now=desk.deliveries.clock.now())
        place, response.headers["ETag"] = await desk.fallbacks.choose(
            me.id, vehicle, wanted.place, if_match=if_match
        )
        return ChoiceOut(place=place)


async def _out(desk: Desk, rule: Standing, rests: str | None) -> StandingOut:
    carrier = await desk.people.carriers.view(rule.wish.carrier)
    return StandingOut(
        id=rule.id, wish=rule.wish, carrier_name=carrier.name if carrier else "", by=rule.by, at=rule.at, rests=rests
    )  # fmt: skip
