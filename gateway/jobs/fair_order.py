"""In which order jobs are worked on: short ones pass long ones, and callers are served in turn.

Self-clocked fair queueing (Golestani, 1994): a job's tag is the moment, on a clock that counts seconds of sound, at
which it would be finished if every caller had an even share and had its shortest job done first. The next job is the
one with the smallest tag. A caller with many jobs pushes its own tags up and nobody else's; a long job waits only
until the clock has reached it, because whoever comes later begins at the clock.
"""

from __future__ import annotations

LARGEST_TAG = 2_147_483_647  # what the engine takes as a priority: 68 years of sound


def clock(running: int | None, waiting: int | None) -> int:
    """The moment that the queue has reached: where the earliest job in work begins, or the earliest that waits.

    running, waiting: tag less cost of these jobs; None: there is none
    """
    return max(0, running if running is not None else waiting or 0)


def tag(now: int, backlog: int, cost: int) -> int:
    """Of a new job. now: the clock; backlog: seconds of the same caller's jobs that are not ended and no longer"""
    return min(now + backlog + max(1, cost), LARGEST_TAG)
