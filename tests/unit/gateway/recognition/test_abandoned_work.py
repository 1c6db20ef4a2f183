"""What a client that leaves keeps open is the disk's room for its recording: nothing, not even for a while."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from gateway.concurrency import run_together
from gateway.media.recording import PcmFile, Recording
from gateway.recognition.diarized_recognizer import DiarizedRecognizer
from gateway.recognition.diarizer import TritonDiarizer
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult

SECONDS = 60


@pytest.fixture(autouse=True)
def without_garbage_collection() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


class FleetThatNeverAnswers:
    def __init__(self) -> None:
        self.asked = asyncio.Event()

    async def client_for(self, model: str, deadline: float) -> Any:
        self.asked.set()
        await asyncio.Event().wait()

    async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        await asyncio.Event().wait()
        raise AssertionError


async def test_a_client_that_leaves_frees_its_recording_at_once(tmp_path: Path) -> None:
    fleet = FleetThatNeverAnswers()
    before = _deleted_files()

    async with run_together(_transcribe(tmp_path, fleet), fleet.asked.wait()) as tasks:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert _deleted_files() > before  # the recording is in work
    del tasks

    async with asyncio.timeout(30):  # a thread that plans windows may still read the recording
        while _deleted_files() != before:
            await asyncio.sleep(0.01)


async def _transcribe(folder: Path, fleet: FleetThatNeverAnswers) -> None:
    recognizer = DiarizedRecognizer(Recognizer(fleet.recognize), TritonDiarizer(cast(Any, fleet), 600))
    file = PcmFile(folder)
    file.write(np.full(SECONDS * SAMPLE_RATE, 1000, np.int16))
    speech = np.ones(SECONDS * SAMPLE_RATE // 512, np.float32)
    with Recording(file.read(), speech, file=file) as recording:
        await recognizer.transcribe(recording, RecognitionRequest(model="base", diarize=True), _ignore)


def _ignore(decoded: float, planned: float) -> None:
    pass


def _deleted_files() -> int:
    links = Path("/proc/self/fd").iterdir()
    return sum("(deleted)" in str(link.readlink()) for link in links if link.is_symlink())
