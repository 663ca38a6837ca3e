"""What the demo's page can make happen: what no page of the product does, done by those who do it in life."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, TypeVar

from keys.car.jwk import unb64
from spine.problems import Kind, Problem
from trunkline.play import Api, Carrier, Mailbox, Owner, Refused, link_token
from trunkline.software_key import SoftwareKey
from trunkline.stage_page_news import News
from vehicle_unit.control import NotRunning, ask

_T = TypeVar("_T")

COURIER: Final = "Kim"
AGENT: Final = "noor@example.org"
_PHONE: Final = "+46701740605"
"""One of the numbers that the Swedish regulator keeps for fiction."""
_LANGUAGES: Final = ["en", "nl", "de", "sv"]
_WORN_AWAY: Final = 100
_SIGN_INS: Final = 5


class NotNow(Problem):
    """It does not fit how the scene stands; nothing was done."""

    code: ClassVar[str] = "stage.not_now"
    kind: ClassVar[Kind] = Kind.CONFLICT


class CarGone(Problem):
    """The simulated car does not run."""

    code: ClassVar[str] = "stage.car_gone"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


@dataclass
class Agent:
    """Somebody of the contact center, whose passkey is kept in this process."""

    api: Api
    person: str
    passkey: SoftwareKey = field(repr=False)

    @classmethod
    async def make(cls, api: Api, mail: Mailbox, operator: str) -> "Agent":
        """The operator makes her one; she signs in by mail once and makes her passkey."""
        wanted = {"email": AGENT, "role": "agent", "languages": _LANGUAGES}
        await api.call("POST", "/v1/operator/agents", wanted, token=operator)
        her = Owner(api, mail, AGENT)
        await her.sign_in()
        passkey = SoftwareKey.draw(origin=api.url, rp_id="localhost")
        begun = await api.call("POST", "/v1/me/passkeys/options", token=her.token)
        made = passkey.registration(_challenge(begun))
        await api.call("POST", "/v1/me/passkeys", {"name": "Demo", "credential": made}, token=her.token)
        return cls(api, her.person, passkey)

    async def session(self) -> str:
        """Signed in by passkey, as the desk asks."""
        begun = await self.api.call("POST", "/v1/sign-in/passkey/options")
        shown = {"credential": self.passkey.answer(_challenge(begun), person=self.person)}
        made = await self.api.call("POST", "/v1/sign-in/passkey", shown)
        return str(made["token"])


@dataclass
class Play:
    """The cast as the page needs them. ``unit``: the car's folder."""

    owner: Owner
    carrier: Carrier
    agent: Agent
    vehicle: str
    address: str
    unit: Path
    news: News
    _couriers: set[str] = field(default_factory=set)
    _orders: int = 0
    _sessions: dict[str, str] = field(default_factory=dict, repr=False)

    async def begin(self) -> None:
        """The owner wants calls about her car, at any hour: whoever tries it out may do so at night."""
        wish = {
            "on": True, "phone": _PHONE, "language": "en", "zone": "Europe/Stockholm", "country": "SE",
            "hours": ["00:00", "23:59"],
        }  # fmt: skip
        await self.owner.api.call("PUT", f"/v1/owner/cars/{self.vehicle}/calls", wish, token=self.owner.token)

    async def sessions(self) -> Mapping[str, str]:
        """Sessions of owner and agent for a browser: those of before, as long as they are good."""
        made: dict[str, Callable[[], Awaitable[str]]] = {"owner": self._owner, "agent": self.agent.session}
        for name, make in made.items():
            if not await self._good(self._sessions.get(name, "")):
                self._sessions[name] = await make()
        return dict(self._sessions)

    async def act(self, name: str, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do it. Raises ``NotNow``, ``CarGone``, ``Refused``, ``LookupError`` for no such act."""
        acts: dict[str, Callable[[Mapping[str, Any]], Awaitable[Mapping[str, Any]]]] = {
            "courier": self._courier, "order": self._order, "put": self._put, "shut": self._shut,
            "network": self._network, "worn": self._worn,
        }  # fmt: skip
        return await acts[name](asked)

    async def _courier(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        """A code for this browser's phone, unless it has been enrolled in this demo."""
        if asked.get("courier") in self._couriers:
            return {"courier": asked["courier"], "code": None}
        courier, code = await self._as_carrier(lambda: self.carrier.name_courier(COURIER))
        self._couriers.add(courier)
        return {"courier": courier, "code": code}

    async def _order(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        courier = asked.get("courier", "")
        if courier not in self._couriers:
            raise NotNow("The courier's phone in this browser is not enrolled yet.")
        if self.news.scene["delivery"] is not None:
            raise NotNow("A parcel is under way already.")
        await self._car(by_hand=True)
        self._orders += 1
        reference = f"parcel-{self._orders}"
        delivery = await self._as_carrier(
            lambda: self.carrier.order(self.address, courier=courier, reference=reference)
        )
        self.news.set(delivery=delivery, parcel="carried")
        return {"delivery": delivery}

    async def _put(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        await self.news.look_at_car()
        if self.news.scene["parcel"] != "carried" or not self.news.car.get("lid_up"):
            raise NotNow("There is nothing to put in, or the boot is shut.")
        self.news.set(parcel="in")
        return {}

    async def _shut(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._car(lid="shut")
        return {}

    async def _network(self, asked: Mapping[str, Any]) -> Mapping[str, Any]:
        await self._car(mode="awake" if asked.get("on") else "no_coverage")
        return {}

    async def _worn(self, _: Mapping[str, Any]) -> Mapping[str, Any]:
        """The car measures its pads; what comes of it is the service's."""
        await self._car(pad_wear=_WORN_AWAY)
        return {}

    async def _car(self, **wanted: Any) -> None:  # noqa: ANN401 - as ``control.Ask``
        try:
            await ask(self.unit, wanted)
        except NotRunning as cause:
            raise CarGone("The simulated car does not run. Start the demo again.") from cause
        await self.news.look_at_car()

    async def _as_carrier(self, work: Callable[[], Awaitable[_T]]) -> _T:
        """Its token lives ten minutes."""
        try:
            return await work()
        except Refused as refused:
            if refused.status != 401:
                raise
        await self.carrier.sign_in()
        return await work()

    async def _owner(self) -> str:
        """By a mail's link; one that was followed on a page meanwhile is passed over."""
        api, mail = self.owner.api, self.owner.mail
        await api.call("POST", "/v1/sign-in", {"email": self.owner.address})
        for _ in range(_SIGN_INS):
            letter = await mail.wait(self.owner.address, "Sign in")
            try:
                made = await api.call("POST", "/v1/session", {"token": link_token(letter)})
            except Refused as refused:
                if refused.status != 410:
                    raise
            else:
                self.news.pass_over()
                return str(made["token"])
        raise NotNow("The owner could not sign in.")

    async def _good(self, token: str) -> bool:
        if not token:
            return False
        try:
            await self.owner.api.call("GET", "/v1/me", token=token)
        except Refused as refused:
            if refused.status == 401:
                return False
            raise
        return True


def _challenge(begun: Mapping[str, Any]) -> bytes:
    return unb64(begun["options"]["challenge"])
