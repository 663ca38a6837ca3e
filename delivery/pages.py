"""The owner's pages: the decision behind a mail's link, a delivery with its timeline, a car. They only look."""

import re
from importlib.resources import files
from typing import Final, Protocol

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError

from delivery.api_parts import DELIVERY_ID
from delivery.desk import Desk
from delivery.looking import as_signed_in
from delivery.mailed import BLOCK_PAGE, PAGE
from people.api_parts import VehiclePath
from spine.ids import DeliveryId
from spine.problems import Problem

_DELIVERY: Final = re.compile(DELIVERY_ID)
_FILES: Final = (
    "album.js",
    "answering.js",
    "beforehand.js",
    "block.js",
    "car.js",
    "car_access.js",
    "car_addresses.js",
    "car_fallback.js",
    "car_leaving.js",
    "car_pairing.js",
    "car_people.js",
    "car_rules.js",
    "car_zone.js",
    "changing.js",
    "cosign.js",
    "decide.js",
    "delivery.js",
    "gesture.js",
    "help.js",
    "owner.css",
    "place.js",
    "question.js",
    "words.js",
)
"""Files of ``static``, served under ``/delivery`` (an underscore is a dash there)."""


class Frame(Protocol):
    """A page around what its script draws (``trunkline.frames``)."""

    def answer(self, request: Request, *, subject: str = "", carried: bytes = b"") -> Response: ...


class Frames(Protocol):
    """Makes frames of templates that find this package's folder and the one of ``base.html``."""

    def frame(self, name: str, *, script: str) -> Frame: ...


def routes(desk: Desk, frames: Frames) -> APIRouter:
    """A page's id stands in its path; its script reads what is shown with the session's cookie."""
    router = APIRouter(include_in_schema=False)
    for path, name in ((PAGE, "decide"), (BLOCK_PAGE, "block")):
        _link_page(router, path, frames.frame(f"{name}.html", script=f"/delivery/{name}.js"))
    of_delivery = frames.frame("delivery.html", script="/delivery/delivery.js")
    of_car = frames.frame("car.html", script="/delivery/car.js")
    of_pairing = frames.frame("car_pairing.html", script="/delivery/car-pairing.js")

    async def delivery(request: Request) -> Response:
        """With the delivery as it stands, so that nothing more is waited for (decision 41)."""
        found = request.path_params["delivery"]
        if not _DELIVERY.fullmatch(found):
            said = {"loc": ("path", "delivery"), "msg": "This is no delivery's id.", "type": "value_error"}
            raise RequestValidationError([said])
        return of_delivery.answer(request, subject=found, carried=await _carried(desk, request, found))

    # A plain route: FastAPI's way to one path parameter takes half as long as the frame around it.
    router.add_route("/deliveries/{delivery}", delivery)

    @router.get("/cars/{vehicle}")
    async def car(request: Request, vehicle: VehiclePath) -> Response:
        return of_car.answer(request, subject=vehicle)

    @router.get("/cars/{vehicle}/passkey")
    async def pairing(request: Request, vehicle: VehiclePath) -> Response:
        """What a person in the car gives to its unit; only there it is paired."""
        return of_pairing.answer(request, subject=vehicle)

    _serve_files(router)
    return router


def _link_page(router: APIRouter, path: str, frame: Frame) -> None:
    @router.get(path)
    async def page(request: Request) -> Response:
        """What is asked comes with the token of the fragment, which only the script sees. Looking does nothing."""
        return frame.answer(request)


async def _carried(desk: Desk, request: Request, delivery: DeliveryId) -> bytes:
    """The answer of ``GET /v1/owner/deliveries/{delivery}``, where it would be one that shows the delivery.

    Else nothing: then the script asks there, and says why it got none.
    """
    token = desk.people.access.kept_by(request)
    if token is None:
        return b""
    try:
        shown = await as_signed_in(desk, token, delivery)
    except Problem:
        return b""
    return b"" if shown is None else shown.model_dump_json().encode()


def _serve_files(router: APIRouter) -> None:
    folder = files("delivery").joinpath("static")
    texts = {name.replace("_", "-"): folder.joinpath(name).read_text("utf-8") for name in _FILES}

    @router.get("/delivery/{name}")
    async def serve(name: str) -> Response:
        if name not in texts:
            raise HTTPException(404)
        media = "text/css" if name.endswith(".css") else "text/javascript"
        return Response(texts[name], media_type=media, headers={"Cache-Control": "max-age=300"})
