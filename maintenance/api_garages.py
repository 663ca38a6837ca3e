"""JSON routes of operators about garages: make, list, change, a new token, a link by mail, remove."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response

from maintenance.api_visits_parts import GaragePath
from maintenance.composition import Maintenance
from maintenance.garage_model import Details
from maintenance.visit_views import GarageOut, garage_out
from people.access import OperatorPrincipal
from people.api_parts import Idempotent, Out, problems
from spine.ids import GarageId, partition_of


class GarageMadeOut(Out):
    """The token is shown this once."""

    garage: GarageId
    token: str


class GaragesOut(Out):
    """All of them, the newest first."""

    data: list[GarageOut]


def routes(parts: Maintenance) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/operator/garages", tags=["operator"])
    garages, clock, people = parts.garages, parts.clock, parts.people
    Operator = Annotated[OperatorPrincipal, Depends(people.access.operator())]  # noqa: N806 - a type

    @router.post(
        "", status_code=201, response_model=GarageMadeOut, summary="Make a garage", responses=problems(401, 409, 422, 429)
    )  # fmt: skip
    async def make(who: Operator, wanted: Details, asked: Idempotent) -> Response:
        """Its slots are made of its opening hours within a moment."""

        async def work(seed: str) -> GarageMadeOut:
            home = partition_of(people.pseudonyms.id("gar", seed))
            named = GarageId(people.pseudonyms.named("gar", seed, partition=home))
            token = await garages.make(wanted, seed=named, now=clock.now())
            return GarageMadeOut(garage=named, token=token.text)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.get("", summary="All garages", responses=problems(401, 429))
    async def every(_: Operator) -> GaragesOut:
        return GaragesOut(data=[garage_out(one) for one in await garages.every()])

    @router.get("/{garage}", summary="One garage", responses=problems(401, 404, 422, 429))
    async def one(_: Operator, garage: GaragePath) -> GarageOut:
        return garage_out(await garages.read(garage))

    @router.put("/{garage}", summary="Change what it says of itself", responses=problems(401, 404, 422, 429))
    async def change(_: Operator, garage: GaragePath, wanted: Details) -> GarageOut:
        """Free slots follow new hours; whoever is booked stays."""
        return garage_out(await garages.change(garage, wanted, now=clock.now()))

    @router.post(
        "/{garage}/token", status_code=201, response_model=GarageMadeOut, summary="A new token",
        responses=problems(401, 404, 409, 422, 429),
    )  # fmt: skip
    async def token(who: Operator, garage: GaragePath, asked: Idempotent) -> Response:
        """The former one, and every link in its mails, ends at once."""

        async def work(_: str) -> GarageMadeOut:
            made = await garages.new_token(garage, now=clock.now())
            return GarageMadeOut(garage=garage, token=made.text)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.delete("/{garage}", status_code=204, summary="Remove it", responses=problems(401, 404, 422, 429))
    async def remove(_: Operator, garage: GaragePath) -> None:
        """Its appointments to come are cancelled, and their owners told. Again: nothing."""
        await garages.remove(garage, now=clock.now())

    return router
