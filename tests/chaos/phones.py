"""People who do not give up: they send again what was not answered, as a phone's app does."""

import asyncio
import secrets
from typing import Any, Final

import aiohttp

from trunkline.play import Api, Courier, Refused

ENDED: Final = frozenset(
    {"delivered", "failed", "refused", "expired", "blocked", "cancelled", "declined", "rescheduled"}
)
_PATIENCE: Final = 60.0
_IN_PROGRESS: Final = "idempotency.in_progress"


class NotOurs(Exception):
    """The API answered something that no client can understand: a 5xx without a problem that says try again."""


class PatientApi(Api):
    """The same request again, under the same Idempotency-Key, while nobody answers it."""

    async def call(
        self,
        method: str,
        path: str,
        document: Any = None,
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
    ) -> Any:
        """As ``Api.call``; raises ``Refused`` for what is not worth trying again, ``NotOurs`` for a 500."""
        sent = dict(headers or {})
        if method == "POST":
            sent.setdefault("Idempotency-Key", secrets.token_hex(16))
        loop = asyncio.get_running_loop()
        end = loop.time() + _PATIENCE
        while True:
            try:
                async with asyncio.timeout(30):
                    return await super().call(method, path, document, token=token, headers=sent, form=form)
            except Refused as refused:
                problem = refused.problem
                again = bool(problem.get("try_again"))
                if refused.status >= 500 and not again:
                    raise NotOurs(f"{method} {path}: {refused}") from refused
                if refused.status < 500 and problem.get("code") != _IN_PROGRESS:
                    raise
                if loop.time() > end:
                    raise
            except (aiohttp.ClientError, TimeoutError, ConnectionError):
                if loop.time() > end:
                    raise
            await asyncio.sleep(0.1)


async def open_and_finish(courier: Courier, delivery: str, tapped: asyncio.Event) -> str:
    """Open, leave the parcel, say done; tries as long as a person would. Gives the last word on the phone."""
    loop = asyncio.get_running_loop()
    end = loop.time() + 60
    while loop.time() < end:
        state = await job_state(courier, delivery)
        if state in ENDED:
            return state
        if state in {"arrived", "unsure"}:
            await _tap(courier, delivery, tapped)
        if state == "closed":
            await _done(courier, delivery)
        await asyncio.sleep(0.1)
    return await job_state(courier, delivery)


async def job_state(courier: Courier, delivery: str) -> str:
    """Where the job stands."""
    job = await courier.api.call("GET", f"/v1/courier/jobs/{delivery}", token=courier.token)
    return str(job["state"])


async def _tap(courier: Courier, delivery: str, tapped: asyncio.Event) -> None:
    """One attempt. Whatever is answered, the job then says where it stands."""
    try:
        token = await courier.key(delivery, seconds=1)
        proof = await courier.prove(delivery, token)
        tapped.set()
        await courier.post(delivery, "open", {"proof": proof, "position": courier.here})
    except Refused as refused:
        if refused.status not in {404, 409, 410}:
            raise
        tapped.set()


async def _done(courier: Courier, delivery: str) -> None:
    try:
        await courier.post(delivery, "done")
    except Refused as refused:
        if refused.status != 409:
            raise
