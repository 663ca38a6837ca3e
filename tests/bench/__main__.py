"""``make bench``: run the lines asked for; JSON on stdout, the readable table on stderr."""

import argparse
import asyncio
import json
import sys
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from tests.bench import ingest, local_open, page_decision, scan_to_case, unlock, verify, webhooks
from tests.bench.line import Better, Line


@dataclass(frozen=True)
class Wanted:
    """A line that can be asked for: its bar stands even where it cannot be measured."""

    measure: Callable[[], Awaitable[Line]]
    bar: float
    better: Better


LINES = {
    unlock.NAME: Wanted(unlock.measure, unlock.BAR, "lower"),
    local_open.NAME: Wanted(local_open.measure, local_open.BAR, "lower"),
    ingest.NAME: Wanted(ingest.measure, ingest.BAR, "higher"),
    verify.NAME: Wanted(verify.measure, verify.BAR, "lower"),
    scan_to_case.NAME: Wanted(scan_to_case.measure, scan_to_case.BAR, "higher"),
    page_decision.NAME: Wanted(page_decision.measure, page_decision.BAR, "lower"),
    webhooks.TASKIQ: Wanted(webhooks.vs_taskiq, webhooks.TASKIQ_BAR, "higher"),
    webhooks.BULLMQ: Wanted(webhooks.vs_bullmq, webhooks.BULLMQ_BAR, "higher"),
    webhooks.CPU: Wanted(webhooks.cpu_vs_raw_aiohttp, webhooks.CPU_BAR, "lower"),
    webhooks.FAIRNESS: Wanted(webhooks.fairness, webhooks.FAIRNESS_BAR, "lower"),
}


async def _run(names: list[str]) -> bool:
    table = Table("line", "ratio", "p99 ratio", "ok", "what was seen")
    fine = True
    for name in names:
        wanted = LINES[name]
        try:
            line = await wanted.measure()
        except Exception as error:  # a peer that cannot run is a result, not a crash
            traceback.print_exc()
            why = f"{type(error).__name__}: {error}"
            line = Line.impossible(name, wanted.bar, wanted.better, why)
        print(json.dumps(line.as_json()), flush=True)
        table.add_row(*line.as_row())
        fine = fine and line.ok
    Console(stderr=True, width=160).print(table)
    return fine


def main() -> int:
    """Exit code 0: every bar holds; 1: one does not; 64: no such line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", default="", help="comma-separated names")
    only = [name for name in parser.parse_args().only.split(",") if name]
    unknown = [name for name in only if name not in LINES]
    if unknown:
        sys.stderr.write(f"no such line: {', '.join(unknown)}; there are {', '.join(LINES)}\n")
        return 64
    return 0 if asyncio.run(_run(only or list(LINES))) else 1


if __name__ == "__main__":
    sys.exit(main())
