"""A prompt and key terms never come back as text, though voice activity takes for speech what is none."""

from __future__ import annotations

import asyncio
import re

import numpy as np
import pytest

from gateway.media.recording import Recording
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from gateway.streaming.messages import Message
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.session import StreamSession
from speech.activity import CHUNK, Probabilities
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from tests.recordings import DATA, read_pcm

PROSE = "The committee met on Tuesday to discuss the new railway line and what it would cost the town."
TERMS = ("Siobhan", "Nakagawa", "Wojciechowski", "Thessaloniki", "Elasticsearch")
RANDOM = np.random.default_rng(7)
SOUNDS = {
    "silence": np.zeros(2 * SAMPLE_RATE, np.int16),
    "quiet noise": (RANDOM.standard_normal(3 * SAMPLE_RATE) * 30).astype(np.int16),
    "loud noise": (RANDOM.standard_normal(3 * SAMPLE_RATE) * 5000).astype(np.int16),
    "a tone": (3000 * np.sin(np.arange(3 * SAMPLE_RATE) * 2 * np.pi * 220 / SAMPLE_RATE)).astype(np.int16),
    "half a word": read_pcm(DATA / "dashwood.flac")[24_000:28_800],
}


def heard_everywhere(pcm: Pcm) -> Probabilities:
    return np.ones(len(pcm) // CHUNK, np.float32)


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w{4,}", text.lower()))


@pytest.mark.parametrize("sound", SOUNDS)
@pytest.mark.parametrize("live", [False, True], ids=["file", "live"])
async def test_neither_prompt_nor_key_terms_come_back(scheduler: Scheduler, sound: str, live: bool) -> None:
    async def recognize(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        window = Request(np.array(pcm), "en", request.prompt, request.keyterms)
        return await asyncio.wrap_future(scheduler.submit(window))

    request = RecognitionRequest(model="base", language="en", prompt=PROSE, keyterms=TERMS)
    if live:
        text = await listen(SOUNDS[sound], lambda pcm, *_: recognize(pcm, request))
    else:
        recording = Recording(SOUNDS[sound], heard_everywhere(SOUNDS[sound]))
        text = (await Recognizer(recognize).transcribe(recording, request)).text

    assert not words_of(text) & words_of(f"{PROSE} {' '.join(TERMS)}"), text


async def listen(pcm: Pcm, recognize: object) -> str:
    async def emit(message: Message) -> None:
        """Nobody follows."""

    session = StreamSession(recognize, heard_everywhere, emit, "en", StreamPolicy())  # type: ignore[arg-type]
    running = asyncio.create_task(session.run())
    await session.feed(pcm.tobytes())
    await session.stop()
    await running
    return session.text
