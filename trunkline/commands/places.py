"""Where this installation keeps its data, for commands that must work on the base install (no settings library)."""

import os
import sys
from pathlib import Path


def default_data_directory() -> Path:
    """``TRUNKLINE_DATA_DIR``, else ``.trunkline`` beside the virtual environment, else in the working directory."""
    given = os.environ.get("TRUNKLINE_DATA_DIR")  # noqa: TID251 - the settings library is not in the base install
    if given:
        return Path(given)
    prefix = Path(sys.prefix)
    return (prefix.parent if prefix.name == ".venv" else Path.cwd()) / ".trunkline"


def default_roots() -> Path | None:
    """The roots of this installation, or None where there is none."""
    folder = default_data_directory() / "roots"
    return folder if folder.is_dir() else None
