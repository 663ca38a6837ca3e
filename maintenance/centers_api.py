"""Where contact centers report and ask for free slots: signed callbacks, and Twilio's own signature."""

from typing import Annotated, Final
from urllib.parse import parse_qsl

from fastapi import APIRouter, Path, Request

from maintenance.centers_offers import CenterOffers, SlotsOut, SlotsWanted
from maintenance.centers_report import Report
from maintenance.centers_reports import Reports, Taken
from maintenance.centers_twilio_events import TwilioDoor
from maintenance.states import TriggerState
from people.api_parts import Out, problems
from spine.ids import CaseId
from webhooks.verified import DecisionTooLarge, NotVerified, Verifier

SourcePath = Annotated[
    # Of any length: what is no source of ours has the one answer of all that is not verified.
    str, Path(description="The contact center.", examples=["src_0c2h8tq4n6w0rj3v"])
]
_FORM_MOST: Final = 65_536
_FIELDS_MOST: Final = 100


class TakenOut(Out):
    """``outcome``: ``applied``, or ``kept`` in the audit because it came too late or out of order.

    ``state``: of the case's trigger now.
    """

    case: CaseId
    status: str
    outcome: str
    state: TriggerState


def routes(reports: Reports, offers: CenterOffers, verifier: Verifier, twilio: TwilioDoor) -> APIRouter:
    """To be mounted under ``/v1``."""
    router = APIRouter(tags=["contact centers"])

    @router.post(
        "/centers/{source}/callbacks",
        responses=problems(401, 404, 409, 413, 422),
        summary="What became of a case that a contact center was given",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": Report.model_json_schema()}},
            }
        },
    )
    async def callback(source: SourcePath, request: Request) -> TakenOut:
        """Standard Webhooks `v1`, signed by the contact center. The same id again has the same answer."""
        proven = await verifier.callback(request.scope["headers"], await request.body(), source)
        return _out(await reports.take(proven))

    @router.post(
        "/centers/{source}/slots",
        responses=problems(401, 404, 409, 413, 422),
        summary="What is free for a case that a contact center has",
        openapi_extra={
            "requestBody": {
                "required": True,
                "content": {"application/json": {"schema": SlotsWanted.model_json_schema()}},
            }
        },
    )
    async def slots(source: SourcePath, request: Request) -> SlotsOut:
        """Signed as a callback is. A report `booked` with one of these `slot`s takes it."""
        proven = await verifier.callback(request.scope["headers"], await request.body(), source)
        return await offers.of(proven)

    @router.post(
        "/centers/{source}/twilio",
        responses=problems(401, 404, 409, 413, 422),
        summary="TaskRouter's event callback",
    )
    async def events(source: SourcePath, request: Request) -> TakenOut | None:
        """A form signed with `X-Twilio-Signature`. What is no event about a case of ours is answered with `null`."""
        raw = await request.body()
        if len(raw) > _FORM_MOST:
            raise DecisionTooLarge(f"an event has at most {_FORM_MOST} bytes")
        try:
            form = parse_qsl(raw.decode(), keep_blank_values=True, max_num_fields=_FIELDS_MOST)
        except ValueError:
            raise NotVerified from None
        taken = await twilio.take(source, form, request.headers.get("x-twilio-signature", ""))
        return None if taken is None else _out(taken)

    return router


def _out(taken: Taken) -> TakenOut:
    return TakenOut(case=taken.case, status=taken.status, outcome=taken.outcome, state=taken.state)
