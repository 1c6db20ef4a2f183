"""Draining: the gateway announces that it stops, finishes what is in flight, then ends.

First `/health` answers 503, for as long as load balancers need to notice; requests are still accepted.
Then no connection is accepted any more: requests in flight are finished, and live sessions are handed over, what
they heard made final up to a pause, so that their clients resume from there at another gateway.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum


class Work(Enum):
    """What a drain waits for: its name for one and for several."""

    FILE = ("file", "files")
    LIVE_SESSION = ("live session", "live sessions")
    SUMMARY = ("summary", "summaries")


@dataclass(slots=True)
class Draining:
    announce_seconds: float = 0.0  # between the announcement and the hand-over
    finish_seconds: float = 30.0  # from then on, for what is in flight; what is left is cancelled
    announced: bool = False  # shown by /health
    hand_over: asyncio.Event = field(default_factory=asyncio.Event)  # live sessions end now
    _in_flight: Counter[Work] = field(default_factory=Counter)

    @contextmanager
    def track(self, work: Work) -> Iterator[None]:
        """Counts a request or a session as in flight until the block ends."""
        self._in_flight[work] += 1
        try:
            yield
        finally:
            self._in_flight[work] -= 1

    @property
    def in_flight(self) -> int:
        return self._in_flight.total()

    def describe(self) -> str:
        """What is in flight, for people: "2 files and 1 live session"; "" for nothing."""
        counts = [(self._in_flight[work], work.value) for work in Work]
        parts = [f"{count} {names[count > 1]}" for count, names in counts if count]
        return " and ".join([", ".join(parts[:-1]), *parts[-1:]] if len(parts) > 1 else parts)
