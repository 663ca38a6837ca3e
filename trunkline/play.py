"""The people of a delivery, played over the public API: carrier, owner and courier, each with only what they have."""

import asyncio
import email
import email.policy
import json
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar

import aiohttp

from keys.car.jws import SigningKey
from spine.clock import SystemClock
from spine.problems import Kind, Problem
from trunkline.devices import client_assertion, courier_assertion, enrolment, proof


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
        document: Any = None,  # noqa: ANN401 - JSON
        *,
        token: str = "",
        headers: dict[str, str] | None = None,
        form: dict[str, str] | None = None,
    ) -> Any:  # noqa: ANN401 - JSON
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


def link_token(mail: str) -> str:
    """The one-time token in the fragment of the link that a mail carries."""
    parsed = email.message_from_string(mail, policy=email.policy.default)
    body = parsed.get_body(("plain",))
    found = re.search(r"https?://\S+#([A-Za-z0-9_-]{40,})", body.get_content() if body else "")
    if found is None:
        raise LookupError("no link in this mail")
    return found.group(1)


@dataclass
class Mailbox:
    """The mail files of an installation without a mail server, as their addressees would read them."""

    folder: Path
    _read: set[Path] = field(default_factory=set, repr=False)
    _heads: dict[Path, tuple[str, str]] = field(default_factory=dict, repr=False)

    async def wait(self, address: str, subject: str, *, seconds: float = 60.0) -> str:
        """The next unread mail to ``address`` whose subject holds ``subject``."""
        until = asyncio.get_running_loop().time() + seconds
        while asyncio.get_running_loop().time() < until:
            for path in sorted(self.folder.glob("*.eml"), key=lambda one: one.stat().st_mtime_ns):
                if path in self._read:
                    continue
                to, about = self._head(path)
                if to == address and subject in about:
                    self._read.add(path)
                    return path.read_text("utf-8", "replace")
            await asyncio.sleep(0.05)
        raise LookupError(f"no mail to {address} about {subject!r}")

    def _head(self, path: Path) -> tuple[str, str]:
        """To whom, about what; read once, since there may be thousands."""
        if path not in self._heads:
            head = email.message_from_string(path.read_text("utf-8", "replace"), policy=email.policy.default)
            self._heads[path] = str(head["To"]), str(head["Subject"])
        return self._heads[path]


@dataclass
class Owner:
    """A person with an e-mail and, once signed in, a session."""

    api: Api
    mail: Mailbox
    address: str
    token: str = field(default="", repr=False)
    person: str = ""

    async def sign_in(self) -> None:
        """Ask for a link by mail and follow it."""
        await self.api.call("POST", "/v1/sign-in", {"email": self.address})
        letter = await self.mail.wait(self.address, "Sign in")
        made = await self.api.call("POST", "/v1/session", {"token": link_token(letter)})
        self.token, self.person = made["token"], made["person"]

    async def choose_link(self) -> None:
        """Somebody without a passkey says that a mail link may approve for them (docs/delivery.md)."""
        await self.api.call("PUT", "/v1/me/approvals", {"by": "link"}, token=self.token)

    async def claim(self, code: str) -> str:
        """Claim the car that shows this code; gives the vehicle."""
        found = await self.api.call("POST", "/v1/owner/cars/claim", {"code": code}, token=self.token)
        return str(found["vehicle"])

    async def make_address(self, vehicle: str, kind: str = "any") -> str:
        """A car address to give to shops."""
        path = f"/v1/owner/cars/{vehicle}/addresses"
        made = await self.api.call("POST", path, {"kind": kind}, token=self.token)
        return str(made["text"])

    async def answer(self, decision: str = "approve") -> dict[str, Any]:
        """Follow the link of the question's mail, look, and decide."""
        letter = await self.mail.wait(self.address, "May ")
        token = link_token(letter)
        asked = await self.api.call("POST", "/v1/questions/open", {"token": token})
        answer = {"token": token, "decision": decision, "shown": asked["shown"]}
        decided: dict[str, Any] = await self.api.call("POST", "/v1/questions/decide", answer)
        return {**asked, **decided}

    async def view(self, delivery: str) -> dict[str, Any]:
        """The delivery as its owner sees it."""
        seen: dict[str, Any] = await self.api.call(
            "GET", f"/v1/owner/deliveries/{delivery}", token=self.token
        )
        return seen


@dataclass
class Carrier:
    """A carrier's program: its client id and its signing key."""

    api: Api
    client_id: str
    key: SigningKey = field(repr=False)
    token: str = field(default="", repr=False)

    async def sign_in(self) -> None:
        """OAuth 2 client credentials by ``private_key_jwt``."""
        now = SystemClock().now()
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": client_assertion(self.key, client=self.client_id, url=self.api.url, now=now),
        }
        granted = await self.api.call("POST", "/v1/oauth/token", form=form)
        self.token = granted["access_token"]

    async def name_courier(self, name: str) -> tuple[str, str]:
        """A named courier and the code that enrols a device for them."""
        made = await self.api.call("POST", "/v1/couriers", {"name": name}, token=self.token)
        return made["courier"], made["code"]

    async def order(self, address: str, *, courier: str, reference: str, hours: float = 2.0) -> str:
        """Order a delivery into the car of this address, from now on."""
        now = SystemClock().now()
        window = {"start": now.isoformat(), "end": (now + timedelta(hours=hours)).isoformat()}
        wanted = {"address": address, "window": window, "reference": reference, "courier": courier}
        made = await self.api.call("POST", "/v1/deliveries", wanted, token=self.token)
        return str(made["id"])

    async def view(self, delivery: str) -> dict[str, Any]:
        """The delivery as its carrier sees it."""
        seen: dict[str, Any] = await self.api.call("GET", f"/v1/deliveries/{delivery}", token=self.token)
        return seen

    async def wait_for(
        self, delivery: str, states: Collection[str], *, seconds: float = 60.0
    ) -> dict[str, Any]:
        """Look until the delivery is in one of these states."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            seen = await self.view(delivery)
            if seen["state"] in states:
                return seen
            if asyncio.get_running_loop().time() > until:
                raise LookupError(f"{delivery} is {seen['state']}, not {' or '.join(states)}")
            await asyncio.sleep(0.05)

    async def evidence(self, delivery: str) -> dict[str, Any]:
        """The evidence file."""
        file: dict[str, Any] = await self.api.call(
            "GET", f"/v1/deliveries/{delivery}/evidence", token=self.token
        )
        return file


@dataclass
class Courier:
    """A courier's phone: its device key, and where it is."""

    api: Api
    device: SigningKey = field(repr=False)
    position: tuple[float, float] = (57.7089, 11.9746)
    courier: str = ""
    token: str = field(default="", repr=False)

    async def enrol(self, code: str) -> None:
        """Bind this device to the courier whom the code names, and sign in."""
        now = SystemClock().now()
        body = enrolment(self.device, code=code, url=self.api.url, now=now)
        self.courier = (await self.api.call("POST", "/v1/courier/enrolment", body))["id"]
        await self.sign_in()

    async def sign_in(self) -> None:
        """A token of ten minutes for an assertion of the device key."""
        now = SystemClock().now()
        assertion = courier_assertion(self.device, courier=self.courier, url=self.api.url, now=now)
        made = await self.api.call("POST", "/v1/courier/session", {"assertion": assertion})
        self.token = made["token"]

    async def post(self, delivery: str, what: str, document: Any = None, *, wait: int = 10) -> Any:  # noqa: ANN401
        """One step of a job."""
        path = f"/v1/courier/jobs/{delivery}/{what}"
        return await self.api.call(
            "POST", path, document, token=self.token, headers={"Prefer": f"wait={wait}"}
        )

    async def key(self, delivery: str, *, seconds: float = 60.0) -> str:
        """The delivery key, as soon as there is one."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            try:
                found = await self.api.call("GET", f"/v1/courier/jobs/{delivery}/key", token=self.token)
            except Refused as refused:
                if refused.status not in {404, 409} or asyncio.get_running_loop().time() > until:
                    raise
                await asyncio.sleep(0.05)
            else:
                return str(found["token"])

    @property
    def here(self) -> dict[str, float]:
        """Where the phone is."""
        return {"lat": self.position[0], "lon": self.position[1]}

    async def arrive(self, delivery: str) -> None:
        """Set out and stand in front of the car."""
        await self.post(delivery, "set-out", {"anyway": True})
        await self.post(delivery, "arrived", {"position": self.here, "reason": "at the car"})

    async def prove(self, delivery: str, token: str) -> str:
        """Ask the car for a challenge and sign it with the device key."""
        challenge = (await self.post(delivery, "challenge"))["challenge"]
        return proof(self.device, token=token, challenge=challenge, now=SystemClock().now())

    async def open(self, delivery: str, token: str) -> dict[str, Any]:
        """The tap: the car's verified answer."""
        signed = await self.prove(delivery, token)
        answer: dict[str, Any] = await self.post(delivery, "open", {"proof": signed, "position": self.here})
        return answer
