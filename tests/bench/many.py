"""``python -m tests.bench.many --deliveries N``: N deliveries at once, each into a car of its own, to their end.

Every step is taken for all deliveries before the next begins, by ``CLIENTS`` people at a time over the public
API. Prints the figures of each step as one JSON line and as a table; exit code 1 unless all end as delivered
and all evidence verifies.
"""

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.table import Table

from keys.car.evidence import Roots, verify_file
from tests.bench.line import percentile
from tests.bench.stand import PROFILE, Stand
from trunkline.devices import load_key, make_key
from trunkline.play import Api, Carrier, Courier, Mailbox, Owner, Refused

CLIENTS: Final = 32
PEOPLE: Final = 10
"""Owners, and couriers: each has the same share of the cars, and does in a minute what a hundred would. The carrier is
one carrier: its own limits stay as they are."""
_PATIENCE: Final = 1_800.0
_TRIES: Final = 5
"""Taps of a person who is told to try again, ``_PAUSE`` seconds apart."""
_PAUSE: Final = 5.0
_SETTINGS: Final = """\
[people]
access_token_life = "PT2H"
claims_per_person = 100000
acts_per_session = 100000
acts_per_courier = 100000
sign_ins_per_client = 100000
redeems_per_client = 100000
tokens_per_carrier = 100000
"""


@dataclass
class Job:
    """One delivery and who has to do with it."""

    number: int
    owner: Owner
    courier: Courier
    code: str
    address: str = ""
    delivery: str = ""
    token: str = field(default="", repr=False)
    outcome: str = ""
    verdict: str = ""


@dataclass
class Steps:
    """What each step took: seconds of all, and milliseconds of each."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    async def take(self, name: str, jobs: Sequence[Job], act: Callable[[Job], Awaitable[object]]) -> None:
        """One step for all jobs, ``CLIENTS`` at a time."""
        turn, took = asyncio.Semaphore(CLIENTS), list[float]()

        async def one(job: Job) -> None:
            async with turn:
                started = time.perf_counter()
                await act(job)
                took.append((time.perf_counter() - started) * 1000)

        started = time.perf_counter()
        await asyncio.gather(*(one(job) for job in jobs))
        seconds = time.perf_counter() - started
        self.rows.append(
            {
                "step": name,
                "seconds": round(seconds, 1),
                "per_second": round(len(jobs) / seconds, 1),
                "p50_ms": round(percentile(took, 0.5), 1),
                "p99_ms": round(percentile(took, 0.99), 1),
            }
        )
        sys.stderr.write(f"{name}: {seconds:.1f} s\n")


async def measure(count: int) -> dict[str, Any]:
    """Play them all; gives the figures."""
    with tempfile.TemporaryDirectory(prefix="tl-many-") as folder:
        stand = Stand(Path(folder) / "data", settings=_settings())
        with stand:
            cars = await asyncio.to_thread(_fleet, stand, Path(folder) / "fleet", count)
            try:
                async with Api(stand.url) as api:
                    return await _play(stand, api, cars.codes, cars.seconds)
            finally:
                cars.process.terminate()
                cars.process.wait()


def _settings() -> str:
    gateway = PROFILE[PROFILE.index("[gateway]") :]
    return _SETTINGS + gateway


@dataclass
class Cars:
    process: subprocess.Popen[str]
    codes: list[str] = field(repr=False)
    seconds: float


def _fleet(stand: Stand, folder: Path, count: int) -> Cars:
    started = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.cars", str(folder), str(count)],
        stdout=subprocess.PIPE, env=stand.environment(), text=True,
    )  # fmt: skip
    line = process.stdout.readline() if process.stdout else ""
    if not line:
        raise RuntimeError("the fleet did not come on the air")
    return Cars(process, json.loads(line), time.perf_counter() - started)


async def _play(stand: Stand, api: Api, codes: list[str], seconds: float) -> dict[str, Any]:
    owners = [Owner(api, Mailbox(stand.directory / "mail"), f"owner{n}@example.org") for n in range(PEOPLE)]
    for owner in owners:
        await owner.sign_in()
        await owner.choose_link()
    carrier, couriers = await _carrier(stand, api)
    jobs = [Job(n, owners[n % PEOPLE], couriers[n % PEOPLE], code) for n, code in enumerate(codes)]
    steps, roots = Steps(), Roots.load(stand.directory / "roots")
    steps.rows.append({"step": "cars enrolled and on the air", "seconds": round(seconds, 1)})

    async def claim(job: Job) -> None:
        job.address = await job.owner.make_address(await _tried(lambda: job.owner.claim(job.code)))

    async def order(job: Job) -> None:
        job.delivery = await carrier.order(
            job.address, courier=job.courier.courier, reference=f"many-{job.number}"
        )

    async def approve(job: Job) -> None:
        seen = await _until(lambda: job.owner.view(job.delivery), lambda seen: seen["question"] is not None)
        answer = {"decision": "approve", "shown": seen["question"]["shown"]}
        path = f"/v1/owner/deliveries/{job.delivery}/decision"
        await api.call("POST", path, answer, token=job.owner.token)

    async def key(job: Job) -> None:
        await _until(lambda: carrier.view(job.delivery), lambda seen: seen["state"] == "keyed")
        job.token = await job.courier.key(job.delivery)

    async def arrive(job: Job) -> None:
        await job.courier.arrive(job.delivery)

    async def unlock(job: Job) -> None:
        for _ in range(_TRIES):
            try:
                proof = await job.courier.prove(job.delivery, job.token)
                answer = await job.courier.post(job.delivery, "open", {"proof": proof}, wait=25)
            except Refused as refused:
                if refused.status not in {429, 503}:
                    raise
                job.outcome = refused.problem["code"]
                await asyncio.sleep(_PAUSE)
            else:
                job.outcome = answer["outcome"]
                if not answer["try_again"]:
                    return

    async def finish(job: Job) -> None:
        await _until(
            lambda: carrier.view(job.delivery), lambda seen: seen["state"] in {"closed", "delivered"}
        )
        await job.courier.post(job.delivery, "done")
        await _until(lambda: carrier.view(job.delivery), lambda seen: seen["state"] == "delivered")

    async def destroyed(job: Job) -> None:
        await _until(lambda: job.owner.view(job.delivery), lambda seen: seen["key"]["state"] == "destroyed")

    async def evidence(job: Job) -> None:
        document = json.dumps(await carrier.evidence(job.delivery)).encode()
        job.verdict = (await asyncio.to_thread(verify_file, document, roots)).verdict

    for name, act in (
        ("claimed, with an address", claim), ("ordered", order), ("approved", approve),
        ("key in the courier's hand", key), ("arrived", arrive), ("challenge, proof, opened", unlock),
        ("delivered", finish), ("key destroyed", destroyed), ("evidence verified", evidence),
    ):  # fmt: skip
        await steps.take(name, jobs, act)
    return {
        "deliveries": len(jobs),
        "told_opened": sum(job.outcome == "opened" for job in jobs),
        "verified": sum(job.verdict == "verified" for job in jobs),
        "steps": steps.rows,
    }


async def _carrier(stand: Stand, api: Api) -> tuple[Carrier, list[Courier]]:
    folder = stand.directory / "demo-keys"
    (folder / "carrier.jwk.json").parent.mkdir(exist_ok=True)
    (folder / "carrier.jwk.json").write_text(json.dumps(make_key(folder / "carrier.pem")), "utf-8")
    enrolled = await asyncio.to_thread(
        stand.command, "carrier", "enrol", "Parcel Post", "--public-jwk", str(folder / "carrier.jwk.json")
    )
    carrier = Carrier(api, enrolled["client_id"], load_key(folder / "carrier.pem"))
    await carrier.sign_in()
    couriers = []
    for n in range(PEOPLE):
        _, code = await carrier.name_courier(f"Courier {n}")
        make_key(folder / f"courier{n}.pem")
        courier = Courier(api, load_key(folder / f"courier{n}.pem"))
        await courier.enrol(code)
        couriers.append(courier)
    return carrier, couriers


async def _tried(act: Callable[[], Awaitable[str]]) -> str:
    """A claim, until the car's word of its code has come."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return await act()
        except Refused:
            if time.monotonic() > until:
                raise
            await asyncio.sleep(0.25)


async def _until(
    look: Callable[[], Awaitable[dict[str, Any]]], fits: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    """Look, at growing intervals, until it fits."""
    until, wait = time.monotonic() + _PATIENCE, 0.1
    while True:
        try:
            seen = await look()
        except Refused as refused:
            if refused.status != 404:
                raise
        else:
            if fits(seen):
                return seen
            if time.monotonic() > until:
                raise TimeoutError(f"{seen.get('id')} is {seen.get('state')}")
        await asyncio.sleep(wait)
        wait = min(wait * 1.5, 2.0)


def main() -> int:
    """Exit code 0 when every delivery ended well and every evidence file verifies."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--deliveries", type=int, default=1_000)
    found = asyncio.run(measure(parser.parse_args().deliveries))
    print(json.dumps(found), flush=True)
    table = Table("step", "seconds", "per second", "p50 ms", "p99 ms")
    for row in found["steps"]:
        columns = ("seconds", "per_second", "p50_ms", "p99_ms")
        table.add_row(row["step"], *(str(row.get(column, "")) for column in columns))
    Console(stderr=True, width=110).print(table)
    return 0 if found["verified"] == found["deliveries"] else 1


if __name__ == "__main__":
    sys.exit(main())
