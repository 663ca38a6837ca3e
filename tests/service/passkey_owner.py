"""An owner of the delivery house who has a passkey, and answers questions over the routes as a browser would."""

import json
from dataclasses import dataclass
from typing import Any

import httpx

from delivery.model import Parcel
from keys.car.jwk import unb64
from spine.ids import DeliveryId
from tests.service import passkey_hands as hands
from tests.service.delivery_house import DeliveryHouse
from tests.service.test_delivery_api import Web
from trunkline.software_key import SoftwareKey
from webhooks.signature import Secret
from webhooks.signature import headers as signed_headers


@dataclass
class Asked:
    """A question that waits: its delivery, the token of a mail's link, and the hash of what was shown."""

    delivery: DeliveryId
    token: str
    shown: str


@dataclass
class Scene:
    """The routes, and the owner's key once there is one."""

    web: Web
    hand: SoftwareKey
    orders: int = 0

    @property
    def home(self) -> DeliveryHouse:
        return self.web.home

    async def has_passkey(self, hand: SoftwareKey | None = None) -> str:
        """The owner registers a passkey; gives its id. The session of ``web`` stays as it was."""
        home = self.home
        who = await hands.session(home.people, home.owner)
        made = await hands.register(home.people, who, hand or self.hand)
        await home.settle()
        return made.id

    async def session(self, level: Any) -> str:
        """A bearer token of the owner's in a new session."""
        token, _ = await self.home.people.people.sessions.make(
            self.home.owner, level=level, now=self.home.now
        )
        return token.text

    async def ask(self, **changes: Any) -> Asked:
        """A further order that the owner is asked about."""
        self.orders += 1
        parcels = (Parcel(reference=f"A-{self.orders}"),)
        delivery = await self.home.asked(address=await self.home.address(), parcels=parcels, **changes)
        token = await self.home.link(delivery)
        opened = await self.web.call("POST", "/questions/open", {"token": token})
        return Asked(delivery, token, opened.json()["shown"])

    async def opened(self, asked: Asked) -> dict[str, Any]:
        found = await self.web.call("POST", "/questions/open", {"token": asked.token})
        said: dict[str, Any] = found.json()
        return said

    async def challenge(self, asked: Asked, decision: str = "approve", **more: Any) -> bytes:
        """What the passkey is to sign, as the route for links says."""
        body = {"token": asked.token, "decision": decision, **more}
        answer = await self.web.call("POST", "/questions/challenge", body)
        assert answer.status_code == 200, answer.text
        return unb64(answer.json()["options"]["challenge"])

    async def signed(self, asked: Asked, decision: str = "approve", **more: Any) -> dict[str, Any]:
        """The owner's assertion over this answer to this question."""
        return self.hand.answer(await self.challenge(asked, decision, **more), person=self.home.owner)

    async def by_link(self, asked: Asked, decision: str = "approve", **more: Any) -> httpx.Response:
        body = {"token": asked.token, "decision": decision, "shown": asked.shown, **more}
        return await self.web.call("POST", "/questions/decide", body)

    async def by_session(
        self, asked: Asked, token: str, decision: str = "approve", **more: Any
    ) -> httpx.Response:
        body = {"decision": decision, "shown": asked.shown, **more}
        key = f"k-{asked.delivery}-{decision}-{token[-6:]}-{len(more)}"
        path = f"/owner/deliveries/{asked.delivery}/decision"
        return await self.web.call("POST", path, body, by=token, Idempotency_Key=key)

    async def by_system(self, asked: Asked, source: str, secret: Secret, message: str) -> httpx.Response:
        """A linked system says yes."""
        question = (await self.home.read(asked.delivery)).body.question
        body = json.dumps({"question": question, "shown": asked.shown, "decision": "approve"}).encode()
        headers = signed_headers([secret], message, int(self.home.now.timestamp()), body)
        return await self.web.client.post(f"/v1/decisions/{source}", content=body, headers=headers)

    async def approved(self, **changes: Any) -> Asked:
        """A delivery that the owner approved with the passkey."""
        asked = await self.ask(**changes)
        answer = await self.by_link(asked, assertion=await self.signed(asked))
        assert answer.status_code == 200, answer.text
        await self.home.settle()
        return asked
