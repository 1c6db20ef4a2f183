"""Structured logs: readable lines on a terminal, otherwise one JSON object a line, with the id of its request.

Entries hold what code passes in `extra`, nothing else: no headers, no query strings, so no key or token
can slip in.
"""

from __future__ import annotations

import json
import logging
import re
import sys
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)

REQUEST_LOGGER = "gateway.request"

# What a terminal obeys, or takes for a line's end: the path of a request may hold it. JSON escapes only the first 32.
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName", "color_message"}


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        entry: dict[str, object] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (current := request_id.get()) is not None:
            entry["request_id"] = current
        entry.update(fields(record))
        if record.exc_info:
            entry["exception"] = self.formatException(record.exc_info)
        return _CONTROLS.sub(_escaped, json.dumps(entry, ensure_ascii=False, default=str))


class TextFormatter(logging.Formatter):
    """For people: the message and its fields; time and level are the handler's."""

    def format(self, record: logging.LogRecord) -> str:
        told = fields(record)
        if record.name == REQUEST_LOGGER:
            return _CONTROLS.sub(_escaped, "{method} {path} {status} {seconds} s".format(**told))
        line = " ".join([record.getMessage(), *(f"{name}={value}" for name, value in told.items())])
        return f"{line}\n{self.formatException(record.exc_info)}" if record.exc_info else line


def _escaped(control: re.Match[str]) -> str:
    return f"\\u{ord(control[0]):04x}"


def fields(record: logging.LogRecord) -> dict[str, object]:
    """What the code passed in `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _STANDARD}


def announce(line: str) -> None:
    """Tells whoever started the service, on standard output."""
    with suppress(OSError):  # the terminal may be gone
        print(f"\r{line}" if sys.stdout.isatty() else line, flush=True)  # over the ^C that a terminal echoes
