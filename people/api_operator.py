"""JSON routes of operators: carriers, releasing a car, persons. None of them opens a car."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import Field

from people.access import OperatorPrincipal
from people.api_parts import (
    CarrierPath,
    Idempotent,
    In,
    Jwk,
    Out,
    PersonPath,
    VehiclePath,
    problems,
    together,
)
from people.model import Email, Name
from people.service import People
from spine.ids import CarrierId, partition_of


class CarrierWanted(In):
    name: Name
    public_jwk: Jwk | None = None
    livemode: bool = True


class KeyWanted(In):
    public_jwk: Jwk


class CredentialsOut(Out):
    client_id: str
    client_secret: str


class PersonWanted(In):
    email: Email
    name: Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$")] = ""


class PersonMadeOut(Out):
    person: str


def routes(people: People) -> APIRouter:
    """Everything under ``/v1/operator``."""
    return together(part(people) for part in (_credentials, _standing, _people))


def _credentials(people: People) -> APIRouter:
    router, carriers, clock = (
        APIRouter(prefix="/v1/operator", tags=["operator"]),
        people.carriers,
        people.clock,
    )
    Operator = Annotated[OperatorPrincipal, Depends(people.access.operator())]  # noqa: N806 - a type

    @router.post(
        "/carriers", status_code=201, response_model=CredentialsOut, summary="Enrol a carrier",
        responses=problems(401, 409, 422, 429),
    )  # fmt: skip
    async def enrol(who: Operator, wanted: CarrierWanted, asked: Idempotent) -> Response:
        """The secret is shown this once. With a public key the carrier can enrol couriers."""

        async def work(seed: str) -> CredentialsOut:
            home = partition_of(people.pseudonyms.id("car", seed))
            made = await carriers.enrol(
                wanted.name, public_jwk=wanted.public_jwk, livemode=wanted.livemode,
                seed=CarrierId(people.pseudonyms.named("car", seed, partition=home)), now=clock.now(),
            )  # fmt: skip
            return CredentialsOut(client_id=made.client_id, client_secret=made.client_secret)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.post(
        "/carriers/{carrier}/secret", status_code=201, response_model=CredentialsOut, summary="A new secret",
        responses=problems(401, 404, 409, 422, 429),
    )  # fmt: skip
    async def secret(who: Operator, carrier: CarrierPath, asked: Idempotent) -> Response:
        async def work(_: str) -> CredentialsOut:
            made = await carriers.new_secret(carrier)
            return CredentialsOut(client_id=made.client_id, client_secret=made.client_secret)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.put(
        "/carriers/{carrier}/key",
        status_code=204,
        summary="Set the public key",
        responses=problems(401, 404, 422, 429),
    )
    async def key(_: Operator, carrier: CarrierPath, wanted: KeyWanted) -> None:
        await carriers.new_key(carrier, wanted.public_jwk)

    return router


def _standing(people: People) -> APIRouter:
    router, carriers, clock = (
        APIRouter(prefix="/v1/operator", tags=["operator"]),
        people.carriers,
        people.clock,
    )
    Operator = Annotated[OperatorPrincipal, Depends(people.access.operator())]  # noqa: N806 - a type

    @router.put(
        "/carriers/{carrier}/frozen",
        status_code=204,
        summary="Freeze",
        responses=problems(401, 404, 422, 429),
    )
    async def freeze(_: Operator, carrier: CarrierPath) -> None:
        """Its tokens, its couriers' tokens and its live keys end."""
        await carriers.freeze(carrier, now=clock.now())

    @router.delete(
        "/carriers/{carrier}/frozen", status_code=204, summary="Thaw", responses=problems(401, 404, 422, 429)
    )
    async def thaw(_: Operator, carrier: CarrierPath) -> None:
        """Also after too many unusable addresses."""
        await carriers.thaw(carrier, now=clock.now())

    return router


def _people(people: People) -> APIRouter:
    router, clock = APIRouter(prefix="/v1/operator", tags=["operator"]), people.clock
    Operator = Annotated[OperatorPrincipal, Depends(people.access.operator())]  # noqa: N806 - a type

    @router.post(
        "/cars/{vehicle}/release",
        status_code=204,
        summary="Release a car",
        responses=problems(401, 404, 409, 422, 429),
    )
    async def release(who: Operator, vehicle: VehiclePath, asked: Idempotent) -> Response:
        async def work(_: str) -> None:
            await people.cars.release(vehicle, by=None, now=clock.now())

        return await people.idempotency.answer(asked, who.id, 204, work)

    @router.post(
        "/people", status_code=201, response_model=PersonMadeOut, summary="Make a person",
        responses=problems(401, 409, 422, 429),
    )  # fmt: skip
    async def make(who: Operator, wanted: PersonWanted, asked: Idempotent) -> Response:
        async def work(_: str) -> PersonMadeOut:
            made = await people.persons.make(wanted.email, name=wanted.name, now=clock.now())
            return PersonMadeOut(person=made)

        return await people.idempotency.answer(asked, who.id, 201, work)

    @router.delete(
        "/people/{person}", status_code=204, summary="Erase a person", responses=problems(401, 404, 422, 429)
    )
    async def erase(_: Operator, person: PersonPath) -> None:
        await people.persons.erase(person, now=clock.now())

    return router
