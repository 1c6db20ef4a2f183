"""What a model has said of a window is asked for once, whatever gateway asks."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from gateway.jobs.checkpoints import CheckpointedWhisper, Checkpoints, pack_chunk, unpack_chunk
from gateway.jobs.job import Job, JobText
from gateway.jobs.store import JobStore
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import WindowTranscript
from speech.activity import Region
from speech.audio import Pcm
from speech.diarization.windows import FRAMES, VECTOR, LocalSpeech
from speech.transcript import WindowResult, Word
from speech.windows import Window

JOB = Job(id="1" * 32, subject="a", caller="a", tier="paid", key_prefix=None)
REQUEST = RecognitionRequest(model="base", caller="a")


class RememberingStore:
    """Stands for the database."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.said: list[JobText] = []

    async def windows(self, identity: str) -> dict[str, bytes]:
        return dict(self.kept)

    async def texts(self, identity: str) -> list[JobText]:
        return list(self.said)

    async def checkpoint(self, job: Job, progress: float, results: dict[str, bytes], said: list[JobText]) -> None:
        self.kept |= results
        self.said += said


class CountingWhisper:
    def __init__(self) -> None:
        self.asked = 0

    async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        self.asked += 1
        return _result(f"{self.asked}")


async def test_another_attempt_asks_only_for_what_is_missing() -> None:
    store, whisper = RememberingStore(), CountingWhisper()
    first = await _open(store)
    one, two = np.full(100, 1, np.int16), np.full(100, 2, np.int16)
    heard = await CheckpointedWhisper(whisper, first)(one, REQUEST)
    await first.write()

    again = CheckpointedWhisper(whisper, await _open(store))

    assert await again(one, replace(REQUEST, caller="somebody else")) == heard
    assert (await again(two, REQUEST)).text == "2"
    assert (await again(one, replace(REQUEST, language="de"))).text == "3"


async def test_text_that_was_told_is_not_told_again() -> None:
    store = RememberingStore()
    windows = [_window(number, f"{number}.") for number in range(3)]
    first = await _open(store)
    first.say(windows[0])
    first.say(windows[1])
    await first.write()

    second = await _open(store)
    for window in windows:
        second.say(window)
    await second.write()

    assert [said.text for said in store.said] == ["0.", "1.", "2."]
    assert [said.number for said in store.said] == [0, 1, 2]


async def test_what_the_job_costs_is_known_to_the_attempt_that_only_charges() -> None:
    store = RememberingStore()
    first = await _open(store)
    first.keep_charged(24.5)
    await first.write()

    assert (await _open(store)).charged == 24.5
    assert (await _open(RememberingStore())).charged is None


def test_a_chunk_of_the_diarizer_is_read_as_it_was_written() -> None:
    chunk = LocalSpeech(
        np.ones((2, FRAMES), np.uint8), np.zeros((1, 5), np.int32), np.full((1, VECTOR), 0.25, np.float32)
    )

    read = unpack_chunk(pack_chunk(chunk))

    assert np.array_equal(read.activity, chunk.activity)
    assert np.array_equal(read.vectors, chunk.vectors)


async def _open(store: RememberingStore) -> Checkpoints:
    return await Checkpoints.open(cast(JobStore, cast(Any, store)), JOB)


def _result(text: str) -> WindowResult:
    return WindowResult((Word(text, 0.0, 1.0, 0.9),), text, "en", 1.0, -0.1, 0.0)


def _window(number: int, text: str) -> WindowTranscript:
    window = Window(number * 16000, (number + 1) * 16000, (Region(number, number + 1),))
    return WindowTranscript(window, _result(text), (Word(text, float(number), number + 1.0, 0.9),))
