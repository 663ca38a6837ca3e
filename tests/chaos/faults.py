"""``make chaos CHAOS=faults``: processes are killed while several units report faults; faults in = cases out.

Each unit is a canary: it says a fault and the clean scans that mend it, over and over, kept on its disk until the
server has them. At the end the log is read once more: every scan that was said stands there once, the pure policy played
over them comes to exactly the cases, openings and closings in the store, and the sweep finds nothing wrong.
"""

import argparse
import asyncio
import random
import re
import shutil
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from maintenance import hearing, memory
from maintenance.cases import Vehicle
from maintenance.limits import MaintenanceLimits
from maintenance.lists import IN_STATE
from maintenance.policy import after_scan
from maintenance.service import Cases
from maintenance.states import TriggerState
from maintenance.sweeping import Sweeping
from spine.counters import Counters
from spine.facts import Fact
from spine.facts import maintenance as f
from spine.facts.vehicle import UnitScan
from spine.ids import VehicleId
from spine.index import Index
from spine.log import Log
from spine.progress import progress
from tests import warm
from tests.journey.stand import PROFILE, until
from trunkline.desk import Desk, desk
from trunkline.settings import Settings
from trunkline.stage import Stage

VICTIMS: Final = ("unit", "gateway", "work", "api", "store", "broker")
_SANG: Final = re.compile(r"canary\.sang")
_SCANS_A_SONG: Final = 4
_EVERY: Final = 0.3
_SETTLES: Final = 90.0
_READERS: Final = frozenset({"maintenance", "canary"})
_OUT: Final = {"case.opened": f.CaseOpened, "case.reopened": f.CaseReopened, "case.closed": f.CaseClosed}


@dataclass
class Seen:
    """What the log says."""

    facts: list[Fact] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    """Where the log ended then, by partition."""

    @property
    def scans(self) -> list[UnitScan]:
        return [one for one in self.facts if isinstance(one, UnitScan)]


class Faults:
    """A stage with several canaries."""

    def __init__(self, folder: Path, units: int, seed: int) -> None:
        self.folder, self.dice = folder, random.Random(seed)
        self.profile = folder / "profile.toml"
        self.profile.write_text(PROFILE.read_text("utf-8"), "utf-8")
        self.stage = Stage(folder, profile=self.profile, nursery=warm.nursery())
        self.units = [f"sings{n}" for n in range(units)]
        self.options = ("--settings", str(PROFILE), "--canary", str(_EVERY))
        self.vehicles: list[VehicleId] = []

    def start(self) -> None:
        """Everything up; the units are known as canaries before the first of them sings."""
        self.stage.start()
        for name in self.units:
            answer = self.stage.add_car(name, options=("--settings", str(PROFILE)))
            self.vehicles.append(VehicleId(answer["vehicle"]))
        named = ", ".join(f'"{one}"' for one in self.vehicles)
        with self.profile.open("a", encoding="utf-8") as profile:
            profile.write(f"\n[maintenance.cases]\ncanaries = [{named}]\n")
        self.stage.children.pop("work").stop()
        self.stage.start_service("work")
        for name in self.units:
            self.stage.children.pop(f"unit-{name}").stop()
            self.stage.start_unit(name, options=self.options)

    def kill_one(self, victim: str) -> str:
        """Kill at a random moment, and start it again after a while; what was done."""
        name = f"unit-{self.dice.choice(self.units)}" if victim == "unit" else victim
        time.sleep(self.dice.uniform(0, _EVERY))
        self.stage.kill(name)
        down = self.dice.uniform(0, 1)
        time.sleep(down)
        self._start(name)
        return f"{name} killed, down {down:.2f} s"

    def _start(self, name: str) -> None:
        match name:
            case "store":
                self.stage.start_store()
            case "broker":
                self.stage.start_broker()
            case "api" | "work" | "gateway":
                self.stage.start_service(name)
            case _:
                self.stage.start_unit(name.removeprefix("unit-"), options=self.options)

    def sung(self) -> int:
        """Songs that lie whole on the units' disks, by their own logs."""
        logs = self.folder / "logs"
        return sum(len(_SANG.findall((logs / f"unit-{name}.log").read_text("utf-8"))) for name in self.units)

    def hush(self) -> None:
        """No more songs; what was sung is still sent."""
        for name in self.units:
            self.stage.children.pop(f"unit-{name}").stop()
            self.stage.start_unit(name, options=("--settings", str(PROFILE)))


async def settled(open_: Desk, scans: int) -> Seen:
    """Wait until every scan is in the log and all of it was read; then what the log says."""
    log, seen = Log(open_.valkey, open_.house), Seen()

    async def all_read() -> bool:
        """The readers are at the log's end, and it did not grow while it was looked at: they write no more."""
        seen.ends = await _ends(log)
        if any(one.group in _READERS and one.late for one in await progress(log)):
            return False
        seen.facts = [
            entry.fact for partition in range(log.house.partitions) async for entry in log.entries(partition)
        ]
        return len(seen.scans) >= scans and seen.ends == await _ends(log)

    await until(all_read, f"all of {scans} scans in the log, and all of it read", seconds=_SETTLES)
    return seen


async def _ends(log: Log) -> list[str]:
    return [await log.last(partition) for partition in range(log.house.partitions)]


async def judge(open_: Desk, seen: Seen, vehicles: list[VehicleId]) -> list[str]:
    """What must never be."""
    wrong: list[str] = []
    ids = Counter(one.scan.get("scan_id") for one in seen.scans)
    wrong += [f"scan {name} stands {n} times in the log" for name, n in ids.items() if n > 1]
    told = Counter(one.kind for one in seen.facts)
    limits, played, known = MaintenanceLimits(), Counter[str](), dict[str, Vehicle]()
    for fact in seen.scans:
        scan = hearing.heard(fact.scan, fact.vehicle, fact.at, most=300).scan
        known[fact.vehicle], happened = after_scan(known.get(fact.vehicle, Vehicle()), scan, limits.faults)
        played.update(one.kind for one in happened)
    for kind in _OUT:
        if played[kind] != told[kind]:
            wrong.append(f"{kind}: {told[kind]} in the log, {played[kind]} by the policy over the same scans")
    sung = told["case.opened"] + told["case.reopened"]
    for kind in ("canary.sent", "canary.arrived"):
        if told[kind] != sung:
            wrong.append(f"{kind}: {told[kind]}, and {sung} faults became cases")
    cases, index = Cases(open_.store, open_.clock, limits), Index(open_.valkey, open_.house)
    sweeping = Sweeping(cases, index, Counters(open_.valkey))
    wrong += await sweeping.sweep(vehicles)
    for vehicle in vehicles:
        saved = memory.read(await open_.store.load(memory.subject_of(vehicle)))
        if saved.vehicle != known.get(vehicle, Vehicle()):
            wrong.append(f"{vehicle}: the store remembers something else than the policy over the same scans")
    if await index.count(IN_STATE, TriggerState.QUEUED.value):
        wrong.append("a canary stands on the agents' list")
    return wrong


def play(scans: int, units: int, seed: int) -> list[str]:
    """One run; what was wrong. At least so many scans, and each victim killed at least once."""
    folder = Path(tempfile.mkdtemp(prefix="tl-faults-"))
    faults, kills = Faults(folder, units, seed), 0
    try:
        faults.start()
        while faults.sung() * _SCANS_A_SONG < scans or kills < len(VICTIMS):
            told = faults.kill_one(VICTIMS[kills % len(VICTIMS)])
            kills += 1
            print(f"{kills}: {told}, {faults.sung()} songs", file=sys.stderr)
        faults.hush()
        sung = faults.sung()

        async def look() -> list[str]:
            async with desk(Settings(data_dir=folder)) as open_:
                log, seen = Log(open_.valkey, open_.house), Seen()
                while seen.ends != await _ends(log):
                    # Of a song that a kill broke off there are scans, too: one may still come while it is judged.
                    seen = await settled(open_, sung * _SCANS_A_SONG)
                    wrong = await judge(open_, seen, faults.vehicles)
                opened = sum(isinstance(one, f.CaseOpened | f.CaseReopened) for one in seen.facts)
                print(
                    f"{len(seen.scans)} scans of {units} units, {opened} faults became cases, {kills} kills, "
                    f"{len(wrong)} violations, seed {seed}",
                    file=sys.stderr,
                )
                return wrong

        wrong = asyncio.run(look())
    finally:
        faults.stage.stop()
    if wrong:
        print(f"the folder stays: {folder}", file=sys.stderr)
    else:
        shutil.rmtree(folder)
    return wrong


def main() -> int:
    """Exit code 1 on a violation."""
    parser = argparse.ArgumentParser(prog="make chaos CHAOS=faults", description=__doc__)
    parser.add_argument("--scans", type=int, default=2000)
    parser.add_argument("--units", type=int, default=3)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args()
    seed = random.SystemRandom().randrange(1 << 31) if asked.seed is None else asked.seed
    wrong = play(asked.scans, asked.units, seed)
    for why in wrong:
        print(f"VIOLATION {why}", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
