"""When a process of ours looks for garbage in cycles: rarely, and never among what it started with."""

import gc
from typing import Final

_NEW_OBJECTS: Final = 10_000
"""After which the collector looks for cycles among them: less than a millisecond."""


def keep_what_was_loaded() -> None:
    """Take all that start-up made out of the collector's sight: each look at it would be a pause of 50 ms.

    It looks after ten thousand new objects, not seven hundred: what is at work at once is more than that, and looking
    at it over and over took a twentieth of a busy process.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, *gc.get_threshold()[1:])
