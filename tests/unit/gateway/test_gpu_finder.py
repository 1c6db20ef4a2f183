import asyncio
from typing import Any, cast

import pytest

from gateway import health
from gateway.health import GpuFinder
from speech.gpu import Gpu


async def test_of_many_who_ask_at_once_one_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []

    def find_gpu() -> Gpu:
        looked.append(1)
        return Gpu("a card", 2**30)

    monkeypatch.setattr(health, "find_gpu", find_gpu)
    finder = GpuFinder(cast(Any, None), 0)

    found = await asyncio.gather(*(finder.find() for _ in range(50)))

    assert len(looked) == 1
    assert found == [Gpu("a card", 2**30)] * 50
