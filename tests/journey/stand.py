"""A whole installation with one car and its cast, on the short profile: what journeys and chaos runs stand on."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, ParamSpec, TypeVar

from tests import warm
from trunkline.devices import load_key, make_key
from trunkline.play import Api, Carrier, Courier, Mailbox, Owner, Refused, link_token
from trunkline.stage import Stage
from vehicle_unit.control import NotRunning, ask

_P = ParamSpec("_P")
_T = TypeVar("_T")

PROFILE: Final = Path(__file__).with_name("profile.toml")
HOME: Final = (57.7089, 11.9746)
QUICK: Final = ("--settings", str(PROFILE), "--lifts-after", "0.1", "--shuts-after", "0.2")
"""A person at the boot who is quick; the unit's durations come from the profile."""


@dataclass(frozen=True)
class Cast:
    """The people and the car of one test, over one HTTP client."""

    owner: Owner
    carrier: Carrier
    courier: Courier
    vehicle: str
    unit: str
    address: str

    def over(self, api: Api) -> "Cast":
        """The same people with another HTTP client (each test has a loop of its own)."""
        return replace(
            self,
            owner=replace(self.owner, api=api),
            carrier=replace(self.carrier, api=api),
            courier=replace(self.courier, api=api),
        )


@dataclass
class Stand:
    """A stage and who plays on it. Its hands start processes from one thread that outlives every loop:

    a child ends with the thread that started it.
    """

    directory: Path
    stage: Stage = field(init=False)
    known: Cast = field(init=False)
    couriers: int = 0
    _hands: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1), init=False, repr=False)

    def __post_init__(self) -> None:
        self.stage = Stage(self.directory, profile=PROFILE, nursery=warm.nursery())

    def start(self) -> None:
        """Everything up, the car claimed, the cast signed in."""
        try:
            self._hands.submit(self.stage.start).result()
            self._hands.submit(self.stage.add_car, "car", options=self.unit_options()).result()
            asyncio.run(self._introduce())
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """End everything."""
        self._hands.submit(self.stage.stop).result()
        self._hands.shutdown()

    def unit_options(self) -> tuple[str, ...]:
        """How the car's process is started."""
        return (*QUICK, "--position", f"{HOME[0]},{HOME[1]}")

    async def by_hand(self, does: Callable[_P, _T], *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Do something with processes from the hands' thread."""
        return await asyncio.get_running_loop().run_in_executor(self._hands, lambda: does(*args, **kwargs))

    async def kill(self, name: str) -> None:
        """SIGKILL one of store, broker, work, gateway, api, unit-car."""
        await self.by_hand(self.stage.kill, name)

    async def start_again(self, name: str) -> None:
        """Start what was killed, and return when it says that it is ready."""
        match name:
            case "store":
                await self.by_hand(self.stage.start_store)
            case "broker":
                await self.by_hand(self.stage.start_broker)
            case _ if name.startswith("unit-"):
                car = name.removeprefix("unit-")
                await self.by_hand(self.stage.start_unit, car, options=self.unit_options())
            case _:
                await self.by_hand(self.stage.start_service, name)

    def unit_folder(self, name: str = "car") -> Path:
        """Where a unit keeps its memory."""
        return self.directory / "units" / name

    async def car(self, name: str = "car", /, **wanted: Any) -> dict[str, Any]:
        """Do something to the simulated car; gives its state."""
        return await ask(self.unit_folder(name), wanted)

    async def car_comes_to(self, lock: str, *, connected: bool = True, seconds: float = 60) -> None:
        """Wait until the car's lock is in this state and the car is (or is not) on the air."""

        async def there() -> bool:
            try:
                state = await self.car()
            except NotRunning:  # it is starting
                return False
            return bool(state["lock"] == lock and state["connected"] == connected)

        await until(there, f"the lock is {lock}", seconds=seconds)

    async def tidy(self) -> None:
        """The car as every test finds it: at home, parked, shut, locked, awake."""
        with contextlib.suppress(NotRunning):
            await self.car(
                jammed=False, lid="shut", ignition=False, parked=True, speed_kmh=0, doors="shut",
                blocked=False, position=HOME, mode="awake",
            )  # fmt: skip
            await self.car_comes_to("latched")

    @contextlib.asynccontextmanager
    async def cast(self, api: Api | None = None) -> AsyncIterator[Cast]:
        """The cast over an HTTP client of this loop."""
        async with api or Api(self.stage.url) as client:
            yield self.known.over(client)

    async def more_car(self, cast: Cast, name: str) -> tuple[str, str, str]:
        """A further car of the same owner: its vehicle, unit and an address."""
        answer = await self.by_hand(self.stage.add_car, name, options=self.unit_options())
        vehicle = await self._claimed(cast.owner, name)
        return vehicle, answer["unit"], await cast.owner.make_address(vehicle)

    async def more_courier(self, cast: Cast) -> Courier:
        """A further courier of the carrier, with a device of their own."""
        self.couriers += 1
        identity, code = await cast.carrier.name_courier(f"Courier {self.couriers}")
        file = self.directory / "test-keys" / f"courier-{self.couriers}.pem"
        make_key(file)
        courier = Courier(cast.carrier.api, load_key(file), position=HOME)
        await courier.enrol(code)
        assert courier.courier == identity
        return courier

    async def _introduce(self) -> None:
        async with Api(self.stage.url) as api:
            owner = Owner(api, Mailbox(self.directory / "mail"), "ada@example.org")
            await owner.sign_in()
            await owner.choose_link()
            vehicle = await self._claimed(owner, "car")
            address = await owner.make_address(vehicle)
            carrier = await self.more_carrier(api, "Parcel Post")
            file = self.directory / "test-keys" / "courier.pem"
            make_key(file)
            courier = Courier(api, load_key(file), position=HOME)
            await courier.enrol((await carrier.name_courier("Sam"))[1])
            unit = json.loads((self.unit_folder() / "unit.json").read_text("utf-8"))["unit"]
            self.known = Cast(owner, carrier, courier, vehicle, unit, address)

    async def more_carrier(self, api: Api, name: str, *options: str) -> Carrier:
        """A carrier with its own key, signed in."""
        file = self.directory / "test-keys" / f"{name.replace(' ', '-').lower()}.pem"
        public = file.with_suffix(".jwk.json")
        jwk = make_key(file)
        public.write_text(json.dumps(jwk), "utf-8")
        enrolled: Mapping[str, str] = await self.by_hand(
            self.stage.command, "carrier", "enrol", name, "--public-jwk", str(public), *options
        )
        carrier = Carrier(api, enrolled["client_id"], load_key(file))
        await carrier.sign_in()
        return carrier

    async def _claimed(self, owner: Owner, name: str) -> str:
        code = (await self.by_hand(self.stage.pair, name))["code"]
        vehicle = ""

        async def claimed() -> bool:
            nonlocal vehicle
            with contextlib.suppress(Refused):
                vehicle = await owner.claim(code)
            return bool(vehicle)

        await until(claimed, f"{name} is claimed")
        return vehicle


async def until(there: Callable[[], Any], what: str, *, seconds: float = 60) -> None:
    """Wait for a condition, looked at often."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not await there():
        if loop.time() > end:
            raise TimeoutError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(0.03)


async def question(owner: Owner, delivery: str) -> tuple[str, dict[str, Any]]:
    """The token of the link in the mail about this delivery, and what it asks.

    Mails about others are left unanswered: those of tests before, which nobody has read, lie in the same box.
    """
    while True:
        letter = await owner.mail.wait(owner.address, "May ")
        token = link_token(letter)
        try:
            asked = await owner.api.call("POST", "/v1/questions/open", {"token": token})
        except Refused as refused:
            if refused.status != 410:  # an older question that is over
                raise
            continue
        if asked["delivery"] == delivery:
            return token, asked


async def decide(
    owner: Owner, delivery: str, decision: str = "approve", *, silent: bool = False
) -> dict[str, Any]:
    """Follow the link in the mail about this delivery."""
    token, asked = await question(owner, delivery)
    answer = {"token": token, "decision": decision, "shown": asked["shown"], "silent": silent}
    decided: dict[str, Any] = await owner.api.call("POST", "/v1/questions/decide", answer)
    return decided


async def mailed(owner: Owner, subject: str, delivery: str, *, seconds: float = 60) -> str:
    """The mail with this subject about this delivery."""
    while True:
        letter = await owner.mail.wait(owner.address, subject, seconds=seconds)
        if delivery in letter:
            return letter


async def ready_to_open(
    cast: Cast, reference: str, *, address: str = "", seconds: float = 3600
) -> tuple[str, str]:
    """An approved delivery whose courier stands at the car: its id and the key's token."""
    carrier, courier = cast.carrier, cast.courier
    delivery = await carrier.order(
        address or cast.address, courier=courier.courier, reference=reference, hours=seconds / 3600
    )
    await decide(cast.owner, delivery)
    token = await courier.key(delivery)
    await carrier.wait_for(delivery, {"keyed"})  # the key service is a moment ahead of the delivery
    await courier.arrive(delivery)
    return delivery, token


async def finish(cast: Cast, delivery: str) -> None:
    """After an opening: wait for the lock, say done."""
    await cast.carrier.wait_for(delivery, {"closed"})

    async def locked() -> bool:
        return "locked" in (await cast.carrier.view(delivery))["times"]

    await until(locked, "locked is told")
    await cast.courier.post(delivery, "done")
    await cast.carrier.wait_for(delivery, {"delivered"})


async def order_unnamed(cast: Cast, reference: str, *, address: str = "") -> str:
    """An order that names no courier to the owner: the carrier may assign one, or another, later."""
    carrier, now = cast.carrier, datetime.now(UTC)
    window = {"start": now.isoformat(), "end": (now + timedelta(hours=2)).isoformat()}
    wanted = {"address": address or cast.address, "window": window, "reference": reference}
    made = await carrier.api.call("POST", "/v1/deliveries", wanted, token=carrier.token)
    return str(made["id"])
