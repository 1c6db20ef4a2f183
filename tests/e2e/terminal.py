"""A program in the foreground of a terminal of its own, which sends Ctrl-C to its whole process group."""

from __future__ import annotations

import os
import pty
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from benchmarks.processes import family

PATIENCE = 120  # seconds after which a test gives up waiting
CTRL_C = b"\x03"


class Terminal:
    def __init__(self, command: Sequence[str], environment: dict[str, str]) -> None:
        self.output = ""
        self._keyboard, screen = pty.openpty()
        with os.fdopen(screen, "rb", buffering=0) as tty:
            # util-linux's setsid makes the terminal the controlling one, which sends the signal
            self.process = subprocess.Popen(
                ["setsid", "--ctty", *command], env=environment, stdin=tty, stdout=tty, stderr=tty
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def ctrl_c(self) -> None:
        os.write(self._keyboard, CTRL_C)

    def wait_for(self, text: str) -> None:
        end = time.monotonic() + PATIENCE
        while text not in self.output:
            assert self.process.poll() is None, f"it ended without {text!r}: {self.output}"
            assert time.monotonic() < end, f"{text!r} did not come: {self.output}"
            time.sleep(0.02)

    def wait(self) -> int:
        """The exit code; the output is complete then."""
        code = self.process.wait(timeout=PATIENCE)
        self._reader.join(timeout=PATIENCE)
        return code

    def family(self) -> list[int]:
        """Ids of the program and all that runs below it."""
        return family(self.process.pid)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=PATIENCE)
            self.process.kill()
        os.close(self._keyboard)

    def _read(self) -> None:
        with suppress(OSError):  # EIO: nobody has the terminal open any more
            while shown := os.read(self._keyboard, 65536):
                self.output += shown.decode(errors="replace").replace("\r", "")


@contextmanager
def terminal(command: Sequence[str], **settings: str) -> Iterator[Terminal]:
    """Settings are environment variables."""
    opened = Terminal(command, os.environ | settings)
    try:
        yield opened
    finally:
        opened.close()
