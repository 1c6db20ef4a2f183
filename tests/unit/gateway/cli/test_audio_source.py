from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.cli import audio_source as module
from gateway.cli.audio_source import FRAME, AudioSource


async def endless() -> AsyncIterator[bytes]:
    while True:
        yield bytes(2 * FRAME)


async def test_a_bounded_part_of_the_sound_is_kept_to_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEHIND", 10 * FRAME)
    monkeypatch.setattr(module, "AHEAD", 5 * FRAME)
    source, sent = AudioSource(), 0
    filling = asyncio.create_task(source.fill(endless()))

    async for frame in source.frames():
        sent += len(frame) // 2
        if sent >= 100 * FRAME:
            break
    await asyncio.sleep(0)
    kept = source.rewind(0)
    filling.cancel()

    assert 85 * FRAME <= kept <= 95 * FRAME
