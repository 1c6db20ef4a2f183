"""What the export reports while it works: lines for a person, or one JSON object a line for a program that shows them.

An event has a title, and either seconds (a step has ended), done, total and unit (how far it is), or none (it begins).
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

REPORT_EVERY = 2.0  # seconds between two lines of one step
EVENT_EVERY = 0.2  # seconds between two events of one step


class Reports:
    """What is printed, and as what."""

    events = False  # one JSON object a line, instead of text

    @property
    def every(self) -> float:
        """Seconds between two reports of one step."""
        return EVENT_EVERY if self.events else REPORT_EVERY

    def began(self, title: str) -> None:
        self._print({"title": title}, f"{title} …")

    def ended(self, title: str, seconds: float) -> None:
        self._print({"title": title, "seconds": round(seconds, 1)}, f"{title}: {seconds:.1f} s")

    def reached(self, title: str, done: float, total: float, unit: str) -> None:
        text = f"  {title}: {done:.0f} of {total:.0f}{unit and ' '}{unit}"
        self._print({"title": title, "done": done, "total": total, "unit": unit}, text)

    def warned(self, title: str, warning: str) -> None:
        self._print({"title": title, "warning": warning}, f"warning: {title}: {warning}")

    def _print(self, event: dict[str, str | float], text: str) -> None:
        line = json.dumps(event) if self.events else text
        sys.stdout.write(f"{line}\n")  # in one piece: several threads report
        sys.stdout.flush()


reports = Reports()


@contextmanager
def step(title: str) -> Iterator[str]:
    """Reports a step, and how long it took; yields its title."""
    reports.began(title)
    started = time.monotonic()
    yield title
    reports.ended(title, time.monotonic() - started)


class Counter:
    """Reports how far a step is, not more often than every few seconds."""

    def __init__(self, title: str, every: float | None = None) -> None:
        self._title = title
        self._every = every
        self._reported = time.monotonic()

    def report(self, done: float, total: float, unit: str = "") -> None:
        if time.monotonic() - self._reported > (reports.every if self._every is None else self._every):
            self._reported = time.monotonic()
            reports.reached(self._title, done, total, unit)
