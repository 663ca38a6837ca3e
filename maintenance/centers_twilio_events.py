"""TaskRouter's event callbacks: proven by Twilio's signature, then a report like any other."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final

from pydantic import SecretStr, ValidationError

from maintenance.centers_report import DISPOSITIONS, HandoutUnknown, Report, ReportUnreadable
from maintenance.centers_reports import Reports, Taken
from maintenance.centers_states import handouts_of, key_of, subject_of
from maintenance.centers_twilio import DISPOSITION, KEY, STATUSES, is_signed
from maintenance.service import Cases
from spine.ids import CaseId, NotAnId
from spine.store import Elsewhere, Once
from webhooks.verified import NotVerified

_NOBODY: Final = SecretStr("an account that nobody has")
_ENDED: Final = frozenset({"task.completed", "reservation.completed"})


class TwilioDoor:
    """Takes what TaskRouter says, where the account's token signed it."""

    def __init__(
        self,
        cases: Cases,
        reports: Reports,
        tokens: Mapping[str, SecretStr],
        *,
        public_url: str,
    ) -> None:
        """``tokens``: by the source of their center."""
        self._cases = cases
        self._reports = reports
        self._tokens = tokens
        self._public_url = public_url

    async def take(self, source: str, form: Sequence[tuple[str, str]], signature: str) -> Taken | None:
        """None for an event that says nothing about a case of ours. Raises ``NotVerified`` and what a report raises."""
        token = self._tokens.get(source)
        url = f"{self._public_url}/v1/centers/{source}/twilio"
        if not is_signed(url, form, signature, token or _NOBODY) or token is None:
            raise NotVerified
        fields = dict(form)
        report = _report(fields)
        if report is None:
            return None
        await self._is_its_task(source, report, fields.get("TaskSid", ""))
        digest = sha256(repr(sorted(form)).encode()).hexdigest()
        once = Once(f"center:{source}", fields.get("Sid", digest)[:64], digest)
        unsaid = report.status == "rejected"  # no worker says so: TaskRouter has it no more
        return await self._reports.apply(source, report, once, unsaid=unsaid)

    async def _is_its_task(self, source: str, report: Report, sid: str) -> None:
        """Attributes can be written by many; the task's own name ties the event to what we made."""
        try:
            body = handouts_of(await self._cases.store.load(subject_of(report.case)))
        except (Elsewhere, NotAnId) as cause:
            raise HandoutUnknown("there is no such hand-out") from cause
        for each in body.handouts if body else ():
            named = key_of(report.case, each.n) == report.idempotency_key
            if named and each.center == source and each.ref in {sid, None}:
                return
        raise HandoutUnknown("there is no such hand-out")


def _report(fields: Mapping[str, str]) -> Report | None:
    """The event as a report; None where it is none of ours. Raises ``ReportUnreadable``."""
    kind = fields.get("EventType", "")
    try:
        attributes = json.loads(fields.get("TaskAttributes", "{}"))
    except ValueError as cause:
        raise ReportUnreadable("TaskAttributes is no JSON") from cause
    if not isinstance(attributes, dict) or KEY not in attributes:
        return None
    status = STATUSES.get(kind)
    if kind in _ENDED:
        # A task that ended without saying what came of the call is given back: somebody has to look.
        said = attributes.get(DISPOSITION)
        status = said if isinstance(said, str) and said in DISPOSITIONS else "rejected"
    if status is None:
        return None
    try:
        return Report.model_validate(
            {
                "case": CaseId(str(attributes.get("trunkline_case", ""))),
                "idempotency_key": attributes[KEY],
                "status": status,
                "at": _moment(fields.get("TimestampMs", "")),
                "callback_at": attributes.get("trunkline_callback_at") if status == "callback_at" else None,
                "slot": attributes.get("trunkline_slot") if status == "booked" else None,
            }
        )
    except ValidationError as cause:
        raise ReportUnreadable("the task's attributes do not say what they should") from cause


def _moment(text: str) -> datetime:
    """By Twilio's clock; it is written down and decides nothing."""
    try:
        return datetime.fromtimestamp(int(text[:15]) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return datetime.fromtimestamp(0, UTC)
