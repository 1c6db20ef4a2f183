"""What the export prints while it works: a line when a step begins, and one with its duration when it ends."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

REPORT_EVERY = 2.0  # seconds between two lines of one step


@contextmanager
def step(title: str) -> Iterator[None]:
    """Prints the title of a step, and how long it took."""
    print(f"{title} …", flush=True)
    started = time.monotonic()
    yield
    print(f"{title}: {time.monotonic() - started:.1f} s", flush=True)


class Counter:
    """Prints how far a step is, not more often than every few seconds."""

    def __init__(self, title: str, every: float = REPORT_EVERY) -> None:
        self._title = title
        self._every = every
        self._printed = time.monotonic()

    def report(self, done: float, total: float, unit: str = "") -> None:
        if time.monotonic() - self._printed > self._every:
            self._printed = time.monotonic()
            print(f"  {self._title}: {done:.0f} of {total:.0f}{unit and ' '}{unit}", flush=True)
