"""Which commands have been executed: a repeat gets the stored answer and is not done again (rule 6)."""

import json
from dataclasses import asdict, dataclass, field
from enum import Enum
from typing import Any, Final, Literal

from vehicle_unit.disk import Disk
from vehicle_unit.journal import Journal
from vehicle_unit.limits import UnitLimits

FILE: Final = "executed.log"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a command, as ``up/res`` says it."""

    outcome: Literal["received", "done", "refused"]
    code: str = ""
    may_have_opened: bool = False
    data: dict[str, Any] = field(default_factory=dict, repr=False)


INTERRUPTED: Final = Answer("refused", "interrupted")
"""Begun before the power went, and it did not come to an answer. Nothing of this kind opens the boot."""


class TooMany(Exception):
    """More live commands than can be remembered."""


class Keep(Enum):
    """How long a command must be remembered."""

    BOOT = "boot"
    """It only looks, or makes what ends with the boot."""
    ANSWER = "answer"
    """Its answer outlives the boot; that it was begun stands elsewhere (a receipt)."""
    BEGINNING = "beginning"
    """It acts: written durably before it is begun."""


class Executed:
    """Command ids until their ``exp`` (Unix seconds) with the answer, None while it is being worked on."""

    def __init__(self, disk: Disk, *, now: float, limits: UnitLimits) -> None:
        self._journal = Journal(disk, FILE)
        self._limits = limits
        self._known: dict[str, tuple[int, Answer | None]] = {}
        self._durable: set[str] = set()
        for line in self._journal.load(every_line_was_synced=False):
            self._read_line(line)
        for command, (exp, answer) in list(self._known.items()):
            if exp <= now:
                self._drop(command)
            elif answer is None:
                self._known[command] = (exp, INTERRUPTED)
        self._journal.rewrite(self._lines())

    def __contains__(self, command: str) -> bool:
        return command in self._known

    def answer(self, command: str) -> Answer | None:
        """The stored answer; None while there is none."""
        return self._known[command][1]

    def begin(self, command: str, exp: int, *, now: float, keep: Keep) -> None:
        """Remember before doing. Raises ``TooMany``."""
        if len(self._known) >= self._limits.executed_most:
            for old in [old for old, (until, _) in self._known.items() if until <= now]:
                self._drop(old)
            if len(self._known) >= self._limits.executed_most:
                raise TooMany
        self._known[command] = (exp, None)
        if keep is not Keep.BOOT:
            self._durable.add(command)
        if keep is Keep.BEGINNING:
            self._journal.append(_line(command, exp, None), sync=True)

    def finish(self, command: str, answer: Answer) -> None:
        """Keep the answer for repeats. One that was forgotten meanwhile is over: a repeat of it is not taken."""
        if command not in self._known:
            return
        exp, _ = self._known[command]
        self._known[command] = (exp, answer)
        if command in self._durable:
            self._journal.append(_line(command, exp, answer), sync=False)
            if self._journal.lines > self._limits.compact_after + len(self._durable):
                self._journal.rewrite(self._lines())

    def restore(self, command: str, exp: int, answer: Answer) -> None:
        """What receipts say of a command whose own answer was lost with the power."""
        self._known.setdefault(command, (exp, answer))

    def _lines(self) -> list[str]:
        return [_line(command, *self._known[command]) for command in self._known if command in self._durable]

    def _drop(self, command: str) -> None:
        del self._known[command]
        self._durable.discard(command)

    def _read_line(self, line: str) -> None:
        kept: dict[str, Any] = json.loads(line)
        answer = Answer(**kept["answer"]) if kept["answer"] is not None else None
        self._known[kept["cmd"]] = (kept["exp"], answer)
        self._durable.add(kept["cmd"])


def _line(command: str, exp: int, answer: Answer | None) -> str:
    told = None if answer is None else asdict(answer)
    return json.dumps({"cmd": command, "exp": exp, "answer": told}, separators=(",", ":"))
