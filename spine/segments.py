"""Archived pieces of the log: compressed JSON Lines, each naming the hash of the one before it."""

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from spine.log import START, order

_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Segment:
    """One file. It holds the entries after ``after`` up to and with ``through``; ``before``: the chain."""

    path: Path
    partition: int
    number: int
    after: str
    through: str
    before: str
    sha256: str
    entries: int


class SegmentBroken(Exception):
    """A file of the archive is not what was written."""


def path_of(folder: Path, partition: int, number: int) -> Path:
    """Where a segment lies: ``p07/000001.jsonl.gz``."""
    return folder / f"p{partition:02d}" / f"{number:06d}.jsonl.gz"


def write(
    folder: Path, partition: int, number: int, after: str, before: str, rows: Sequence[tuple[str, str]]
) -> Segment:
    """Write a segment so that it is whole on disk or not there. ``rows``: position and JSON, as stored."""
    path = path_of(folder, partition, number)
    path.parent.mkdir(parents=True, exist_ok=True)
    head = {
        "trunkline_log": _VERSION,
        "partition": partition,
        "segment": number,
        "after": after,
        "before": before,
    }
    lines = [head, *({"p": position, "f": raw} for position, raw in rows)]
    text = "".join(json.dumps(line, separators=(",", ":"), ensure_ascii=False) + "\n" for line in lines)
    packed = gzip.compress(text.encode(), mtime=0)
    draft = path.with_suffix(f".{os.getpid()}.draft")
    with draft.open("wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    for directory in (path.parent, folder):
        _sync(directory)
    digest = hashlib.sha256(packed).hexdigest()
    return Segment(path, partition, number, after, rows[-1][0], before, digest, len(rows))


def read(path: Path) -> tuple[Segment, list[tuple[str, str]]]:
    """A segment and its (position, JSON) rows. Raises ``SegmentBroken`` for anything that is not one."""
    try:
        packed = path.read_bytes()
        head, *lines = [json.loads(line) for line in gzip.decompress(packed).decode().split("\n")[:-1]]
        rows = [(str(line["p"]), str(line["f"])) for line in lines]
        segment = _segment(path, head, rows, hashlib.sha256(packed).hexdigest())
    except (OSError, EOFError, zlib.error, ValueError, KeyError, TypeError) as wrong:
        raise SegmentBroken(f"{path.name}: {type(wrong).__name__}") from wrong
    return segment, rows


def chain(folder: Path, partition: int) -> Iterator[tuple[Segment, list[tuple[str, str]]]]:
    """Every segment of a partition in order, checked against the one before. Raises ``SegmentBroken``."""
    number, after, before = 1, START, ""
    while (path := path_of(folder, partition, number)).exists():
        segment, rows = read(path)
        found = (segment.partition, segment.number, segment.after, segment.before)
        if found != (partition, number, after, before):
            raise SegmentBroken(f"{path.name} of partition {partition} does not follow the segment before it")
        yield segment, rows
        number, after, before = number + 1, segment.through, segment.sha256
    later = [each.name for each in path.parent.glob("*.jsonl.gz") if each.name > path.name]
    if later:
        raise SegmentBroken(f"{path.name} of partition {partition} is missing, {min(later)} is there")


def _segment(path: Path, head: dict[str, Any], rows: list[tuple[str, str]], digest: str) -> Segment:
    if head["trunkline_log"] != _VERSION:
        raise SegmentBroken(f"{path.name} is of another version")
    places = [order(head["after"]), *(order(position) for position, _ in rows)]
    if not rows or any(one >= other for one, other in pairwise(places)):
        raise SegmentBroken(f"{path.name} is not in order")
    return Segment(
        path,
        head["partition"],
        head["segment"],
        head["after"],
        rows[-1][0],
        head["before"],
        digest,
        len(rows),
    )


def _sync(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
