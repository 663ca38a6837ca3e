"""Where the demo and its page meet: a Unix socket in the demo's folder, however deep that lies."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

SOCKET: Final = "stage.sock"
KEY_HEADER: Final = "X-Stage-Key"
"""What a browser's cookie says, as the API passes it on."""


@contextmanager
def short_path(socket: Path) -> Iterator[str]:
    """The socket's path in at most 108 bytes. Raises ``OSError`` where its folder is not there."""
    opened = os.open(socket.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{opened}/{socket.name}"
    finally:
        os.close(opened)
