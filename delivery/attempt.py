"""One tap before its commit: what it was decided on, and what it wants of the delivery."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from delivery.model import Read
from delivery.service import Turn
from delivery.witness import Witness
from spine.ids import KeyId
from spine.store import Saved
from vehicle_gateway.planning import Planned


@dataclass(frozen=True, slots=True)
class Attempt:
    """One tap before its commit: the delivery as it was read, and what is to become of it."""

    read: Read
    saved: Saved = field(repr=False)
    key: Saved = field(repr=False)
    planned: Planned
    witness: Witness = field(repr=False)
    now: datetime
    decide: Callable[[Read, Mapping[str, Saved]], Turn]

    def delivery(self, saved: Saved) -> Read:
        """The delivery of the commit: as it was read before, where nobody has changed it since. Raises ``Raced``."""
        read = self.read if saved is self.saved else Read.of(saved)
        if read is None:
            raise Raced
        return read

    @property
    def key_id(self) -> KeyId:
        """The key that is presented."""
        return KeyId(self.key.id)


class Raced(Exception):
    """The delivery changed between our look and our commit: look again."""
