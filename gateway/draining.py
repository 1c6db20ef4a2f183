"""Draining: the gateway announces that it stops, finishes what is in flight, then ends.

First `/health` answers 503, for as long as load balancers need to notice; requests are still accepted.
Then no connection is accepted any more: requests in flight are finished, and live sessions are handed over, what
they heard made final up to a pause, so that their clients resume from there at another gateway.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Draining:
    seconds: float = 0.0  # between the announcement and the hand-over
    announced: bool = False  # shown by /health
    hand_over: asyncio.Event = field(default_factory=asyncio.Event)  # live sessions end now
