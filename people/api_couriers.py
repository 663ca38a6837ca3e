"""JSON routes of a carrier's couriers, and of the courier's own device."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import AwareDatetime, Field

from people.access import CarrierPrincipal, CourierPrincipal
from people.api_parts import CourierPath, Idempotent, In, Jwk, Out, network_address, problems, together
from people.model import CourierView, Name, Scope
from people.problems import NotFound
from people.service import People
from spine.ids import CarrierId, CourierId, partition_of

Jws = Annotated[str, Field(min_length=1, max_length=2048, description="Compact JWS, ES256.")]


class CourierWanted(In):
    name: Annotated[Name, Field(examples=["Sam"], description="First name, as the owner is to read it.")]


class EnrolmentCodeOut(Out):
    courier: str
    code: Annotated[str, Field(examples=["7K3M9-QXD4H"])]
    expires_at: AwareDatetime


class CourierOut(Out):
    id: str
    name: str
    state: str
    jkt: str
    enrolled_at: AwareDatetime | None


class CouriersOut(Out):
    data: list[CourierOut]
    next: str | None


class Enrolment(In):
    """``proof``: ``tl-enrol+jwt`` over ``{aud, code, iat}``: this URL, SHA-256 (hex) of the code, now."""

    code: Annotated[str, Field(min_length=1, max_length=64)]
    jwk: Jwk
    proof: Jws


class CourierSignIn(In):
    """``tl-courier+jwt`` over ``{iss, sub, aud, iat, exp, jti}``: courier's id twice, this URL, a minute."""

    assertion: Jws


class BearerOut(Out):
    token: str
    expires_in: int


def routes(people: People) -> APIRouter:
    """The carrier's side, then the device's."""
    return together((_couriers(people), _device(people)))


def _couriers(people: People) -> APIRouter:
    router = APIRouter(prefix="/v1/couriers", tags=["carrier"])
    Enroller = Annotated[CarrierPrincipal, Depends(people.access.carrier(Scope.COURIERS_ENROL))]  # noqa: N806
    Reader = Annotated[CarrierPrincipal, Depends(people.access.carrier(Scope.COURIERS_READ))]  # noqa: N806
    clock, couriers = people.clock, people.couriers

    async def own(carrier: CarrierId, courier: CourierId) -> CourierView:
        view = await couriers.courier(courier)
        if view is None or view.carrier != carrier:
            raise NotFound("There is no such courier.")
        return view

    @router.post(
        "", status_code=201, response_model=EnrolmentCodeOut, summary="Name a courier",
        responses=problems(401, 403, 409, 422, 429),
    )  # fmt: skip
    async def invite(who: Enroller, wanted: CourierWanted, asked: Idempotent) -> Response:
        """The code is shown this once and enrols one device in ten minutes. Needs private_key_jwt."""

        async def work(seed: str) -> EnrolmentCodeOut:
            named = CourierId(people.pseudonyms.named("cou", seed, partition=partition_of(who.id)))
            made = await couriers.invite(who.id, wanted.name, courier=named, now=clock.now())
            return EnrolmentCodeOut(courier=made.courier, code=made.code, expires_at=made.expires_at)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.get("", responses=problems(401, 403, 422, 429), summary="My couriers")
    async def all_(
        who: Reader,
        after: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=100)] = 50,
    ) -> CouriersOut:
        found, following = await couriers.of_carrier(who.id, after=after, limit=limit)
        return CouriersOut(data=[CourierOut.model_validate(one) for one in found], next=following)

    @router.get("/{courier}", responses=problems(401, 403, 404, 422, 429), summary="One courier")
    async def one(who: Reader, courier: CourierPath) -> CourierOut:
        return CourierOut.model_validate(await own(who.id, courier))

    @router.post(
        "/{courier}/code", status_code=201, response_model=EnrolmentCodeOut, summary="A new enrolment code",
        responses=problems(401, 403, 404, 409, 422, 429),
    )  # fmt: skip
    async def again(who: Enroller, courier: CourierPath, asked: Idempotent) -> Response:
        """For a courier who is not enrolled yet; the former code is dead then."""

        async def work(_: str) -> EnrolmentCodeOut:
            view = await own(who.id, courier)
            made = await couriers.invite(who.id, view.name, courier=courier, now=clock.now())
            return EnrolmentCodeOut(courier=made.courier, code=made.code, expires_at=made.expires_at)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.delete(
        "/{courier}", status_code=204, responses=problems(401, 403, 404, 422, 429), summary="Remove a courier"
    )
    async def remove(who: Enroller, courier: CourierPath) -> None:
        """Name and device key are erased, the device's tokens end at once."""
        await couriers.remove(who.id, courier, now=clock.now())

    return router


def _device(people: People) -> APIRouter:
    router = APIRouter(prefix="/v1/courier", tags=["courier"])
    Device = Annotated[CourierPrincipal, Depends(people.access.courier())]  # noqa: N806
    clock = people.clock

    @router.post(
        "/enrolment", status_code=201, responses=problems(409, 422, 429), summary="Enrol this device"
    )
    async def enrol(wanted: Enrolment, request: Request) -> CourierOut:
        """With the carrier's code, the device's public key and a proof of holding its private half."""
        await people.doorkeeper.redeems(network_address(request), now=clock.now())
        view = await people.couriers.enrol(wanted.code, wanted.jwk, wanted.proof, now=clock.now())
        return CourierOut.model_validate(view)

    @router.post(
        "/session", status_code=201, responses=problems(401, 422, 429), summary="Sign this device in"
    )
    async def sign_in(wanted: CourierSignIn, request: Request) -> BearerOut:
        """Each assertion is good once, for a minute at most."""
        await people.doorkeeper.redeems(network_address(request), now=clock.now())
        made = await people.courier_tokens.sign_in(wanted.assertion, now=clock.now())
        return BearerOut(token=made.token, expires_in=made.seconds)

    @router.get("/me", responses=problems(401), summary="Who this device is")
    async def me(who: Device) -> CourierOut:
        view = await people.couriers.courier(who.id)
        if view is None:
            raise NotFound("There is no such courier.")
        return CourierOut.model_validate(view)

    return router
