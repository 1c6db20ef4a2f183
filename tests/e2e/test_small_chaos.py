"""Parts of the service are killed under forty requests: each is answered rightly, nothing is charged twice or left.

Real processes: PostgreSQL, a Triton, two gateways, a language model in name. The model in the Triton says what
the sound itself names, so that every answer is checked to the letter. How long a part takes to come back depends on
the machine, and what libraries log on the moment of a kill; `python -m benchmarks chaos` looks at both, with every kind
of fault and many more requests.
"""

from __future__ import annotations

import asyncio
import math

from benchmarks.chaos.campaign import CampaignPlan, run_campaign

FAULTS = ("model killed", "store killed", "gateway killed at settle", "store commit unheard", "chat fails")
PLAN = CampaignPlan(40, FAULTS, seed=15, hold=0.5, workers=8, tritons=1, live_seconds=(5.0, 65.0))


def test_nothing_is_lost_or_charged_twice_whatever_breaks() -> None:
    result = asyncio.run(run_campaign(PLAN))

    assert result.problems == []
    assert result.right == PLAN.requests
    assert sorted(fault.name for fault in result.struck) == sorted(FAULTS)
    assert all(math.isfinite(fault.recovery) for fault in result.struck)
