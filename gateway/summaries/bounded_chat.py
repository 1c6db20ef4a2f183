"""A bounded number of one text's requests to a chat server at once, in turn with those of other texts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from typing import TypeVar

from gateway.summaries.chat import ChatServer
from gateway.summaries.chat_protocol import ChatEvent, ChatRequest, ServedModel

T = TypeVar("T")


class BoundedChat:
    """Sends no more at once than the server answers at once, so that what waits, waits here.

    shared: turns of all texts together. Besides, a text holds at most that many places in the queue, so
    that a long one does not make a short one wait for all of its pieces.
    """

    def __init__(self, chat: ChatServer, served: ServedModel, shared: asyncio.Semaphore) -> None:
        self.server = chat
        self.served = served
        self._shared = shared
        self._own = asyncio.Semaphore(served.at_once)

    async def ask(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        """The parts of one answer."""
        async with self._own, self._shared, aclosing(self.server.answer(request)) as parts:
            async for part in parts:
                yield part


async def merged(sources: Sequence[AsyncGenerator[T, None]]) -> AsyncGenerator[tuple[int, T], None]:
    """Runs all sources at once; gives what they give in their order, each with its source's index."""
    queues: list[asyncio.Queue[T | None]] = [asyncio.Queue() for _ in sources]
    tasks = [asyncio.create_task(_pump(*pair)) for pair in zip(sources, queues, strict=True)]
    try:
        for index, queue in enumerate(queues):
            while (entry := await queue.get()) is not None:
                yield index, entry
            await tasks[index]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _pump(source: AsyncGenerator[T, None], queue: asyncio.Queue[T | None]) -> None:
    try:
        async for entry in source:
            queue.put_nowait(entry)
    finally:
        queue.put_nowait(None)
        if hasattr(source, "aclose"):
            await source.aclose()
