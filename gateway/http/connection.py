"""Work that is cancelled when its client disconnects."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Coroutine
from typing import Any, TypeVar

from starlette.requests import Request

from gateway.errors import ClientGone

Result = TypeVar("Result")


async def while_connected(request: Request, work: Coroutine[Any, Any, Result]) -> Result:
    """Runs `work` and cancels it when the client disconnects. The request's body must have been read.

    raises: ClientGone, and whatever `work` raises
    """
    working = asyncio.ensure_future(work)
    disconnected = asyncio.ensure_future(_wait_for_disconnect(request))
    try:
        await asyncio.wait((working, disconnected), return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ClientGone
        return working.result()
    finally:
        disconnected.cancel()
        await _ended(working)


async def _wait_for_disconnect(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _ended(task: asyncio.Future[Any]) -> None:
    """Cancels what still runs and waits for its clean-up, so that nothing outlives the request."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
