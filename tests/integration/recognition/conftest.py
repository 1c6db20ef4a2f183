"""The real base model in this process, behind the recognizer: no Triton between them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from gateway.media.recording import Recording
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from speech.activity import VoiceActivity
from speech.audio import Pcm
from speech.transcript import Transcript, WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.cpu.engine import CpuEngine
from speech.whisper.timing import compile_timing
from speech.whisper.tokenizer import Tokenizer

ENGINES = Path(__file__).parents[3] / "model_repository" / "whisper-base" / "1"

Hear = Callable[..., Awaitable[Transcript]]  # samples, options of a RecognitionRequest


@pytest.fixture(scope="session")
def scheduler() -> Iterator[Scheduler]:
    if not (ENGINES / "manifest.json").is_file():
        pytest.fail("the engines of base are missing: run `make setup`")
    compile_timing()
    scheduler = Scheduler(CpuEngine(ENGINES, slots=10, threads=2), Tokenizer.load(ENGINES))
    yield scheduler
    scheduler.close()


@pytest.fixture(scope="session")
def hear(scheduler: Scheduler) -> Hear:
    activity = VoiceActivity()

    async def recognize(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        language = request.language or ",".join(request.languages)
        window = Request(np.array(pcm), language, request.prompt, regions=request.regions)
        return await asyncio.wrap_future(scheduler.submit(window))

    async def hear(pcm: Pcm, **options: object) -> Transcript:
        recording = Recording(pcm, activity.find_speech(pcm))
        asked = RecognitionRequest(model="base", **options)  # type: ignore[arg-type]
        return await Recognizer(recognize).transcribe(recording, asked)

    return hear
