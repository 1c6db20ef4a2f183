from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.summaries.bounded_chat import BoundedChat, merged
from gateway.summaries.chat_protocol import ChatEvent, ChatRequest, ServedModel, TextDelta


class Busy:
    """Notes how many answers are being written at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def answer(self, request: ChatRequest) -> AsyncGenerator[ChatEvent, None]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        yield TextDelta(request.messages[0]["content"])
        await asyncio.sleep(0)
        self.now -= 1


async def test_no_more_is_asked_at_once_than_the_server_answers_at_once() -> None:
    busy, served, shared = Busy(), ServedModel("small", 4096, 2, reports_progress=False), asyncio.Semaphore(2)
    requests = [ChatRequest(({"role": "user", "content": str(n)},), 10) for n in range(9)]
    texts = [BoundedChat(busy, served, shared) for _ in range(2)]  # type: ignore[arg-type]

    async def ask(chat_of_one: BoundedChat) -> list[tuple[int, ChatEvent]]:
        return [answer async for answer in merged([chat_of_one.ask(request) for request in requests])]

    first, second = await asyncio.gather(*map(ask, texts))

    assert busy.most == 2
    assert first == second == [(n, TextDelta(str(n))) for n in range(9)]


async def test_a_failure_ends_the_others() -> None:
    ended = asyncio.Event()

    async def failing() -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("broken")

    async def endless() -> AsyncGenerator[int, None]:
        try:
            while True:
                await asyncio.sleep(0)
                yield 2
        finally:
            ended.set()

    with pytest.raises(ValueError, match="broken"):
        async for _ in merged([failing(), endless()]):
            pass
    assert ended.is_set()
