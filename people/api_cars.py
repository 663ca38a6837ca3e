"""JSON routes of owners: their cars, who uses them, invitations and car addresses."""

from typing import Annotated

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime, Field

from people.access import PersonPrincipal
from people.api_parts import (
    AddressPath,
    Idempotent,
    In,
    InvitationPath,
    Out,
    PersonPath,
    VehiclePath,
    problems,
    together,
)
from people.api_sign_in import CodeShown, CodeText
from people.model import AddressKind, AddressView, Email, InvitationView, Role, RoleOnCar
from people.problems import NotFound
from people.service import People
from spine.ids import PersonId, VehicleId
from spine.zones import Zone

Label = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f\x7f]*$", examples=["book shop"])]


class Claim(CodeShown):
    """``zone``: of the browser's clock (IANA), which is the car's until an owner says another one."""

    zone: Annotated[str | None, Field(max_length=64, examples=["Europe/Amsterdam"])] = None


class ZoneWanted(In):
    zone: Zone


class Invite(In):
    email: Annotated[Email, Field(examples=["ben@example.org"])]
    role: Role
    may_approve: bool = False


class Accept(In):
    """``code``: from the car's display; it makes an owner to be an owner at once."""

    code: CodeText | None = None


class AddressWanted(In):
    kind: AddressKind = AddressKind.ONE_ORDER
    label: Label = ""


class CarOut(Out):
    """``zone``: by whose clock times are told to the car's people (IANA); null: by their own."""

    vehicle: str
    role: Role
    may_approve: bool
    visible_from: AwareDatetime
    zone: str | None


class CarsOut(Out):
    data: list[CarOut]


class PersonOnCarOut(Out):
    person: str
    name: str
    role: Role
    may_approve: bool


class InvitationOut(Out):
    id: str
    vehicle: str
    role: Role
    state: str
    offered_at: AwareDatetime
    ripe_at: AwareDatetime
    expires_at: AwareDatetime


class CarPeopleOut(Out):
    data: list[PersonOnCarOut]
    invitations: list[InvitationOut]


class AddressOut(Out):
    """``carrier``: who used an address for one carrier first, and so owns its use."""

    id: str
    text: Annotated[str, Field(examples=["TL-7K3M-9QXD-4HWE"])]
    kind: AddressKind
    state: str
    label: str
    made_at: AwareDatetime
    carrier: str | None
    used_at: AwareDatetime | None


class AddressesOut(Out):
    data: list[AddressOut]


def _car(role: RoleOnCar) -> CarOut:
    return CarOut.model_validate(role)


def _invitation(view: InvitationView) -> InvitationOut:
    return InvitationOut.model_validate(view)


def _address(view: AddressView) -> AddressOut:
    return AddressOut.model_validate(view)


async def role_on(people: People, vehicle: VehicleId, person: PersonId) -> RoleOnCar:
    """The asker's role; raises ``NotFound`` alike for a car of others and one that does not exist."""
    role = await people.cars.role_of(person, vehicle, now=people.clock.now())
    if role is None:
        raise NotFound("There is no such car among yours.")
    return role


async def _not_while_recovering(people: People, me: PersonPrincipal) -> None:
    """Raises ``PasskeyNeeded``: who says that all passkeys are lost must not come to cars by it meanwhile."""
    now = people.clock.now()
    if await people.recoveries.waiting(me.id) is not None:
        await people.step_up.require_fresh_passkey(me, now=now)


def routes(people: People) -> APIRouter:
    """Cars, their people and their addresses."""
    return together(part(people) for part in (_cars, _crew, _invitations, _addresses))


def _cars(people: People) -> APIRouter:
    router, clock, idempotency = APIRouter(prefix="/v1", tags=["owner"]), people.clock, people.idempotency
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get("/owner/cars", responses=problems(401), summary="My cars")
    async def cars(me: Me) -> CarsOut:
        return CarsOut(data=[_car(one) for one in await people.cars.cars_of(me.id, now=clock.now())])

    @router.post(
        "/owner/cars/claim", status_code=201, response_model=CarOut, summary="Claim a car",
        responses=problems(401, 403, 409, 422, 429),
    )  # fmt: skip
    async def claim(me: Me, shown: Claim, asked: Idempotent) -> Response:
        """With the code that the car shows when its ignition is on. A car with an owner is not claimed.

        While a recovery of yours waits, with a passkey: presence in a car ends such a wait.
        """

        async def work(_: str) -> CarOut:
            await _not_while_recovering(people, me)
            car = await people.cars.claim(me.id, shown.code, zone=shown.zone, now=clock.now())
            await people.cars.enlist(me.id, car.vehicle, now=clock.now())
            return _car(car)

        return await idempotency.answer(asked, me.id, 201, work)

    @router.get("/owner/cars/{vehicle}", responses=problems(401, 404, 422), summary="My role on a car")
    async def car(me: Me, vehicle: VehiclePath) -> CarOut:
        return _car(await role_on(people, vehicle, me.id))

    @router.put(
        "/owner/cars/{vehicle}/zone", status_code=204, summary="The car's time zone",
        responses=problems(401, 403, 404, 422),
    )  # fmt: skip
    async def set_zone(me: Me, vehicle: VehiclePath, wanted: ZoneWanted) -> None:
        """An owner says it. Times are told by it on our pages and in mails; what is sent by the API stays UTC."""
        await role_on(people, vehicle, me.id)
        await people.cars.set_zone(vehicle, wanted.zone, by=me.id, now=clock.now())

    @router.post(
        "/owner/cars/{vehicle}/release", status_code=204, summary="Give the car up",
        responses=problems(401, 403, 404, 409, 422),
    )  # fmt: skip
    async def release(me: Me, vehicle: VehiclePath, asked: Idempotent) -> Response:
        """Sale or end of a lease: every role, address, rule and key of the car ends.

        Whoever has a passkey shows it first (401 `insufficient_user_authentication`).
        """

        async def work(_: str) -> None:
            await role_on(people, vehicle, me.id)
            await people.step_up.require_fresh_passkey(me, now=clock.now())
            await people.cars.release(vehicle, by=me.id, now=clock.now())

        return await idempotency.answer(asked, me.id, 204, work)

    return router


def _crew(people: People) -> APIRouter:
    router, clock, idempotency = APIRouter(prefix="/v1", tags=["owner"]), people.clock, people.idempotency
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get(
        "/owner/cars/{vehicle}/people", responses=problems(401, 404, 422), summary="Who uses this car"
    )
    async def crew(me: Me, vehicle: VehiclePath) -> CarPeopleOut:
        mine = await role_on(people, vehicle, me.id)
        found = await people.cars.people_of(vehicle, now=clock.now())
        views = [(one, await people.persons.view(one.person)) for one in found]
        offered = await people.invitations.of_car(vehicle) if mine.role is Role.OWNER else []
        return CarPeopleOut(
            data=[
                PersonOnCarOut(
                    person=one.person,
                    name=view.name if view else "",
                    role=one.role,
                    may_approve=one.may_approve,
                )
                for one, view in views
            ],
            invitations=[_invitation(one) for one in offered],
        )

    @router.post(
        "/owner/cars/{vehicle}/people", status_code=201, response_model=InvitationOut,
        summary="Invite somebody",
        responses=problems(401, 403, 404, 409, 422, 429),
    )  # fmt: skip
    async def invite(me: Me, vehicle: VehiclePath, wanted: Invite, asked: Idempotent) -> Response:
        """All owners are told. Another owner counts after 72 h, or at once with presence in the car.

        For somebody who may approve, whoever has a passkey shows it first: else a read mail would come to a yes.
        """

        async def work(_: str) -> InvitationOut:
            await role_on(people, vehicle, me.id)
            if wanted.role is Role.OWNER or wanted.may_approve:
                await people.step_up.require_fresh_passkey(me, now=clock.now())
            offered = await people.invitations.offer(
                vehicle, wanted.email, wanted.role, by=me.id, may_approve=wanted.may_approve, now=clock.now()
            )
            return _invitation(offered)

        return await idempotency.answer(asked, me.id, 201, work)

    @router.delete(
        "/owner/cars/{vehicle}/people/{person}", status_code=204, summary="Take a role back, or leave",
        responses=problems(401, 403, 404, 409, 422),
    )  # fmt: skip
    async def remove(me: Me, vehicle: VehiclePath, person: PersonPath) -> None:
        """Of somebody who decides about the car, oneself too: whoever has a passkey shows it first."""
        await role_on(people, vehicle, me.id)
        theirs = await people.cars.role_of(person, vehicle, now=clock.now())
        if theirs is not None and theirs.may_approve:
            await people.step_up.require_fresh_passkey(me, now=clock.now())
        if person == me.id:
            await people.cars.leave(vehicle, me.id, now=clock.now())
        else:
            await people.cars.remove(vehicle, person, by=me.id, now=clock.now())

    return router


def _invitations(people: People) -> APIRouter:
    router, clock, idempotency = APIRouter(prefix="/v1", tags=["owner"]), people.clock, people.idempotency
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get(
        "/invitations/{invitation}", responses=problems(401, 404, 422), summary="An invitation of mine"
    )
    async def invitation(me: Me, invitation: InvitationPath) -> InvitationOut:
        view = await people.invitations.view(invitation)
        if view is None or view.person != me.id:
            raise NotFound("There is no such invitation.")
        return _invitation(view)

    @router.post(
        "/invitations/{invitation}/acceptance", status_code=201, response_model=InvitationOut,
        responses=problems(401, 403, 404, 409, 422, 429), summary="Accept an invitation",
    )  # fmt: skip
    async def accept(me: Me, invitation: InvitationPath, wanted: Accept, asked: Idempotent) -> Response:
        """While a recovery of yours waits, with a passkey."""

        async def work(_: str) -> InvitationOut:
            await _not_while_recovering(people, me)
            view = await people.invitations.accept(
                invitation, person=me.id, code=wanted.code, now=clock.now()
            )
            await people.cars.enlist(me.id, view.vehicle, now=clock.now())
            return _invitation(view)

        return await idempotency.answer(asked, me.id, 201, work)

    @router.delete(
        "/invitations/{invitation}", status_code=204, responses=problems(401, 403, 404, 409, 422),
        summary="Take an invitation back, or decline it",
    )  # fmt: skip
    async def cancel(me: Me, invitation: InvitationPath) -> None:
        await people.invitations.cancel(invitation, by=me.id, now=clock.now())

    return router


def _addresses(people: People) -> APIRouter:
    router, clock, idempotency = APIRouter(prefix="/v1", tags=["owner"]), people.clock, people.idempotency
    Me = Annotated[PersonPrincipal, Depends(people.access.owner())]  # noqa: N806 - a type

    @router.get(
        "/owner/cars/{vehicle}/addresses", responses=problems(401, 403, 404, 422), summary="Car addresses"
    )
    async def addresses(me: Me, vehicle: VehiclePath) -> AddressesOut:
        await role_on(people, vehicle, me.id)
        found = await people.addresses.all_of(vehicle, by=me.id, now=clock.now())
        return AddressesOut(data=[_address(one) for one in found])

    @router.post(
        "/owner/cars/{vehicle}/addresses", status_code=201, response_model=AddressOut,
        summary="Make an address",
        responses=problems(401, 403, 404, 409, 422),
    )  # fmt: skip
    async def make(me: Me, vehicle: VehiclePath, wanted: AddressWanted, asked: Idempotent) -> Response:
        """For one order, for one carrier (its first user), or for any: all that a shop needs to know.

        Whoever has a passkey shows it first (401 `insufficient_user_authentication`).
        """

        async def work(seed: str) -> AddressOut:
            await role_on(people, vehicle, me.id)
            await people.step_up.require_fresh_passkey(me, now=clock.now())
            made = await people.addresses.make(
                vehicle, wanted.kind, by=me.id, label=wanted.label, seed=seed, now=clock.now()
            )
            return _address(made)

        return await idempotency.answer(asked, me.id, 201, work)

    @router.delete(
        "/owner/cars/{vehicle}/addresses/{address}", status_code=204, summary="Block an address",
        responses=problems(401, 403, 404, 422),
    )  # fmt: skip
    async def block(me: Me, vehicle: VehiclePath, address: AddressPath) -> None:
        """It is never usable again; a delivery that holds it goes on and can be blocked itself."""
        await role_on(people, vehicle, me.id)
        await people.addresses.block(vehicle, address, by=me.id, now=clock.now())

    return router
