from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

import pytest

from gateway.summaries.asking import Asker, side_by_side
from gateway.summaries.chat import Part, Question, Served, Written
from tests.unit.gateway.summaries.chat_fakes import FakeServer, whole


class Busy:
    """Notes how many answers are being written at once."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def answer(self, question: Question) -> AsyncGenerator[Part, None]:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0)
        yield Written(question.messages[0]["content"])
        await asyncio.sleep(0)
        self.now -= 1


async def test_no_more_is_asked_at_once_than_the_server_answers_at_once() -> None:
    busy, served, shared = Busy(), Served("small", 4096, 2, tells_reading=False), asyncio.Semaphore(2)
    questions = [Question(({"role": "user", "content": str(n)},), 10) for n in range(9)]
    askers = [Asker(busy, served, shared) for _ in range(2)]  # type: ignore[arg-type]

    async def ask(asker: Asker) -> list[tuple[int, Part]]:
        return [answer async for answer in side_by_side([asker.ask(question) for question in questions])]

    first, second = await asyncio.gather(*map(ask, askers))

    assert busy.most == 2
    assert first == second == [(n, Written(str(n))) for n in range(9)]


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
        async for _ in side_by_side([failing(), endless()]):
            pass
    assert ended.is_set()


async def test_an_answer_ends_with_the_lines_that_were_asked_for() -> None:
    server = FakeServer(lambda _: whole("One.\nTwo.\nThree.\n"))
    chat = server.chat()
    asker = Asker(chat, await chat.served(), asyncio.Semaphore(1))
    question = Question(({"role": "user", "content": "?"},), 10, max_lines=1)

    parts = [part async for part in asker.ask(question)]

    assert len(parts) == 2
