"""``trunkline demo --fault``: a code in a simulated car, a mail, a visit in the owner's calendar, and a clean car again."""

import asyncio
import email
import email.policy
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from spine.problems import Kind, Problem
from trunkline.play import Api, Mailbox, Owner, Refused, link_token
from trunkline.stage import Stage
from vehicle_unit.simulated_elm import SimulatedElm

CODE = "P0301"
OWNER = "ada@example.org"
GARAGE = "garage@example.org"
_WITHIN = 60.0

Say = Callable[[str, str], None]


class NotPlayed(Problem):
    """What the demo waits for did not happen: something is badly wrong."""

    code: ClassVar[str] = "demo.not_played"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Workshop:
    """A garage with its token."""

    id: str
    token: str = field(repr=False)


async def play_fault(stage: Stage, say: Say, claimed: Callable[[Owner, str], Awaitable[str]]) -> Path:
    """Play it on a stage that is up; the path of the invitation, as it lies in the mail. Raises ``NotPlayed``."""
    elm = SimulatedElm()
    try:
        async with Api(stage.url) as api:
            return await _play(stage, api, say, claimed, elm)
    finally:
        elm.close()


async def _play(
    stage: Stage, api: Api, say: Say, claimed: Callable[[Owner, str], Awaitable[str]], elm: SimulatedElm
) -> Path:
    answer = stage.add_car(options=("--elm", elm.address))
    say("car", f"{answer['unit']} is on the air and reads an ELM327 adapter at {elm.address}")
    owner = Owner(api, Mailbox(stage.directory / "mail"), OWNER)
    await owner.sign_in()
    vehicle = await claimed(owner, (await asyncio.to_thread(stage.pair))["code"])
    say("owner", f"{OWNER} has claimed the car")
    workshop = await _workshop(stage)
    say("garage", f"Garage Noord ({workshop.id}) publishes its free hours")

    elm.has([CODE])
    await _drive(stage)
    case = await _case(owner, vehicle, "offered")
    code = case["codes"][0]
    say("car", f"the lamp is lit: {code['code']} is confirmed; the scan goes out by MQTT")
    say("case", f"{case['id']}: {case['name']}, [bold]{case['urgency']}[/] ({case['severity_source']})")
    say("case", f"{code['means']} {case['drive']}")

    letter = await owner.mail.wait(OWNER, "Your car reports", seconds=_WITHIN)
    say("owner", "gets a mail in plain words, with a link to book")
    token = link_token(letter)
    shown = await api.call("POST", "/v1/booking/open", {"token": token})
    slot = shown["offers"][0]["slots"][0]
    booked = await api.call("POST", "/v1/booking/book", {"token": token, "slot": slot["slot"]})
    appointment = booked["appointment"]["id"]
    await _case(owner, vehicle, "booked")
    say("owner", f"books {slot['start']}; nobody else can have that hour")
    path = await _invitation(stage, OWNER)
    await _invitation(stage, GARAGE)
    say("mail", f"invitation (iCalendar, METHOD:REQUEST) to owner and garage: {path}")

    for act, what in (("received", "the car has come"), ("done", "the work is finished")):
        await api.call("POST", f"/v1/garage/appointments/{appointment}/{act}", {}, token=workshop.token)
        say("garage", what)
    elm.has([])
    closed = await _mended(stage, owner, vehicle)
    say("car", "the lamp is off, no code, every monitor complete: one clean scan is enough after a repair")
    say("case", f"closed: {closed['says']}")
    return path


async def _workshop(stage: Stage) -> Workshop:
    made = await asyncio.to_thread(
        stage.command, "garage", "make", "Garage Noord", "--address", "Kade 1, Utrecht", "--mail", GARAGE,
        "--hours", "mon-sun 00:00-23:00", "--notice", "0",
    )  # fmt: skip
    return Workshop(made["garage"], made["token"])


async def _drive(stage: Stage) -> None:
    """Off and on: a new drive cycle, in which the unit reads the car."""
    directory = str(stage.directory / "units" / "car")
    for on in ("false", "true"):
        await asyncio.to_thread(stage.command, "unit", "tell", f'{{"ignition": {on}}}', "--dir", directory)


async def _mended(stage: Stage, owner: Owner, vehicle: str) -> dict[str, Any]:
    """Drive until the case is closed: a scan that overtakes the news of the repair counts as one of three."""
    for _ in range(2):
        await _drive(stage)
        try:
            return await _case(owner, vehicle, "ended", within=_WITHIN / 4)
        except NotPlayed:
            continue
    await _drive(stage)
    return await _case(owner, vehicle, "ended")


async def _case(owner: Owner, vehicle: str, state: str, *, within: float = _WITHIN) -> dict[str, Any]:
    """The car's newest case, once its trigger stands there. Raises ``NotPlayed``."""
    until = time.monotonic() + within
    while True:
        try:
            seen = await owner.api.call("GET", f"/v1/owner/cars/{vehicle}/cases", token=owner.token)
        except Refused as refused:
            if refused.status < 500:
                raise
            seen = {"data": []}
        if seen["data"] and seen["data"][0]["state"] == state:
            found: dict[str, Any] = seen["data"][0]
            return found
        if time.monotonic() > until:
            raise NotPlayed(f"no case of {vehicle} is {state}")
        await asyncio.sleep(0.05)


async def _invitation(stage: Stage, address: str) -> Path:
    """The calendar part of the mail to this address, put beside as a file."""
    until = time.monotonic() + _WITHIN
    while time.monotonic() < until:
        for path in sorted((stage.directory / "mail").glob("*.eml")):
            letter = email.message_from_bytes(path.read_bytes(), policy=email.policy.default)
            part = next((each for each in letter.walk() if each.get_content_type() == "text/calendar"), None)
            if letter["To"] == address and part is not None:
                file = stage.directory / "calendar" / f"{address}.ics"
                file.parent.mkdir(exist_ok=True)
                file.write_text(part.get_content(), "utf-8", newline="")
                return file
        await asyncio.sleep(0.05)
    raise NotPlayed(f"no invitation to {address}")
