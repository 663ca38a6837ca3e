"""One line of the benchmark: a ratio against a peer of the same run, its bar, and whether it holds."""

from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Line:
    name: str
    ratio: float | None
    bar: float | None
    better: Literal["higher", "lower"]
    ok: bool
    ratio_p99: float | None = None
    bar_p99: float | None = None
    why: str = ""
    seen: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def judged(cls, name: str, ratio: float, bar: float, better: Literal["higher", "lower"], *,
               ratio_p99: float | None = None, bar_p99: float | None = None, **seen: Any) -> "Line":
        def holds(value: float, limit: float) -> bool:
            return value >= limit if better == "higher" else value <= limit

        ok = holds(ratio, bar) and (ratio_p99 is None or bar_p99 is None or holds(ratio_p99, bar_p99))
        return cls(name, round(ratio, 3), bar, better, ok, None if ratio_p99 is None else round(ratio_p99, 3), bar_p99, "", seen)

    def as_json(self) -> dict[str, Any]:
        line: dict[str, Any] = {"name": self.name, "ratio": self.ratio, "bar": self.bar, "better": self.better, "ok": self.ok}
        if self.ratio_p99 is not None:
            line |= {"ratio_p99": self.ratio_p99, "bar_p99": self.bar_p99}
        if self.why:
            line["why"] = self.why
        return line | self.seen

    def as_row(self) -> list[str]:
        seen = ", ".join(f"{k} {v}" for k, v in self.seen.items())
        return [self.name, str(self.ratio), str(self.bar), str(self.ratio_p99 or "-"), str(self.bar_p99 or "-"),
                "yes" if self.ok else "NO", self.why or seen]


def percentile(values: list[float], share: float) -> float:
    """Nearest-rank percentile; ``share`` in 0 to 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, round(share * len(ordered) + 0.5) - 1))]
