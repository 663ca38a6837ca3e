"""JSON route of an owner's passkeys and a car: what a person in the car tells its unit, and what the car said of it."""

from collections.abc import Mapping
from typing import Annotated, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends

from delivery.desk import Desk
from delivery.views import Out
from keys.car.claims import OwnerState
from keys.car.jwk import BadKey, b64
from keys.car.jws import Unacceptable
from keys.car.owner_keys import MAX_CID, PairedKey, cid_hash, read_spki
from people.access import PersonPrincipal
from people.api_parts import VehiclePath, problems
from people.model import Role
from people.passkey_model import PasskeyBody
from people.problems import NotYours
from people.relying_party import public_key_der

Unfit = Literal["algorithm", "too_long", "address"]
"""Why no car takes a passkey: not P-256 or Ed25519; a credential id over ``MAX_CID``; an origin that none pins."""


class PairedKeyOut(Out):
    """What `trunkline unit pair-owner` takes, all in base64url where it is bytes; nothing in it is secret."""

    cid: str
    public: str
    origin: str
    rp_id: str


class MyPasskeyOut(Out):
    """A passkey of the reader's. ``document``: null where the car cannot take it, and ``unfit`` says why.

    ``in_car``: the car's last signed word names it. ``fingerprint``: of the public key, as the car shows it.
    """

    id: str
    name: str
    in_car: bool
    document: PairedKeyOut | None
    fingerprint: str
    unfit: Unfit | None = None


class PairingOut(Out):
    """``said``: whether the car ever said anything of owner keys. ``required``: it opens for no key without one.

    ``others``: how many passkeys it knows that are not the reader's.
    """

    said: bool
    required: bool
    others: int
    passkeys: tuple[MyPasskeyOut, ...]


def routes(desk: Desk) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(prefix="/owner/cars/{vehicle}", tags=["owners"])
    Me = Annotated[PersonPrincipal, Depends(desk.people.access.owner())]  # noqa: N806 - a type

    @router.get("/pairing", responses=problems(401, 403, 422), summary="My passkeys and this car")
    async def pairing(me: Me, vehicle: VehiclePath) -> PairingOut:
        """For the page on which a passkey is paired. Pairing itself is done by a person in the car, never from here."""
        role = await desk.people.cars.role_of(me.id, vehicle, now=desk.deliveries.clock.now())
        if role is None or role.role is not Role.OWNER:
            raise NotYours("Only an owner pairs a passkey with a car.")
        kept = await desk.people.passkeys.kept(me.id)
        said = await desk.asking.co_signing.said_by(vehicle)
        return paired(kept.passkeys, said, origin=desk.people.origin)

    return router


def paired(kept: Mapping[str, PasskeyBody], said: OwnerState | None, *, origin: str) -> PairingOut:
    """The reader's passkeys, oldest first, beside what the car said. Pure."""
    known = frozenset(said.cids) if said else frozenset[str]()
    mine = sorted(kept.items(), key=lambda one: one[1].made_at)
    passkeys = tuple(_mine(name, one, known, origin) for name, one in mine)
    return PairingOut(
        said=said is not None,
        required=said is not None and said.required,
        others=len(known - {cid_hash(one.credential) for one in kept.values()}),
        passkeys=passkeys,
    )


def _mine(name: str, one: PasskeyBody, known: frozenset[str], origin: str) -> MyPasskeyOut:
    public = public_key_der(one.public_key)
    host = urlsplit(origin).hostname or ""
    try:
        told = PairedKey.of({"cid": one.credential, "public": b64(public), "origin": origin, "rp_id": host})
    except Unacceptable:
        told = None
    return MyPasskeyOut(
        id=name,
        name=one.name,
        in_car=cid_hash(one.credential) in known,
        document=PairedKeyOut.model_validate(told.wire()) if told else None,
        fingerprint=told.fingerprint if told else "",
        unfit=None if told else _why_not(one.credential, public),
    )


def _why_not(credential: str, public: bytes) -> Unfit:
    try:
        read_spki(public)
    except BadKey:
        return "algorithm"
    return "too_long" if len(credential) > MAX_CID else "address"
