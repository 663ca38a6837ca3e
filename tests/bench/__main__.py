"""``make bench``: run the lines asked for; JSON on stdout, the readable table on stderr."""

import argparse
import asyncio
import json
import sys
from collections.abc import Awaitable, Callable

from rich.console import Console
from rich.table import Table

from tests.bench import ingest, unlock
from tests.bench.line import Line

LINES: dict[str, Callable[[], Awaitable[Line]]] = {
    "unlock_roundtrip": unlock.measure,
    "ingest_durable": ingest.measure,
}


async def _run(names: list[str]) -> bool:
    table = Table("line", "ratio", "bar", "p99 ratio", "p99 bar", "ok", "what was seen")
    fine = True
    for name in names:
        try:
            line = await LINES[name]()
        except Exception as error:  # a peer that cannot run is a result, not a crash
            line = Line(name=name, ratio=None, bar=None, better="lower", ok=False, why=f"{type(error).__name__}: {error}")
        print(json.dumps(line.as_json()), flush=True)
        table.add_row(*line.as_row())
        fine = fine and line.ok
    Console(stderr=True, width=140).print(table)
    return fine


def main() -> int:
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
