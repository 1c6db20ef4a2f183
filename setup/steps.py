"""What a person sees of set-up: a line for each step, with how far it is and the time that it took.

What programs say goes into the log, and comes to the terminal only where a step fails.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

SHOWN_LINES = 15  # of the log, where a step fails
REDRAW_SECONDS = 0.2
STOP_SECONDS = 5.0  # for a program that is told to stop


class StepFailed(Exception):
    """A step cannot be done; the text says why, and what helps where that is known."""


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


class Steps:
    """The numbered steps of one run."""

    def __init__(self, total: int, log: Log, out: TextIO = sys.stdout) -> None:
        self._total = total
        self._number = 0
        self.log = log
        self._out = out
        self._live = out.isatty()

    @contextmanager
    def step(self, title: str) -> Iterator[Step]:
        """Prints how long the step took; where it fails, the end of the log."""
        self._number += 1
        step = Step(f"[{self._number}/{self._total}] {title}", self.log, self._show if self._live else None)
        self.log.write(f"== {step.title}")
        if not self._live:
            self.say(f"{step.title} …")
        try:
            with step.drawn():
                yield step
        except StepFailed:
            self.say(f"{step.title}: failed after {step.seconds:.0f} s")
            raise
        self.say(f"{step.title} … {step.seconds:.0f} s{f' ({step.result})' if step.result else ''}")

    def say(self, line: str) -> None:
        """A line that stays."""
        self._out.write(f"\r\x1b[K{line}\n" if self._live else f"{line}\n")
        self._out.flush()

    def _show(self, line: str) -> None:
        """A line that the next one takes the place of."""
        width = shutil.get_terminal_size().columns - 1
        self._out.write(f"\r\x1b[K{line[:width]}")
        self._out.flush()


class Step:
    """One step while it is done."""

    def __init__(self, title: str, log: Log, show: Callable[[str], None] | None) -> None:
        self.title = title
        self.result = ""  # what the finished line says besides its time
        self.log = log
        self._show = show
        self.shown = ""  # how far it is
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def progress(self, text: str) -> None:
        """How far the step is."""
        self.shown = text

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Redraws the step's line while something else is done, where there is a terminal."""
        show = self._show
        if show is None:
            yield
            return
        over = threading.Event()

        def draw() -> None:
            while not over.wait(REDRAW_SECONDS):
                show(f"{self.title} … {self.shown}{self.shown and '  '}{self.seconds:.0f} s")

        thread = threading.Thread(target=draw, daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def run(
        self,
        command: Sequence[str],
        on_line: Callable[[str], bool] = lambda _line: True,
    ) -> None:
        """Runs a program whose output goes to on_line, and into the log where on_line says so.

        It has a session of its own: a terminal's Ctrl-C reaches this process alone, which stops it in order.
        raises: StepFailed if it fails
        """
        self.log.write(f"$ {' '.join(command)}")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if on_line(line.rstrip()):
                    self.log.write(line.rstrip())
            code = process.wait()
        except BaseException:
            _stop(process)
            raise
        if code != 0:
            raise StepFailed(f"`{' '.join(command[:4])} …` ended with exit code {code}.")


def _stop(process: subprocess.Popen[str]) -> None:
    """Ends a program with everything that it started."""
    for number, seconds in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, None)):
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return
