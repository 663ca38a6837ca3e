"""``Idempotency-Key`` on a POST: the same request again gets the same answer for 24 h."""

import base64
import hashlib
import json
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import Header, Request
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel

from people.limits import PeopleLimits
from people.problems import InProgress
from people.pseudonyms import Pseudonyms
from spine.expiring import Expiring
from spine.problems import Problem
from spine.store import Once, OtherBody

_SPACE: Final = "idempotency"
_DESCRIPTION: Final = (
    "Up to 255 visible ASCII characters. The same key and request again: the same answer, for 24 h."
)
_NONCE: Final = 12

Work = Callable[[str], Awaitable[BaseModel | None]]
"""What a request does. It gets a seed, the same for every try of this request: new ids are named after it."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A POST as it came: its key, if it has one, and the hash of method, path and body."""

    key: str | None
    fingerprint: str

    def once(self, principal: str) -> Once | None:
        """A marker for a change that is to be made once by itself; None without a key."""
        if self.key is None:
            return None
        return Once(principal, hashlib.sha256(self.key.encode()).hexdigest(), self.fingerprint)


async def asked(
    request: Request,
    idempotency_key: Annotated[
        str | None, Header(min_length=1, max_length=255, pattern=r"^[\x21-\x7e]+$", description=_DESCRIPTION)
    ] = None,
) -> Asked:
    """The dependency: ``asked: Annotated[Asked, Depends(asked)]``."""
    what = hashlib.sha256(f"{request.method} {request.url.path}\n".encode())
    what.update(await request.body())
    return Asked(idempotency_key, what.hexdigest())


class Idempotency:
    """Keeps answers encrypted: without the request's key no code or secret can be read in the store."""

    def __init__(self, expiring: Expiring, pseudonyms: Pseudonyms, limits: PeopleLimits) -> None:
        self._expiring = expiring
        self._pseudonyms = pseudonyms
        self._limits = limits

    async def answer(self, asked: Asked, principal: str, status: int, work: Work) -> Response:
        """Do the work once for (principal, key) and answer ``status`` with its model; again: that answer.

        Without a key the work is simply done. Raises ``OtherBody`` for another request under the same key,
        ``InProgress`` while the first runs. A Problem is not kept: the request may be tried again.
        A crash between the work and its answer is safe where the work names new things after its seed.
        """
        if asked.key is None:
            return _response(status, _content(await work(secrets.token_hex(16))))
        name = self._pseudonyms.text("idempotency", f"{principal} {asked.key}")
        running = json.dumps({"fingerprint": asked.fingerprint})
        if not await self._expiring.put(_SPACE, name, running, self._limits.answer_awaited, only_new=True):
            return await self._again(asked, principal, name)
        try:
            content = _content(await work(self._pseudonyms.text("seed", f"{principal} {asked.key}")))
        except Problem:
            await self._expiring.drop(_SPACE, name)
            raise
        sealed = self._seal(principal, asked.key, content)
        kept = json.dumps({"fingerprint": asked.fingerprint, "status": status, "answer": sealed})
        await self._expiring.put(_SPACE, name, kept, self._limits.answer_kept)
        return _response(status, content)

    async def _again(self, asked: Asked, principal: str, name: str) -> Response:
        value = await self._expiring.get(_SPACE, name)
        kept: dict[str, Any] = {} if value is None else json.loads(value)
        if kept and kept["fingerprint"] != asked.fingerprint:
            raise OtherBody("This Idempotency-Key came with another request before.")
        if "answer" not in kept:
            raise InProgress("The first request with this Idempotency-Key has not ended.", retry_after=1)
        response = _response(kept["status"], self._open(principal, asked.key or "", kept["answer"]))
        response.headers["Idempotency-Replayed"] = "true"
        return response

    def _cipher(self, principal: str, key: str) -> AESGCM:
        return AESGCM(self._pseudonyms.key("idempotency", principal, key))

    def _seal(self, principal: str, key: str, content: Any) -> str:  # noqa: ANN401 - any JSON
        nonce = secrets.token_bytes(_NONCE)
        sealed = self._cipher(principal, key).encrypt(nonce, json.dumps(content).encode(), None)
        return base64.b64encode(nonce + sealed).decode()

    def _open(self, principal: str, key: str, sealed: str) -> Any:  # noqa: ANN401 - any JSON
        raw = base64.b64decode(sealed)
        try:
            return json.loads(self._cipher(principal, key).decrypt(raw[:_NONCE], raw[_NONCE:], None))
        except InvalidTag as cause:
            # The installation's secret was changed since: the answer cannot be told again.
            raise OtherBody("The answer to this Idempotency-Key cannot be read any more.") from cause


def _content(made: BaseModel | None) -> Any:  # noqa: ANN401 - any JSON
    return None if made is None else made.model_dump(mode="json", by_alias=True)


def _response(status: int, content: Any) -> Response:  # noqa: ANN401 - any JSON
    return Response(status_code=status) if content is None else JSONResponse(content, status)
