"""What a person sees of set-up: a line for each step, with how far it is and the time that it took.

What programs say goes into the log, and comes to the terminal only where a step fails.
"""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO

from setup.interruption import INTERRUPTION
from setup.programs import Log, Program

SHOWN_LINES = 15  # of the log, where a step fails
REDRAW_SECONDS = 0.2


class StepFailed(Exception):
    """A step cannot be done; the text says why, and what helps where that is known."""


class Steps:
    """The numbered steps of one run."""

    def __init__(self, total: int, log: Log, out: TextIO = sys.stdout) -> None:
        self._total = total
        self._number = 0
        self.log = log
        self._out = out
        self._live = out.isatty()
        self._beside = ""

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

    def progress(self, text: str) -> None:
        """How far that is which goes on beside the steps."""
        self._beside = text

    def _show(self, line: str) -> None:
        """A line that the next one takes the place of."""
        line = f"{line} | {self._beside}" if self._beside else line
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

        raises: StepFailed if it fails; KeyboardInterrupt or Terminated where a signal asked for the end
        """
        INTERRUPTION.check()
        program = Program(command, self.log, on_line)
        INTERRUPTION.ends(program.ask_to_end)
        try:
            code = program.read()
            INTERRUPTION.check()
        except BaseException:
            program.stop()
            raise
        finally:
            INTERRUPTION.ends(None)
        if code != 0:
            raise StepFailed(f"`{' '.join(command[:4])} …` ended with exit code {code}.")
