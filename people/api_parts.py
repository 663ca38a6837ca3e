"""What the routers of people share: ids in paths, who asks, and the problems an operation may answer with."""

from collections.abc import Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Request
from pydantic import BaseModel, ConfigDict, Field

from people.idempotency import Asked, asked
from spine.ids import AddressId, CarrierId, CourierId, PersonId, VehicleId

_BODY = "[0-9a-hjkmnp-tv-z]{16}"

VehiclePath = Annotated[VehicleId, Path(pattern=f"^veh_{_BODY}$", examples=["veh_3k7m9qxd4hwe2a5t"])]
PersonPath = Annotated[PersonId, Path(pattern=f"^per_{_BODY}$", examples=["per_5c2h8tq4n6w0rj3v"])]
CarrierPath = Annotated[CarrierId, Path(pattern=f"^car_{_BODY}$", examples=["car_2m4x7k9d1w8hq3e6"])]
CourierPath = Annotated[CourierId, Path(pattern=f"^cou_{_BODY}$", examples=["cou_2t8r5n1k6y4m9pz7"])]
InvitationPath = Annotated[
    str, Path(pattern=rf"^inv_{_BODY}\.[0-9]{{1,9}}$", examples=["inv_3k7m9qxd4hwe2a5t.1"])
]
AddressPath = Annotated[
    AddressId,
    Path(pattern="^adr_[0-9a-hjkmnp-tv-z][0-9a-f]{32}$", examples=["adr_3f0c2a9d81b64e7c5d2f8a01b3c4d5e6f"]),
]
Jwk = Annotated[
    dict[str, Any],
    Field(
        description="Public P-256 key (RFC 7517).",
        examples=[{"kty": "EC", "crv": "P-256", "x": "…", "y": "…"}],
    ),
]
Idempotent = Annotated[Asked, Depends(asked)]


class In(BaseModel):
    """A request's body: a member we do not know is a mistake, and said so."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Out(BaseModel):
    """An answer's body."""

    model_config = ConfigDict(frozen=True, from_attributes=True)


class ProblemOut(Out):
    """RFC 9457. ``may_have_happened``: look before repeating; ``try_again``: it may succeed later."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    may_have_happened: bool
    try_again: bool


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The ``responses`` of an operation that may answer with these problems.

    They name the schema and do not give the model: each route would make it anew for each status, which was half of what
    a start of `api` cost. The application's document gets ``ProblemOut`` once (``trunkline.problems``).
    """
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    said = {
        401: "No token, or one that is not good (any more).",
        403: "Not allowed.",
        404: "No such thing, or not yours to see.",
        409: "It does not fit the state things are in.",
        410: "Used or too old.",
        413: "The body is too large.",
        422: "The request does not fit.",
        429: "Too many; Retry-After says when.",
        503: "Something we need did not answer.",
    }
    return {status: {"description": said[status], "content": content} for status in statuses}


def together(routers: Iterable[APIRouter]) -> APIRouter:
    """One router with the routes of all: including them would make each route, with all its models, once more."""
    made = APIRouter()
    for router in routers:
        made.routes.extend(router.routes)
    return made


def network_address(request: Request) -> str:
    """Where a request came from; a proxy in front is resolved by the server that runs us."""
    return request.client.host if request.client else ""
