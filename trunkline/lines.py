"""Logs on stderr: one line a happening, with its fields. Standard library only: the unit uses it too."""

import logging
import sys


def start_logging(level: str) -> None:
    """One line a happening on stderr: time, level, logger, event, then fields as key=value."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Fields("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=level, handlers=[handler], force=True)


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class _Fields(logging.Formatter):
    """Adds the fields a call gave in ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        more = " ".join(f"{k}={v!r}" for k, v in vars(record).items() if k not in _STANDARD)
        record.msg, record.args = f"{record.getMessage()} {more}".rstrip(), ()
        return super().format(record)
