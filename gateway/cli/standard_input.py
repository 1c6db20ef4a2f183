"""Standard input, read without a thread: a thread blocked in a read would keep the program from ending."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator

PIECE = 6400  # bytes read at a time at most: 0.2 s of PCM, so that live audio is passed on soon


async def read_standard_input() -> AsyncIterator[bytes]:
    descriptor = sys.stdin.fileno()
    while True:
        await wait_until_readable(descriptor)
        piece = os.read(descriptor, PIECE)
        if not piece:
            return
        yield piece


async def wait_until_readable(descriptor: int) -> None:
    loop, ready = asyncio.get_running_loop(), asyncio.Event()
    try:
        loop.add_reader(descriptor, ready.set)
    except PermissionError:  # a regular file is always readable
        return
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
