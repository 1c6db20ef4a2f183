"""Work that is cancelled when its client disconnects."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from gateway.concurrency import run_together
from gateway.errors import ClientGone

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Runs `work` and cancels it when the client disconnects. The request's body must have been read.

    raises: ClientGone, and whatever `work` raises
    """
    async with run_together(work, _wait_for_disconnect(request)) as (working, disconnected):
        await asyncio.wait((working, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        result: Result = working.result()
        return result


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
