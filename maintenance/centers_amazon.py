"""Amazon Connect: a task becomes a ``StartTaskContact`` request (pure), and a small client that sends it.

Bounds from the service's own published model (API 2017-08-08): name 1,024 and description 4,096 characters,
attributes 32,768 bytes in all with names of letters, digits, dash and underscore, a client token of 500, a scheduled
time at most 6 days ahead. A retry after a lost answer finds the first task by its client token; a task whose name we
never heard is looked for by our key, which stands at the end of its name.
"""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final, Protocol

from maintenance.centers import ConnectInstance
from maintenance.centers_task import Task
from maintenance.centers_vendors import VendorFailed

NAME_MOST: Final = 1_024
DESCRIPTION_MOST: Final = 4_096
TOKEN_MOST: Final = 500
SCHEDULED_MOST: Final = timedelta(days=6)
_AROUND: Final = timedelta(minutes=5)
"""Their clock and ours."""
EXPIRY_LEAST, EXPIRY_MOST = timedelta(minutes=1), timedelta(days=90)

_FOR_GOOD: Final = frozenset(
    {
        "InvalidRequestException", "InvalidParameterException", "ResourceNotFoundException", "AccessDeniedException",
        "UnrecognizedClientException", "InvalidSignatureException", "ContactNotFoundException", "ParamValidationError",
    }
)  # fmt: skip
"""Errors that no later try can mend."""


class ConnectClient(Protocol):
    """What is used of a boto client for Amazon Connect."""

    def start_task_contact(self, **request: Any) -> dict[str, Any]: ...  # noqa: ANN401 - as AWS names them

    def search_contacts(self, **request: Any) -> dict[str, Any]: ...  # noqa: ANN401

    def stop_contact(self, **request: Any) -> dict[str, Any]: ...  # noqa: ANN401


def request_of(task: Task, instance: ConnectInstance, now: datetime) -> dict[str, Any]:
    """The request for a task; a time further ahead than Connect allows becomes its last allowed one.

    The real retry plan stays with the case: a task that comes up early is claimed early, never lost.
    """
    attributes = dict(task.attributes)
    request: dict[str, Any] = {
        "InstanceId": instance.instance_id,
        "Name": _name(task),
        "Description": _description(task)[:DESCRIPTION_MOST],
        "ClientToken": task.idempotency_key[:TOKEN_MOST],
        "Attributes": attributes,
        "References": {
            "case": {"Type": "URL", "Value": task.deep_link},
            "phone": {"Type": "STRING", "Value": task.phone},
            "script": {"Type": "STRING", "Value": task.script},
            "due": {"Type": "DATE", "Value": str(int(task.due_at.timestamp()))},
            "claim_by": {"Type": "DATE", "Value": str(int(task.claim_by.timestamp()))},
        },
        "SegmentAttributes": {
            "connect:ContactExpiry": {"ValueMap": {"ExpiryDuration": {"ValueInteger": _minutes(task, now)}}}
        },
    }
    if instance.contact_flow_id is not None:
        request["ContactFlowId"] = instance.contact_flow_id
    else:
        request["TaskTemplateId"] = instance.task_template_id
    if task.due_at > now + timedelta(seconds=1):
        request["ScheduledTime"] = min(task.due_at, now + SCHEDULED_MOST - timedelta(minutes=1))
    return request


def _name(task: Task) -> str:
    """What the agent reads on the task, with our key at its end: by it the task is found."""
    about = f"{task.severity}: call {task.language} about {task.attributes.get('codes') or task.case}"
    key = f" ({task.idempotency_key})"
    return about[: NAME_MOST - len(key)] + key


def search_of(key: str, instance: ConnectInstance, since: datetime, now: datetime) -> dict[str, Any]:
    """The request that looks for a task by our key: those made from ``since`` on, the newest first."""
    return {
        "InstanceId": instance.instance_id,
        "TimeRange": {
            "Type": "INITIATION_TIMESTAMP", "StartTime": since - _AROUND, "EndTime": now + _AROUND,
        },
        "SearchCriteria": {
            "Channels": ["TASK"],
            "Name": {"SearchText": [key], "MatchType": "MATCH_ALL"},
        },
        "MaxResults": 100,
        "Sort": {"FieldName": "INITIATION_TIMESTAMP", "Order": "DESCENDING"},
    }  # fmt: skip


def found_in(answer: Mapping[str, Any], key: str) -> str | None:
    """The task that is truly ours, whatever the search takes for alike: its name ends with our key."""
    contacts = answer.get("Contacts")
    for each in contacts if isinstance(contacts, list) else ():
        name, ref = str(each.get("Name", "")), each.get("Id")
        if name.endswith(f"({key})") and isinstance(ref, str) and ref:
            return ref
    return None


def _description(task: Task) -> str:
    said = [task.attributes.get(name, "") for name in ("means", "may_i_drive_on", "next")]
    return " ".join(each for each in said if each) or "A vehicle needs a visit."


def _minutes(task: Task, now: datetime) -> int:
    left = min(max(task.expires_at - now, EXPIRY_LEAST), EXPIRY_MOST)
    return max(1, round(left / timedelta(minutes=1)))


class Connect:
    """Sends tasks to one instance. Every call runs in a thread: AWS's client waits."""

    def __init__(self, instance: ConnectInstance, client: ConnectClient) -> None:
        self._instance = instance
        self._client = client

    async def start(self, task: Task, *, now: datetime, again: bool) -> str:  # noqa: ARG002 the token sees to it
        """The contact's id. Raises ``VendorFailed``."""
        request = request_of(task, self._instance, now)
        answer = await self._ask(lambda: self._client.start_task_contact(**request))
        ref = answer.get("ContactId")
        if not isinstance(ref, str) or not ref:
            raise VendorFailed("no_contact_id", for_good=False)
        return ref

    async def find(self, key: str, task: Task | None, *, since: datetime, now: datetime) -> str | None:
        """By our key in its name; else the same request again, which gives the same task. Raises ``VendorFailed``.

        The search learns of a task a little later than it is made: where the person may not be called any more, that
        nothing was found yet is a failure that is tried again.
        """
        request = search_of(key, self._instance, since, now)
        try:
            found = found_in(await self._ask(lambda: self._client.search_contacts(**request)), key)
        except VendorFailed:
            if task is None:
                raise
            found = None  # not allowed to search: the task's own token still finds it
        if found is not None:
            return found
        if task is None:
            raise VendorFailed("not_found_yet", for_good=False)
        return await self.start(task, now=now, again=True)

    async def stop(self, ref: str, *, why: str) -> None:  # noqa: ARG002 Connect takes reasons of campaigns only
        """End a task in any state; one that is gone is ended. Raises ``VendorFailed``."""
        try:
            await self._ask(
                lambda: self._client.stop_contact(ContactId=ref, InstanceId=self._instance.instance_id)
            )
        except VendorFailed as failed:
            if failed.reason not in {"ContactNotFoundException", "ResourceNotFoundException"}:
                raise

    async def _ask(self, call: Any) -> dict[str, Any]:  # noqa: ANN401 - a call without arguments
        try:
            answer: dict[str, Any] = await asyncio.to_thread(call)
        except Exception as failure:
            raise _failed(failure) from failure
        return answer


def _failed(failure: Exception) -> VendorFailed:
    """By the error's code, as botocore carries it, or its class; the text may hold what was sent."""
    response = getattr(failure, "response", None)
    code = response.get("Error", {}).get("Code") if isinstance(response, dict) else None
    reason = str(code or type(failure).__name__)[:64]
    return VendorFailed(reason, for_good=reason in _FOR_GOOD)


def open_client(instance: ConnectInstance, *, within: float) -> ConnectClient:
    """A client of botocore (extra ``connect``). Raises ``VendorMissing`` where it is not installed."""
    from maintenance.centers_vendors import VendorMissing

    try:
        from botocore.config import Config
        from botocore.session import get_session
    except ModuleNotFoundError as cause:
        raise VendorMissing("pip install 'trunkline[connect]' brings what talks to Amazon Connect") from cause
    config = Config(connect_timeout=within / 2, read_timeout=within / 2, retries={"total_max_attempts": 1})
    client: ConnectClient = get_session().create_client("connect", region_name=instance.region, config=config)
    return client
