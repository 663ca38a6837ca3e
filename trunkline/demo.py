"""``trunkline demo``: the stage on embedded defaults, one delivery with a live timeline, and then yours on its page."""

import asyncio
import json
import shlex
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from rich.console import Console

from keys.car.evidence import Roots, verify_file
from spine.problems import Kind, Problem
from trunkline.commands.places import default_data_directory
from trunkline.devices import make_key
from trunkline.play import Api, Carrier, Courier, Mailbox, Owner
from trunkline.ports import free_port
from trunkline.processes import listening
from trunkline.stage import Stage
from trunkline.stage_page_door import Door
from trunkline.stage_page_show import curtain, log_of, until_ended
from trunkline.stage_page_socket import SOCKET

MARK = "demo"
OWNER = "ada@example.org"
POSITION = (57.7089, 11.9746)


class NotADemo(Problem):
    """The data directory holds a real installation, which a demo must not wipe."""

    code: ClassVar[str] = "demo.real_installation"
    kind: ClassVar[Kind] = Kind.CONFLICT


class NotVerified(Problem):
    """The demo's own evidence did not verify: something is badly wrong."""

    code: ClassVar[str] = "demo.not_verified"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: kept so that a person can go on by hand."""

    owner: Owner
    carrier: Carrier
    courier: Courier
    vehicle: str
    address: str


class Timeline:
    """Lines with seconds since the start, on stderr: stdout is for programs."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False)
        self._start = time.monotonic()

    def open_this(self, link: str) -> None:
        """The address of the demo's page, before all else."""
        self._console.print(f"Open this in your browser: [bold]{link}[/]\n", soft_wrap=True)

    def say(self, who: str, what: str) -> None:
        """One line."""
        at = time.monotonic() - self._start
        self._console.print(f"[dim]{at:7.2f} s[/]  [bold]{who:<8}[/] {what}", soft_wrap=True)


def run_demo(*, once: bool, port: int, broker: str | None, data: Path | None, fault: bool = False) -> int:
    """Play it. With ``once`` the last line of all output is the path of the evidence file, or of the invitation."""
    directory = (data or default_data_directory()).resolve()
    _clear(directory)
    timeline = Timeline()
    chosen = None if broker is None else _broker(broker)
    api_port = free_port() if listening(port) else port
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    # Whoever tries it out orders more often into one car than carriers do: each of them gets a mail.
    extra: dict[str, object] = {"delivery.prompts_most": 100, "people.sign_ins_per_address": 100}
    paged = not once and not fault
    if paged:
        extra["stage_socket"] = str(directory / SOCKET)
    stage = Stage(directory, broker=chosen, api_port=api_port, extra=extra)
    if stage.broker == "iotcore":
        timeline.say("broker", "iotcore: loopback, one password per unit, no ACL, nothing survives a restart")
    with stage:
        if paged:
            _stay(timeline, lambda: asyncio.run(_play_on_the_page(stage, timeline)))
            return 0
        timeline.say("stage", f"store, {stage.broker}, api, work and gateway are up; data in {directory}")
        path = asyncio.run(_play_fault(stage, timeline) if fault else _play(stage, timeline))
        if not once:
            _tell_where(stage, timeline)
            _stay(timeline, lambda: asyncio.run(until_ended(stage)))
    if once:
        sys.stderr.flush()
        print(path, flush=True)
    return 0


def _broker(name: str) -> Literal["mosquitto", "iotcore"]:
    if name == "mosquitto":
        return "mosquitto"
    if name == "iotcore":
        return "iotcore"
    raise NotADemo(f"there is no broker {name!r}: mosquitto or iotcore")


def _clear(directory: Path) -> None:
    """A demo begins anew, but only where a demo was: a real installation is never touched."""
    if directory.exists() and any(directory.iterdir()):
        if not (directory / MARK).exists():
            raise NotADemo(f"{directory} is a real installation; give the demo another folder with --data")
        from trunkline import embedded

        embedded.hold(directory).file.close()
        shutil.rmtree(directory)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    (directory / MARK).touch()


async def _play(stage: Stage, timeline: Timeline) -> Path:
    async with Api(stage.url) as api:
        return await _deliver_once(stage, await introduce(stage, api, timeline), timeline)


async def _play_on_the_page(stage: Stage, timeline: Timeline) -> list[str]:
    """The same with the demo's page, until something ends by itself; names of what did."""
    door = Door(stage.url, used=lambda link: timeline.say("page", f"is open; for another browser: {link}"))
    async with door.open(stage.directory), Api(stage.url) as api:
        timeline.open_this(door.link)
        timeline.say(
            "stage", f"store, {stage.broker}, api, work and gateway are up; data in {stage.directory}"
        )
        cast = await introduce(stage, api, timeline)
        await _deliver_once(stage, cast, timeline)
        unit = stage.directory / "units" / "car"
        # Not before: whoever starts processes keeps everybody waiting.
        async with log_of(stage) as tail, curtain(
            door, tail, directory=stage.directory, unit=unit, owner=cast.owner, carrier=cast.carrier,
            vehicle=cast.vehicle, address=cast.address, home=POSITION,
        ):  # fmt: skip
            _tell_where(stage, timeline)
            return await until_ended(stage)


async def _deliver_once(stage: Stage, cast: Cast, timeline: Timeline) -> Path:
    delivery = await deliver(cast, timeline)
    document = await cast.carrier.evidence(delivery)
    path = stage.directory / "evidence" / f"{delivery}.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document, indent=1), "utf-8")
    report = verify_file(path.read_bytes(), Roots.load(stage.directory / "roots"))
    if not report.verified:
        raise NotVerified("; ".join(f"{check.what}: {check.why}" for check in report.checks if not check.ok))
    timeline.say("evidence", f"{len(report.checks)} checks hold: {report.verdict}")
    return path


async def _play_fault(stage: Stage, timeline: Timeline) -> Path:
    from trunkline.fault_demo import play_fault

    return await play_fault(stage, timeline.say, claimed)


async def introduce(stage: Stage, api: Api, timeline: Timeline) -> Cast:
    """A car is enrolled, its owner claims it, a carrier and its courier come."""
    latitude, longitude = POSITION
    # Not in a thread: the car ends with the thread that started it, and it shall stay as long as the demo.
    answer = stage.add_car(options=("--position", f"{latitude},{longitude}"))
    timeline.say("car", f"{answer['unit']} is enrolled and on the air")
    owner = Owner(api, Mailbox(stage.directory / "mail"), OWNER)
    await owner.sign_in()
    await owner.choose_link()
    timeline.say("owner", "signed in by mail, has no passkey and chose that mail links approve")
    code = (await asyncio.to_thread(stage.pair))["code"]
    vehicle = await claimed(owner, code)
    address = await owner.make_address(vehicle)
    timeline.say("owner", f"claimed the car with code {code}, gives shops {address}")
    folder = stage.directory / "demo-keys"
    jwk_file = folder / "carrier.jwk.json"
    jwk = make_key(folder / "carrier.pem")
    jwk_file.write_text(json.dumps(jwk), "utf-8")
    enrolled = await asyncio.to_thread(
        stage.command, "carrier", "enrol", "Parcel Post", "--public-jwk", str(jwk_file)
    )
    from trunkline.devices import load_key

    carrier = Carrier(api, enrolled["client_id"], load_key(folder / "carrier.pem"))
    await carrier.sign_in()
    courier_id, enrolment_code = await carrier.name_courier("Sam")
    make_key(folder / "courier.pem")
    courier = Courier(api, load_key(folder / "courier.pem"), position=POSITION)
    await courier.enrol(enrolment_code)
    timeline.say("carrier", f"Parcel Post is enrolled; its courier Sam ({courier_id}) has a device key")
    _write_names(
        stage,
        {
            "CARRIER": carrier.client_id,
            "COURIER": courier_id,
            "VEHICLE": vehicle,
            "ADDRESS": address,
            "PERSON": owner.person,
        },
    )
    return Cast(owner, carrier, courier, vehicle, address)


def _write_names(stage: Stage, names: dict[str, str]) -> None:
    """``demo.env``: what a person sources to go on by hand (README.md)."""
    places = {"KEYS": stage.directory / "demo-keys", "MAIL": stage.directory / "mail"}
    values = {"URL": stage.url, "OWNER": OWNER, **names, **places}
    lines = [f"{name}={shlex.quote(str(value))}" for name, value in values.items()]
    (stage.directory / "demo.env").write_text("\n".join(lines) + "\n", "utf-8")


async def claimed(owner: Owner, code: str) -> str:
    """Claim the car once the code that it shows has reached the server.

    A person may try ten codes in ten minutes: each time it is waited twice as long, half a minute in all.
    """
    from trunkline.play import Refused

    for tries in range(9):
        try:
            return await owner.claim(code)
        except Refused as refused:
            if refused.status not in {404, 422, 403, 409, 410}:
                raise
            await asyncio.sleep(0.05 * 2**tries)
    return await owner.claim(code)


async def deliver(cast: Cast, timeline: Timeline) -> str:
    """One delivery, from the order to the destroyed key."""
    delivery = await cast.carrier.order(cast.address, courier=cast.courier.courier, reference="order-1001")
    timeline.say("carrier", f"orders {delivery} into {cast.address}")
    asked = await cast.owner.answer("approve")
    timeline.say(
        "owner", f"follows the link in the mail and approves (level link, shown {asked['shown'][:12]}...)"
    )
    token = await cast.courier.key(delivery)
    await cast.carrier.wait_for(delivery, {"keyed"})  # the key service is a moment ahead of the delivery
    timeline.say("keys", "a single-use key is signed, bound to the courier's device")
    await cast.courier.arrive(delivery)
    timeline.say("courier", "sets out, stands in front of the car")
    proof = await cast.courier.prove(delivery, token)
    timeline.say("car", "gives a challenge; the courier's device signs it")
    before = time.monotonic()
    opened = await cast.courier.post(delivery, "open", {"proof": proof, "position": cast.courier.here})
    took = (time.monotonic() - before) * 1000
    timeline.say("car", f"verifies, opens the boot: [bold]{opened['outcome']}[/] {took:.1f} ms after the tap")
    await cast.carrier.wait_for(delivery, {"closed", "delivered"})
    timeline.say("car", "lid shut, locked; each step is a signed receipt")
    await cast.courier.post(delivery, "done")
    await cast.carrier.wait_for(delivery, {"delivered"})
    await _destroyed(cast, delivery)
    timeline.say("owner", "sees opened, closed, locked and the key destroyed")
    return delivery


async def _destroyed(cast: Cast, delivery: str) -> dict[str, Any]:
    until = time.monotonic() + 20
    while True:
        seen = await cast.owner.view(delivery)
        if seen["key"]["state"] == "destroyed" or time.monotonic() > until:
            return seen
        await asyncio.sleep(0.05)


def _tell_where(stage: Stage, timeline: Timeline) -> None:
    timeline.say("pages", f"{stage.url}/ (sign in as {OWNER}; its mail is in {stage.directory / 'mail'})")
    timeline.say("api", f"{stage.url}/v1/openapi.json")
    timeline.say("next", "README.md, 'A delivery by hand'; Ctrl-C ends everything")


def _stay(timeline: Timeline, until_ended: Callable[[], list[str]]) -> None:
    """Until Ctrl-C, or a process of the stage ends by itself."""
    try:
        failed = until_ended()
    except (KeyboardInterrupt, SystemExit):
        return
    timeline.say("stage", f"ended by itself: {', '.join(failed)}")
