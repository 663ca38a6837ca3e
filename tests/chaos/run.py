"""One run: a delivery, a kill at a random moment of it, the victim started again, and what came of it."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from spine.facts import delivery as d
from spine.facts.keys import BootLocked
from tests.chaos.ledger import Ledger
from tests.chaos.phones import ENDED, PatientApi, open_and_finish
from tests.journey.sink import Sink
from tests.journey.stand import Cast, Stand, decide, mailed, until
from trunkline.desk import Desk, desk
from trunkline.settings import Settings
from trunkline.stage import Stage
from vehicle_unit.receipts import FILE as RECEIPTS
from vehicle_unit.record import SLOTS

VICTIMS: Final = ("unit-car", "gateway", "work", "api", "store", "broker")
_SETTLES: Final = 90.0
_LENGTHS: Final = {"order": 1.0, "tap": 0.15, "consuming": 0.004}
"""Seconds after each moment within which a kill is drawn; a quick delivery takes about one in all."""


@dataclass
class Run:
    """What is to happen, and what came of it. Times in seconds."""

    number: int
    victim: str
    moment: str
    after: float
    down: float
    delivery: str = ""
    state: str = ""
    took: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        when = f"{self.after:.3f} s after the {self.moment}, down {self.down:.2f} s"
        return (
            f"run {self.number}: {self.victim} killed {when}, {self.delivery or 'no delivery'} {self.state}"
        )


def drawn(number: int, seed: int, *, victims: Sequence[str] = VICTIMS) -> Run:
    """Run ``number`` of a seed: victims in turn; the moment anywhere in the delivery or within the tap.

    For the unit also right after it wrote that the key is used, before it can have said that it opened.
    """
    dice = random.Random(f"{seed}.{number}")
    victim = victims[number % len(victims)]
    moment = dice.choice(["order", "tap", "consuming"] if victim == "unit-car" else ["order", "tap"])
    after = dice.uniform(0, _LENGTHS[moment])
    return Run(number, victim, moment, after, dice.uniform(0, 1.0))


async def play(run: Run, stand: Stand, cast: Cast, sink: Sink, ledger: Ledger) -> None:
    """Play it; what is wrong is in ``run.wrong``."""
    began, wrong_before = time.monotonic(), len(ledger.wrong)
    tapped = asyncio.Event()
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(_deliver(run, cast, tapped))
            both.create_task(_kill(run, stand, tapped))
    except* Exception as errors:
        run.wrong += [f"{type(one).__name__}: {one}" for one in _leaves(errors)]
        await revive(run, stand)
    try:
        await _settle(run, stand, cast, sink, ledger)
    except (TimeoutError, LookupError, OSError) as error:
        run.wrong.append(f"did not settle: {error}")
    run.wrong += ledger.wrong[wrong_before:]
    run.took = time.monotonic() - began


async def _deliver(run: Run, cast: Cast, tapped: asyncio.Event) -> None:
    owner, carrier, courier = cast.owner, cast.carrier, cast.courier
    run.delivery = await carrier.order(cast.address, courier=courier.courier, reference=f"run-{run.number}")
    await decide(owner, run.delivery)
    await courier.key(run.delivery, seconds=40)
    await courier.arrive(run.delivery)
    try:
        run.state = await open_and_finish(courier, run.delivery, tapped)
    finally:
        tapped.set()


async def _kill(run: Run, stand: Stand, tapped: asyncio.Event) -> None:
    if run.moment != "order":
        await tapped.wait()
    if run.moment == "consuming":
        files = [stand.unit_folder() / name for name in (*SLOTS, RECEIPTS)]
        await stand.by_hand(_kill_as_it_writes, stand.stage, run.victim, files, run.after)
    else:
        await asyncio.sleep(run.after)
        await stand.kill(run.victim)
    await asyncio.sleep(run.down)
    await stand.start_again(run.victim)


def _kill_as_it_writes(stage: Stage, victim: str, files: list[Path], after: float) -> None:
    """Kill as soon as a file is written, or after a second; from a thread that does nothing else meanwhile."""
    before, end = _written(files), time.monotonic() + 1
    while _written(files) == before and time.monotonic() < end:
        time.sleep(0)
    time.sleep(after)
    stage.kill(victim)


def _written(files: list[Path]) -> list[int]:
    return [file.stat().st_mtime_ns for file in files if file.exists()]


async def revive(run: Run, stand: Stand) -> None:
    """Start the victim of a run that broke off."""
    if run.victim not in stand.stage.children:
        await stand.start_again(run.victim)


async def _settle(run: Run, stand: Stand, cast: Cast, sink: Sink, ledger: Ledger) -> None:
    """Wait until the car and the log are at rest, then look at everything that was said."""
    await stand.car_comes_to("latched", seconds=_SETTLES)
    settings = Settings(data_dir=stand.directory)
    async with desk(settings) as opened:
        await until(lambda: _caught_up(opened, ledger), "the server has every receipt", seconds=_SETTLES)
        if run.delivery:
            await until(lambda: _over(run, opened, cast, ledger), "an end or unsure", seconds=_SETTLES)
        ledger.check_openings()
        if run.victim == "store":
            await ledger.check_whole(opened)
    if run.delivery:
        run.state = str((await cast.carrier.view(run.delivery))["state"])
        _check_acknowledged(run, ledger)
        await _check_told(run, cast, sink, ledger)


async def _caught_up(opened: Desk, ledger: Ledger) -> bool:
    await ledger.read_on(opened)
    return ledger.told_to_server >= ledger.told_by_unit


async def _over(run: Run, opened: Desk, cast: Cast, ledger: Ledger) -> bool:
    """At an end with its key destroyed (``delivery.ended``) and its boot locked, or unsure."""
    await ledger.read_on(opened)
    state = str((await cast.carrier.view(run.delivery))["state"])
    told = {type(one) for one in ledger.of[run.delivery]}
    # Who is quick says done before the lock's last word, which another reader verifies and may tell after the end.
    at_rest = d.DeliveryEnded in told and (state != "delivered" or BootLocked in told)
    return state == "unsure" or (state in ENDED and at_rest)


def _check_acknowledged(run: Run, ledger: Ledger) -> None:
    """What an actor was told is done stands in the log."""
    kinds = {one.kind for one in ledger.of[run.delivery]}
    wanted = {"delivery.requested", "delivery.asked", "delivery.approved", "key.issued", "key.signed",
              "delivery.keyed", "delivery.en_route", "delivery.arrived"}  # fmt: skip
    if run.state == "delivered":
        wanted |= {"delivery.closed", "delivery.delivered", "key.consumed", "key.destroyed", "boot.locked"}
    if missing := wanted - kinds:
        run.wrong.append(f"lost: {', '.join(sorted(missing))}")


async def _check_told(run: Run, cast: Cast, sink: Sink, ledger: Ledger) -> None:
    """`unsure` and `left_open` are never silent: owner and carrier hear of them."""
    subjects = {"delivery.unsure": "may be open", "delivery.left_open": "stands open"}
    for kind in {one.kind for one in ledger.of[run.delivery]} & set(subjects):
        await mailed(cast.owner, subjects[kind], run.delivery, seconds=_SETTLES)
        await sink.wait(kind, run.delivery, seconds=_SETTLES)


def _leaves(errors: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    found: list[BaseException] = []
    for one in errors.exceptions:
        found += _leaves(one) if isinstance(one, BaseExceptionGroup) else [one]
    return found


def patient(stand: Stand) -> PatientApi:
    """The HTTP client of everybody in a run."""
    return PatientApi(stand.stage.url)
