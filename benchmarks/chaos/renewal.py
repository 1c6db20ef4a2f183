"""Whether a gateway keeps what runs there: while a session stays open, its lease ends later and later.

Nobody is charged twice where a lease lapses, so the ledger alone does not tell a gateway that renews none; but its
callers lose their place, and what they hold is given to others.
"""

from __future__ import annotations

import asyncio
import time

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from benchmarks.chaos.parts import RunningPart, SmallDeployment

PATIENCE = 30.0  # seconds, many leases long: where a gateway stood still for one, the next session is looked at
EXPIRY = "SELECT max(expires_at) FROM leases JOIN accounts ON accounts.id = leases.subject WHERE name = $1"


async def check_renewal(deployment: SmallDeployment) -> list[str]:
    """Called while the parts run and nothing breaks."""
    kept = await asyncio.gather(*(_is_kept(deployment, gateway) for gateway in deployment.gateways))
    return [
        f"{gateway.name} renews no lease: that of an open session lapsed"
        for gateway, renewed in zip(deployment.gateways, kept, strict=True)
        if not renewed
    ]


async def _is_kept(deployment: SmallDeployment, gateway: RunningPart) -> bool:
    name = f"open at {gateway.name}"
    key = await deployment.create_key(name, 10)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        try:
            async with connect(f"{gateway.url.replace('http', 'ws', 1)}/v1/stream?language=en&token={key}") as session:
                await session.recv()
                if await _ends_later(deployment, name, deadline):
                    return True
        except (OSError, WebSocketException, TimeoutError):
            await asyncio.sleep(0.5)
    return False


async def _ends_later(deployment: SmallDeployment, name: str, deadline: float) -> bool:
    """Whether the lease of an open session is renewed before it is gone."""
    async with deployment.store() as store:
        first = await store.fetchval(EXPIRY, name)
        while first is not None and time.monotonic() < deadline:
            expires = await store.fetchval(EXPIRY, name)
            if expires is None or expires > first:
                return expires is not None
            await asyncio.sleep(0.2)
    return False
