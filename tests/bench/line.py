"""One line of the benchmark: a ratio against a peer of the same run, its bar, and whether it holds."""

from dataclasses import dataclass, field
from typing import Any, Literal

Better = Literal["higher", "lower"]


@dataclass(frozen=True)
class Line:
    """``ratio`` is ours over the peer's; ``seen`` has the figures it was made of, with units in their names."""

    name: str
    ratio: float | None
    bar: float
    better: Better
    ok: bool
    ratio_p99: float | None = None
    bar_p99: float | None = None
    why: str = ""
    seen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def judged(
        cls,
        name: str,
        ratio: float,
        bar: float,
        better: Better,
        *,
        p99: tuple[float, float] | None = None,
        seen: dict[str, Any],
    ) -> "Line":
        """Whether the bars hold. ``p99``: the ratio of the 99th percentiles and its bar."""

        def holds(value: float, limit: float) -> bool:
            return value >= limit if better == "higher" else value <= limit

        ok = holds(ratio, bar) and (p99 is None or holds(*p99))
        ratio_p99, bar_p99 = (round(p99[0], 2), p99[1]) if p99 else (None, None)
        return cls(name, round(ratio, 3), bar, better, ok, ratio_p99, bar_p99, seen=seen)

    @classmethod
    def impossible(cls, name: str, bar: float, better: Better, why: str) -> "Line":
        """The peer, or we, could not run: no ratio, not ok, and why."""
        return cls(name, None, bar, better, ok=False, why=why)

    def as_json(self) -> dict[str, Any]:
        """The line as a program reads it."""
        line: dict[str, Any] = {
            "name": self.name,
            "ratio": self.ratio,
            "bar": self.bar,
            "better": self.better,
            "ok": self.ok,
        }
        if self.ratio_p99 is not None:
            line |= {"ratio_p99": self.ratio_p99, "bar_p99": self.bar_p99}
        if self.why:
            line["why"] = self.why
        return line | self.seen

    def as_row(self) -> list[str]:
        """The line as a person reads it."""
        than = "at least" if self.better == "higher" else "at most"
        p99 = "-" if self.ratio_p99 is None else f"{self.ratio_p99} ({than} {self.bar_p99})"
        seen = ", ".join(f"{name} {value}" for name, value in self.seen.items())
        ratio = f"{self.ratio} ({than} {self.bar})"
        return [self.name, ratio, p99, "yes" if self.ok else "NO", self.why or seen]


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile; ``share`` in 0 to 1."""
    ordered = sorted(values)
    rank = -int(-share * len(ordered) // 1)
    return ordered[min(len(ordered), max(1, rank)) - 1]
