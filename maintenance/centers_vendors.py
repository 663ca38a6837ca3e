"""What every vendor's client is to us: start a task, stop it, and one kind of failure."""

from datetime import datetime
from typing import ClassVar, Protocol

from maintenance.centers_task import Task
from spine.problems import Kind, Problem


class VendorMissing(Problem):
    """What talks to this contact center is not installed."""

    code: ClassVar[str] = "centers.vendor_missing"
    kind: ClassVar[Kind] = Kind.UNAVAILABLE


class VendorFailed(Exception):
    """It did not work. ``reason``: the vendor's code or the kind of failure, never what was sent.

    ``for_good``: no later try can help.
    """

    def __init__(self, reason: str, *, for_good: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.for_good = for_good


class Vendor(Protocol):
    """A contact center that is asked by its own API.

    ``start``: ``again`` where an earlier try may have made the task. ``find``: the name of a task that may have been
    made under ``key`` after ``since``, to end it; None where there is none. ``task`` is None where the person may not be
    called any more.
    """

    async def start(self, task: Task, *, now: datetime, again: bool) -> str: ...

    async def find(self, key: str, task: Task | None, *, since: datetime, now: datetime) -> str | None: ...

    async def stop(self, ref: str, *, why: str) -> None: ...
