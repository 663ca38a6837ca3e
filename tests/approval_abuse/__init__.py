"""What people and programs try against an owner's approval, and what comes of it: the rows of one table."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Row:
    """One attempt: what was answered (status and code), what holds afterwards, what the owner was told."""

    attempt: str
    status: str
    outcome: str
    told: str = "nothing new"


TABLE: dict[str, Row] = {}
"""Filled by ``tests/service/test_approval_abuse.py``, in the order of its tests."""


def record(attempt: str, status: str, outcome: str, told: str = "nothing new") -> None:
    """Keep a row that its test has just proven."""
    TABLE[attempt] = Row(attempt, status, outcome, told)


def printed() -> str:
    """The table as Markdown."""
    lines = ["| attempt | answer | outcome | the owner was told |", "|---|---|---|---|"]
    lines += [f"| {row.attempt} | {row.status} | {row.outcome} | {row.told} |" for row in TABLE.values()]
    return "\n".join(lines)
