"""Which worker plays what: one begins with the journeys, the others with everything else, and who is done helps.

A journey keeps more than a core busy (browser, services, the test itself), and most service tests less than one: two
workers at journeys would wait for each other first, and leave the cores idle at the end.
"""

from collections.abc import Sequence
from typing import Final

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

JOURNEYS: Final = "tests/journey/"


class JourneysApart(LoadScopeScheduling):
    """A file is played by one worker; the queue is in the order of what files take."""

    def __init__(self, config: pytest.Config, log: Producer | None = None) -> None:
        super().__init__(config, log)
        self.config.option.loadscopereorder = False

    def _assign_work_unit(self, node: WorkerController) -> None:
        self.workqueue.move_to_end(chosen(list(self.workqueue), journeys=node is self.nodes[0]), last=False)
        super()._assign_work_unit(node)


def chosen(waiting: Sequence[str], *, journeys: bool) -> str:
    """The first of the waiting files that is of a worker's kind; where none is left, the first."""
    return next((file for file in waiting if file.startswith(JOURNEYS) is journeys), waiting[0])
