"""Twilio TaskRouter: a task becomes a form (pure), a small client over plain HTTP, and their signed callbacks.

Attributes are one JSON text, a greater number is more urgent, a task lives at most two weeks. TaskRouter has no key for
idempotency: before a second try we ask whether a task with our key is there already.
"""

import base64
import hmac
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from hashlib import sha1
from typing import Any, Final, Protocol
from urllib.parse import quote, urlencode

import aiohttp
from pydantic import SecretStr

from maintenance.centers import TwilioWorkspace
from maintenance.centers_task import Task, cut
from maintenance.centers_vendors import VendorFailed

TIMEOUT_MOST: Final = timedelta(days=14)
ATTRIBUTES_MOST: Final = 4_096
"""Bytes of the JSON text that we send: TaskRouter refuses much longer ones, and says no number in its model."""
KEY: Final = "trunkline_key"
_REASON_MOST: Final = 256
_ANSWER_MOST: Final = 256 * 1024
_FOR_GOOD: Final = frozenset({400, 401, 403, 404, 422})

STATUSES: Final[Mapping[str, str]] = {
    "task.created": "accepted",
    "task-queue.entered": "accepted",
    "reservation.accepted": "claimed",
    "reservation.wrapup": "in_progress",
    "task.wrapup": "in_progress",
    "task.canceled": "rejected",
    "workflow.timeout": "rejected",
}
"""TaskRouter's events as our statuses; ``task.completed`` says its disposition in the task's attributes."""
DISPOSITION: Final = "trunkline_disposition"


def form_of(task: Task, workspace: TwilioWorkspace, now: datetime) -> dict[str, str]:
    """The form that creates the task."""
    left = min(max(task.expires_at - now, timedelta(seconds=1)), TIMEOUT_MOST)
    return {
        "Attributes": _attributes(task),
        "Priority": str((5 - task.priority) * 10),
        "Timeout": str(int(left.total_seconds())),
        "WorkflowSid": workspace.workflow_sid,
        "TaskChannel": workspace.task_channel,
    }


def _attributes(task: Task) -> str:
    """The JSON text; what does not fit of the case's attributes is left out from the end."""
    fixed: dict[str, Any] = {
        KEY: task.idempotency_key,
        "trunkline_case": task.case,
        "phone": task.phone,
        "severity": task.severity,
        "priority": task.priority,
        "language": task.language,
        "due_at": task.due_at.isoformat(),
        "claim_by": task.claim_by.isoformat(),
        "script": task.script,
        "deep_link": task.deep_link,
    }
    rest = {name: cut(value, 512) for name, value in task.attributes.items() if name not in fixed}
    dropped = 0
    while rest and len(_json({**fixed, **rest, "attributes_cut": len(task.attributes)})) > ATTRIBUTES_MOST:
        rest.popitem()
        dropped += 1
    return _json({**fixed, **rest, **({"attributes_cut": dropped} if dropped else {})})


def _json(value: Mapping[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":"))


class Http(Protocol):
    """One request with basic authentication; its status and its text. Raises ``OSError``, ``TimeoutError``."""

    async def ask(
        self, method: str, url: str, form: Mapping[str, str] | None, auth: tuple[str, SecretStr]
    ) -> tuple[int, str]: ...


class PlainHttp:
    """Over aiohttp, one connection a request: tasks are few. No redirects, no proxy of the environment."""

    def __init__(self, *, within: float) -> None:
        self._within = aiohttp.ClientTimeout(total=within)

    async def ask(
        self, method: str, url: str, form: Mapping[str, str] | None, auth: tuple[str, SecretStr]
    ) -> tuple[int, str]:
        """Raises ``OSError`` or ``TimeoutError`` where nothing was heard."""
        name, secret = auth
        basic = base64.b64encode(f"{name}:{secret.get_secret_value()}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}", "Accept": "application/json"}
        try:
            async with (
                aiohttp.ClientSession(timeout=self._within, trust_env=False) as session,
                session.request(method, url, data=form, headers=headers, allow_redirects=False) as response,
            ):
                raw = await response.content.read(_ANSWER_MOST)
                return response.status, raw.decode("utf-8", "replace")
        except aiohttp.ClientError as failure:
            raise OSError(type(failure).__name__) from failure


class TaskRouter:
    """Sends tasks to one workspace."""

    def __init__(self, workspace: TwilioWorkspace, token: SecretStr, http: Http) -> None:
        self._workspace = workspace
        self._auth = (workspace.account_sid, token)
        self._http = http

    @property
    def _tasks(self) -> str:
        return f"{self._workspace.api}/v1/Workspaces/{self._workspace.workspace_sid}/Tasks"

    async def start(self, task: Task, *, now: datetime, again: bool) -> str:
        """The task's sid; where an earlier try may have made it, that one. Raises ``VendorFailed``."""
        if again and (found := await self._found(task.idempotency_key)) is not None:
            return found
        answer = await self._ask("POST", self._tasks, form_of(task, self._workspace, now))
        return _sid(answer)

    async def find(self, key: str, task: Task | None, *, since: datetime, now: datetime) -> str | None:  # noqa: ARG002 the key is enough
        """By our key alone. Raises ``VendorFailed``."""
        return await self._found(key)

    async def stop(self, ref: str, *, why: str) -> None:
        """Cancel it; what is gone or over is cancelled. Raises ``VendorFailed``."""
        form = {"AssignmentStatus": "canceled", "Reason": why[:_REASON_MOST]}
        try:
            await self._ask("POST", f"{self._tasks}/{quote(ref, safe='')}", form)
        except VendorFailed as failed:
            if failed.reason not in {"http_400", "http_404"}:
                raise

    async def _found(self, key: str) -> str | None:
        asked = urlencode({"EvaluateTaskAttributes": f'{KEY} == "{key}"', "PageSize": "1"})
        tasks = (await self._ask("GET", f"{self._tasks}?{asked}", None)).get("tasks")
        return _sid(tasks[0]) if isinstance(tasks, list) and tasks and isinstance(tasks[0], dict) else None

    async def _ask(self, method: str, url: str, form: Mapping[str, str] | None) -> dict[str, Any]:
        try:
            status, text = await self._http.ask(method, url, form, self._auth)
        except (OSError, TimeoutError) as failure:
            raise VendorFailed(type(failure).__name__, for_good=False) from failure
        if not 200 <= status < 300:
            raise VendorFailed(f"http_{status}", for_good=status in _FOR_GOOD)
        try:
            answer = json.loads(text)
        except ValueError as failure:
            raise VendorFailed("no_json", for_good=False) from failure
        if not isinstance(answer, dict):
            raise VendorFailed("no_json", for_good=False)
        return answer


def _sid(answer: Mapping[str, Any]) -> str:
    sid = answer.get("sid")
    if not isinstance(sid, str) or not sid.startswith("WT") or len(sid) > 64:
        raise VendorFailed("no_sid", for_good=False)
    return sid


def is_signed(url: str, form: Sequence[tuple[str, str]], signature: str, token: SecretStr) -> bool:
    """Whether Twilio signed this form for this URL (``X-Twilio-Signature``: HMAC-SHA1 with the account's token).

    What is signed is the URL as Twilio calls it, then every name and value, sorted by name.
    """
    said = url + "".join(name + value for name, value in sorted(set(form)))
    mac = hmac.new(token.get_secret_value().encode(), said.encode(), sha1).digest()
    return hmac.compare_digest(base64.b64encode(mac), signature.encode("utf-8", "replace"))
