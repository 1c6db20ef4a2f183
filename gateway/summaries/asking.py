"""One text's questions to a server: in turn with other texts' questions, side by side with each other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import TypeVar

from gateway.summaries.chat import ChatServer, Finished, Part, Question, Served, Written
from gateway.summaries.repetition import looping

T = TypeVar("T")


class Asker:
    """Asks no more at once than the server answers at once, so that what waits, waits here.

    shared: turns of all texts together. Besides, a text holds at most that many places in the queue, so
    that a long one does not make a short one wait for all of its pieces.
    """

    def __init__(self, chat: ChatServer, served: Served, shared: asyncio.Semaphore) -> None:
        self.chat = chat
        self.served = served
        self._shared = shared
        self._own = asyncio.Semaphore(served.at_once)

    async def ask(self, question: Question) -> AsyncIterator[Part]:
        """The parts of one answer. An answer that goes round in circles is ended, as `cut`."""
        async with self._own, self._shared, aclosing(self.chat.answer(question)) as parts:
            text = ""
            async for part in parts:
                yield part
                if isinstance(part, Written):
                    text += part.text
                    if "\n" in part.text and looping(text):
                        yield Finished(self.served.model, cut=True)
                        return


async def side_by_side(sources: Sequence[AsyncIterator[T]]) -> AsyncIterator[tuple[int, T]]:
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


async def _pump(source: AsyncIterator[T], queue: asyncio.Queue[T | None]) -> None:
    try:
        async for entry in source:
            queue.put_nowait(entry)
    finally:
        queue.put_nowait(None)
        if hasattr(source, "aclose"):
            await source.aclose()
