"""How a service goes without losing anything: it says so, then finishes what it has, then ends.

First `/health` answers 503, for as long as load balancers need to look elsewhere; requests are taken as ever.
Then no connection is accepted any more: requests in hand are finished, and live sessions are ended, what they
heard made final up to a pause, so that their clients go on from there at another gateway.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field


@dataclass(slots=True)
class Leaving:
    seconds: float = 0.0  # between the two
    announced: bool = False  # shown by /health
    begun: asyncio.Event = field(default_factory=asyncio.Event)  # live sessions end now
