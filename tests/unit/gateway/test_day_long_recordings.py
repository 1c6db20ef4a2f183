"""A recording of a day is worked on beside live sessions: none of them stands still meanwhile.

Lag is counted in turns of the event loop, each of which sleeps 10 ms: a second without one is a second in which no
live session of the gateway hears or says anything. Seconds are the process's own: it is not to blame for those that
other programs of the machine take.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from gateway.media.recording import Recording
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.session import StreamSession
from gateway.thread_pools import ThreadPool
from gateway.transcript.rendering import render
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word

DAY = 24 * 3600 * SAMPLE_RATE // CHUNK  # chunks
PERIOD, SPOKEN = 150, 30  # chunks: a second of speech in every five
TURN = 0.01  # seconds
CORES = 2  # that the process keeps busy: so many of its own seconds go by in one


@dataclass
class Lag:
    longest: float = 0.0  # seconds that the event loop stood still


@asynccontextmanager
async def watched_loop() -> AsyncIterator[Lag]:
    lag = Lag()

    async def watch() -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(TURN)
            lag.longest = max(lag.longest, time.process_time() - began - TURN)

    watching = asyncio.create_task(watch())
    try:
        yield lag
    finally:
        watching.cancel()


@pytest.fixture(scope="module")
def day() -> Recording:
    speech = np.zeros(DAY, dtype=np.float32)
    for start in range(0, DAY - PERIOD, PERIOD):
        speech[start : start + SPOKEN] = 0.95
    return Recording(np.zeros(DAY * CHUNK, dtype=np.int16), speech)


async def hears_half(pcm: Pcm, request: Any) -> WindowResult:
    """Leaves gaps everywhere: they are decoded again, and merged."""
    await asyncio.sleep(0)
    seconds = len(pcm) / SAMPLE_RATE
    words = tuple(Word(f"word{at}", at * 0.4, at * 0.4 + 0.3, 0.9) for at in range(int(seconds / 0.8)))
    return WindowResult(words, " ".join(word.text for word in words), "en", 1.0, -0.2, 0.0)


async def talk(sent: list[float], threads: ThreadPool) -> None:
    """Speaks for six seconds, as fast as sound comes, and notes when words come back."""

    async def emit(message: Any) -> None:
        sent.append(time.process_time())

    async def recognize(pcm: Pcm, language: str | None, draft: str) -> WindowResult:
        return await hears_half(pcm, None)

    def detect(pcm: Pcm) -> Any:
        return np.full(len(pcm) // CHUNK, 0.95, dtype=np.float32)

    session = StreamSession(recognize, detect, emit, "en", StreamPolicy())
    session.detect_in(threads)
    running = asyncio.create_task(session.run())
    for _ in range(60):
        await session.feed(bytes(SAMPLE_RATE // 10 * 2))
        await asyncio.sleep(0.1)
    await session.stop()
    await running


async def test_words_of_a_live_session_come_while_a_day_is_transcribed(day: Recording) -> None:
    request = RecognitionRequest(model="base", language="en")
    sent: list[float] = []
    with ThreadPool("activity", 1) as threads:
        async with watched_loop() as lag:
            talking = asyncio.create_task(talk(sent, threads))
            transcript = await Recognizer(hears_half).transcribe(day, request)
            await asyncio.to_thread(render, transcript, "json")
            await talking

    between = [later - earlier for earlier, later in pairwise(sent)]
    assert transcript.segments[-1].end > 86_000
    assert lag.longest < CORES * 1.0
    assert max(between) < CORES * (0.8 + 1.0)  # new words are looked for every 0.8 s of sound
