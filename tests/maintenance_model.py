"""A second, plainer model of the fault policy, written from the design's sentences alone: the oracle of its tests.

One code of one control unit in one system, one scan a drive cycle and day. It keeps the whole history and looks back
over it at every step, where the policy keeps a state.
"""

import random
from dataclasses import dataclass, field
from typing import Any

HISTORIES = "TRUNKLINE_TEST_HISTORIES"
"""In the environment: how many go through the store; ``make chaos CHAOS=histories`` sets it."""

KINDS = ("confirmed", "pending", "clean", "no_answer", "error", "partial", "partial_with", "erased", "skip")


@dataclass
class Oracle:
    """``history``: what each day said. ``days``: when each case opened, closed, opened again."""

    history: list[str] = field(default_factory=list)
    triggers: int = 0
    open: bool = False
    closed_on: int | None = None
    ever: bool = False

    def day(self, said: str) -> None:
        self.history.append(said)
        today = len(self.history) - 1
        if self.open:
            if self._proven(today):
                self.open, self.closed_on = False, today
            return
        there = said in {"confirmed", "pending", "partial_with"}
        # 30 days or 20 cycles, whichever is longer; here a day is a cycle
        back_soon = self.ever and self.closed_on is not None and today - self.closed_on <= 30
        if not (there and back_soon) and not self._needs_a_case(today):
            return
        self.triggers += not back_soon
        self.open = self.ever = True

    def _proven(self, today: int) -> bool:
        """Three clean days since the last one that showed it or was an erasure."""
        clean = 0
        for said in reversed(self.history[: today + 1]):
            if said in {"confirmed", "pending", "partial_with", "erased"}:
                return False
            clean += said == "clean"
            if clean == 3:
                return self.history[today] == "clean"
        return False

    def _needs_a_case(self, today: int) -> bool:
        if self.history[today] in {"confirmed", "partial_with"}:
            return True
        if self.history[today] != "pending":
            return False
        pending = clean = 0
        for said in reversed(self.history[: today + 1]):
            pending += said == "pending"
            clean = clean + 1 if said == "clean" else 0 if said in {"erased", "pending"} else clean
            if clean == 3:
                return False
            if pending == 2:
                return True
        return False


def drawn(seed: int, days: int) -> list[str]:
    """A random history: streaks of each kind, as cars have them."""
    rng = random.Random(seed)
    weights = [rng.random() ** 2 for _ in KINDS]
    history: list[str] = []
    while len(history) < days:
        kind = rng.choices(KINDS, weights)[0]
        history += [kind] * rng.choice((1, 1, 1, 2, 3, 4, 30 if kind == "skip" else 5))
    return history[:days]


def scan_of(said: str, day: int, warmups: int) -> dict[str, Any] | None:
    """The scan of a day; None where the car was not scanned."""
    if said == "skip":
        return None
    codes = {
        "confirmed": [{"code": "P0420", "status": "confirmed"}],
        "partial_with": [{"code": "P0420", "status": "confirmed"}],
        "pending": [{"code": "P0420", "status": "pending"}],
    }.get(said, [])
    outcome = (
        said if said in {"no_answer", "error"} else "partial" if said.startswith("partial") else "complete"
    )
    heard = outcome in {"complete", "partial"}
    return {
        "vehicle": "veh_0aaaaaaaaaaaaaaa", "boot": 1, "seq": day, "scan_id": f"s{day}", "source": "obd",
        "drive_cycle": day, "outcome": outcome, "mil": said in {"confirmed", "partial_with"} if heard else None,
        "readiness": {"supported": ["fuel"], "incomplete": ["fuel"] if said == "erased" else []} if heard else None,
        "since_clear": {"warmups": warmups, "km": 10 * warmups} if heard else None,
        "ecus": [{"id": "7E8", "answered": outcome == "complete", "codes": codes}] if heard else [],
    }  # fmt: skip
