"""Programs that set-up runs: their output goes into the log, and they end with everything that they started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import TextIO

STOP_SECONDS = 5.0  # for a program that is told to stop


class Log:
    """The file that every program's output goes to; made when there is something to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: TextIO | None = None

    def write(self, line: str) -> None:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("w", encoding="utf-8")
        self._file.write(f"{line}\n")
        self._file.flush()

    def tail(self, lines: int) -> list[str]:
        if self._file is None:
            return []
        return self.path.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]


class Program:
    """It has a session of its own: a terminal's Ctrl-C reaches set-up alone, which stops it in order."""

    def __init__(
        self, command: Sequence[str], log: Log, on_line: Callable[[str], bool], folder: Path | None = None
    ) -> None:
        """on_line: takes a line of its output, and says whether that belongs in the log"""
        log.write(f"$ {' '.join(command)}")
        self._log = log
        self._on_line = on_line
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
            cwd=folder,
        )

    def read(self) -> int:
        """Reads what it prints until it ends; its exit code."""
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if self._on_line(line.rstrip()):
                self._log.write(line.rstrip())
        return self._process.wait()

    def ask_to_end(self) -> None:
        """Tells it, and everything that it started, to end; waits for none."""
        self._signal(signal.SIGTERM)

    def stop(self) -> None:
        """Ends it with everything that it started."""
        for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
            self._signal(number)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(seconds)
                return

    def _signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, number)


class Background:
    """A program that runs beside the steps; stopped where the block ends before it."""

    def __init__(self) -> None:
        self._program: Program | None = None
        self._reader: threading.Thread | None = None
        self._code = 0

    def start(self, command: Sequence[str], log: Log, on_line: Callable[[str], bool], folder: Path) -> None:
        self._program = Program(command, log, on_line, folder)
        self._reader = threading.Thread(target=self._read, args=[self._program], daemon=True)
        self._reader.start()

    @property
    def started(self) -> bool:
        return self._program is not None

    def wait(self) -> int:
        """Its exit code; 0 where it was never started."""
        if self._reader is not None:
            self._reader.join()
        return self._code

    def _read(self, program: Program) -> None:
        self._code = program.read()

    def __enter__(self) -> Background:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._program is not None and self._reader is not None:
            if self._reader.is_alive():
                self._program.stop()
            self._reader.join()
