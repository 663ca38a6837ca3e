"""The people of a delivery, played over the public API: carrier, owner and courier, each with only what they have."""

import base64
import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import aiohttp

from spine.problems import Kind, Problem


class Refused(Problem):
    """The API said no; ``status`` and ``problem`` are what it said."""

    code: ClassVar[str] = "api.refused"
    kind: ClassVar[Kind] = Kind.CONFLICT

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code')}: {problem.get('detail')}")
        self.status = status
        self.problem = problem


@dataclass
class Api:
    """One HTTP client; actors share it and differ by their token."""

    url: str
    _session: aiohttp.ClientSession | None = field(default=None, repr=False)

    async def __aenter__(self) -> "Api":
        connector = aiohttp.TCPConnector(limit=0)
        self._session = aiohttp.ClientSession(connector=connector, trust_env=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

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
        """One request; gives the answer's JSON or raises ``Refused``."""
        if self._session is None:
            raise RuntimeError("use it in `async with`")
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        async with self._session.request(
            method, self.url + path, json=document, data=form, headers=sent, allow_redirects=False
        ) as response:
            text = await response.text()
            answer = json.loads(text) if text else None
            if response.status >= 400:
                raise Refused(response.status, answer if isinstance(answer, dict) else {"detail": text[:200]})
            return answer


def basic(username: str, password: str) -> str:
    """The value of an ``Authorization`` header (RFC 7617)."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def link_token(mail: str) -> str:
    """The one-time token in the fragment of the link a mail carries."""
    found = re.search(r"https?://\S+#(?:token=|t=)?([A-Za-z0-9_-]{40,})", mail.replace("=\n", "").replace("=3D", "="))
    if found is None:
        raise LookupError("no link in this mail")
    return found.group(1)


def mails_to(directory: Path, address: str) -> list[Path]:
    """Mail files for an address, oldest first."""
    files = sorted(directory.glob("*.eml"), key=lambda path: (path.stat().st_mtime_ns, path.name))
    return [path for path in files if f"To: {address}" in path.read_text("utf-8", "replace")]
