"""What an embedded Triton and its models print: into a file for those who look for a fault, errors into the log."""

from __future__ import annotations

import logging
from collections import deque
from pathlib import Path
from typing import TextIO

LAST_LINES = 30  # part of the message when it fails

# Logged as errors by Triton though they are none: no GPU is to be found; a call is cancelled together with its stream.
_HARMLESS = ("CudaDriverHelper", "HandleCancellation called")

_log = logging.getLogger(__name__)


class TritonOutput:
    """Lines of one server after another."""

    def __init__(self, file: Path | None) -> None:
        self._path = file
        self._file: TextIO | None = None
        self._lines: deque[str] = deque(maxlen=LAST_LINES)

    def clear(self) -> None:
        """Another server begins; the file keeps what the last one said, for its death may be explained there."""
        self._lines.clear()

    def take(self, line: str) -> None:
        self._lines.append(line)
        _log.log(logging.WARNING if is_serious(line, warnings=self._path is None) else logging.DEBUG, "%s", line)
        if self._path is not None:
            self._write(self._path, line)

    def end(self) -> str:
        """The last lines, for whoever has to know why it failed."""
        where = [f"The whole log: {self._path}"] if self._path else []
        return "\n".join([*self._lines, *where])

    def close(self) -> None:
        if self._file is not None:
            self._file.close()

    def _write(self, path: Path, line: str) -> None:
        try:
            if self._file is None:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = path.open("w", encoding="utf-8", buffering=1)
            self._file.write(f"{line}\n")
        except OSError as problem:  # a full disk: what it says is worth less than that it runs
            _log.warning("%s cannot be written: %s", path, problem)
            self._path = None


def is_serious(line: str, *, warnings: bool) -> bool:
    """Triton's lines begin with their level and the date: E1122 …"""
    return (
        line[:1] in ("EFW" if warnings else "EF")
        and line[1:5].isdigit()
        and not any(known in line for known in _HARMLESS)
    )
