"""What every command takes and gives: documents on stdout, talk on stderr, JSON where it is asked for."""

import json
import re
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

DRAWN: Final = {"ignore_unknown_options": True, "help_option_names": ["--help"]}
"""Of a command whose argument was drawn at random (base64url): one in 64 begins with a hyphen, some with an h later."""
AsJson = Annotated[
    bool, typer.Option("--json", help="One JSON document a line on stdout, problems as JSON on stderr.")
]
Document = Annotated[str, typer.Argument(help="A JSON file, or - for standard input.")]


def show(document: object, *, as_json: bool) -> None:
    """Print one document: on one line for programs, indented for people."""
    text = json.dumps(document, indent=None if as_json else 2, default=_readable)
    print(text, flush=True)


def show_line(said: Mapping[str, Any], *, as_json: bool, first: tuple[str, ...]) -> None:
    """Print one of many: JSON for programs; for people the members named ``first``, then the others by name."""
    if as_json:
        show(said, as_json=True)
        return
    rest = [
        f"{name}={_readable(value)}"
        for name, value in said.items()
        if name not in first and value is not None
    ]
    print("  ".join([*(_readable(said[name]) for name in first), *rest]), flush=True)


def say(sentence: str) -> None:
    """Talk to the person, on stderr."""
    sys.stderr.write(f"{sentence}\n")
    sys.stderr.flush()


def read_document(source: str) -> Any:
    """A JSON file, or ``-`` for standard input. Raises ``OSError`` and ``json.JSONDecodeError``."""
    text = sys.stdin.read() if source == "-" else Path(source).read_text("utf-8")
    return json.loads(text)


def moment(text: str | None, option: str) -> datetime:
    """A time given as ``option``: unix seconds, or ISO 8601 (UTC where no zone is named); None: now."""
    from spine.clock import SystemClock

    if text is None:
        return SystemClock().now()
    try:
        if re.fullmatch(r"[0-9]+(\.[0-9]+)?", text):
            return datetime.fromtimestamp(float(text), UTC)
        read = datetime.fromisoformat(text)
        return read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        wanted = f"{option} is unix seconds, or such as 2026-01-31T12:00:00Z"
        raise typer.BadParameter(wanted, param_hint=option) from None


def _readable(value: object) -> str:
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
