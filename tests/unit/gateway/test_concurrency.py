from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from gateway.concurrency import to_its_end


async def test_work_that_fails_after_its_caller_was_cancelled_ends_and_is_no_complaint() -> None:
    complaints = list[Any]()
    asyncio.get_running_loop().set_exception_handler(lambda _, told: complaints.append(told))
    go_on, ended = asyncio.Event(), asyncio.Event()

    async def fail() -> None:
        await go_on.wait()
        ended.set()
        raise RuntimeError("the attempt has ended")

    waiting = asyncio.create_task(to_its_end(fail()))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    del waiting
    go_on.set()
    await ended.wait()
    await asyncio.sleep(0)
    gc.collect()

    assert complaints == []


async def test_what_it_raises_before_is_the_callers() -> None:
    async def fail() -> None:
        raise RuntimeError("at once")

    with pytest.raises(RuntimeError, match="at once"):
        await to_its_end(fail())
