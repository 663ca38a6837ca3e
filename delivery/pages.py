"""The owner's pages: the decision behind a mail's link, a delivery with its timeline, a car. They only look."""

from importlib.resources import files
from typing import Final

from fastapi import APIRouter, Response
from fastapi.responses import HTMLResponse
from jinja2 import Environment

from delivery.api_parts import DeliveryPath
from delivery.mailed import BLOCK_PAGE, PAGE
from people.api_parts import VehiclePath

_SCRIPTS: Final = (
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
    "changing.js",
    "cosign.js",
    "decide.js",
    "delivery.js",
    "gesture.js",
    "help.js",
    "place.js",
    "question.js",
    "words.js",
)
"""Files of ``static``, served under ``/delivery`` (an underscore is a dash there)."""


def routes(templates: Environment) -> APIRouter:
    """``templates`` finds this package's folder and the one of ``base.html``."""
    router = APIRouter(include_in_schema=False)

    @router.get(PAGE)
    async def decide() -> HTMLResponse:
        """What is asked comes with the token of the fragment, which only the script sees."""
        return HTMLResponse(templates.get_template("decide.html").render(script="/delivery/decide.js"))

    @router.get(BLOCK_PAGE)
    async def block() -> HTMLResponse:
        """Looking blocks nothing: only its button does."""
        return HTMLResponse(templates.get_template("block.html").render(script="/delivery/block.js"))

    @router.get("/deliveries/{delivery}")
    async def delivery(delivery: DeliveryPath) -> HTMLResponse:
        """The frame; the script reads the delivery with the session's cookie."""
        page = templates.get_template("delivery.html")
        return HTMLResponse(page.render(script="/delivery/delivery.js", delivery=delivery))

    @router.get("/cars/{vehicle}")
    async def car(vehicle: VehiclePath) -> HTMLResponse:
        """The frame; the script reads the car with the session's cookie."""
        return HTMLResponse(
            templates.get_template("car.html").render(script="/delivery/car.js", vehicle=vehicle)
        )

    @router.get("/cars/{vehicle}/passkey")
    async def pairing(vehicle: VehiclePath) -> HTMLResponse:
        """What a person in the car gives to its unit; only there it is paired."""
        page = templates.get_template("car_pairing.html")
        return HTMLResponse(page.render(script="/delivery/car-pairing.js", vehicle=vehicle))

    for name in _SCRIPTS:
        _serve(router, name, "text/javascript")
    _serve(router, "owner.css", "text/css")
    return router


def _serve(router: APIRouter, name: str, media_type: str) -> None:
    text = files("delivery").joinpath("static", name).read_text("utf-8")

    @router.get(f"/delivery/{name.replace('_', '-')}")
    async def serve() -> Response:
        return Response(text, media_type=media_type, headers={"Cache-Control": "max-age=300"})
