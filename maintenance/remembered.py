"""What this process saved last of each subject it works on, so that it need not read it back. Never trusted, only tried.

Every commit is guarded by the versions it was decided on: where another process was faster, the store answers with
what is so, and the decision runs again on that. What is remembered here is therefore only ever a guess that spares a
round trip.
"""

from collections import OrderedDict
from collections.abc import Iterable, Mapping

from maintenance import memory
from maintenance.memory import Memory
from maintenance.model import Read
from spine.store import Saved, Store


class Remembered:
    """Subjects as last saved here, and vehicles' memories and cases as they were read from them; at most ``most``."""

    def __init__(self, store: Store, *, most: int) -> None:
        self._store = store
        self._most = most
        self._saved: OrderedDict[str, Saved] = OrderedDict()
        self._memories: dict[str, tuple[Saved, Memory]] = {}
        self._reads: dict[str, tuple[Saved, Read | None]] = {}

    def knows(self, subject: str) -> bool:
        """Whether ``of`` gives what was remembered, which may be outdated."""
        return subject in self._saved

    async def of(self, subjects: Iterable[str], *, new: Iterable[str] = ()) -> dict[str, Saved]:
        """As remembered, else as loaded; ``new``: surely not there yet."""
        found = {each: Saved(each) for each in new}
        missing = []
        for each in subjects:
            if each in found:
                continue
            if (known := self._saved.get(each)) is None:
                missing.append(each)
            else:
                self._saved.move_to_end(each)
                found[each] = known
        if missing:
            found.update(await self._store.load_many(missing))
        return found

    def keep(self, saved: Mapping[str, Saved]) -> None:
        """After a commit: this is how they stand."""
        for name, one in saved.items():
            self._saved[name] = one
            self._saved.move_to_end(name)
        while len(self._saved) > self._most:
            name, _ = self._saved.popitem(last=False)
            self._memories.pop(name, None)
            self._reads.pop(name, None)

    def drop(self, subjects: Iterable[str]) -> None:
        """After whatever went wrong: nothing is known of them."""
        for name in subjects:
            self._saved.pop(name, None)
            self._memories.pop(name, None)
            self._reads.pop(name, None)

    def memory(self, saved: Saved) -> Memory:
        """A vehicle's memory, read once for each time it is saved."""
        known = self._memories.get(saved.id)
        if known is not None and known[0] == saved:
            return known[1]
        return memory.read(saved)

    def keep_memory(self, saved: Saved, read: Memory) -> None:
        """The memory that was just saved so."""
        if saved.id in self._saved:
            self._memories[saved.id] = (saved, read)

    def keep_case(self, saved: Saved, read: Read) -> None:
        """The case that was just saved so."""
        if saved.id in self._saved:
            self._reads[saved.id] = (saved, read)

    def case(self, saved: Saved) -> Read | None:
        """A case, read once for each time it is saved."""
        known = self._reads.get(saved.id)
        if known is not None and known[0] == saved:
            return known[1]
        read = Read.of(saved)
        if saved.id in self._saved:
            self._reads[saved.id] = (saved, read)
        return read
