from __future__ import annotations

import asyncio
from typing import Any, cast

import numpy as np
import pytest

from gateway.media.recording import Recording
from gateway.progress import ProgressTracker
from gateway.recognition.diarized_recognizer import (
    FAILED,
    NOT_DEPLOYED,
    TOO_SLOW,
    DiarizationTimeout,
    DiarizedRecognizer,
)
from gateway.recognition.diarizer import DiarizationFailed
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Turn, Word

WORDS = [Word("One.", 0.0, 0.4, 0.9), Word("Two.", 1.0, 1.4, 0.9)]
TURNS = (Turn("Speaker 1", 0.0, 0.7), Turn("Speaker 2", 0.9, 1.5))


class Recognizes:
    def __init__(self, words: list[Word], seconds: float = 0.0) -> None:
        self.words, self.seconds = words, seconds

    async def transcribe(self, recording: Recording, options: Any, progress: Any) -> Transcript:
        await asyncio.sleep(self.seconds)
        return Transcript(segment(self.words, "en"), "en", recording.duration, text="One. Two.")


class Hears:
    """Stands for the diarizer: finds TURNS, fails, or never answers."""

    def __init__(self, failure: Exception | None = None, answers: bool = True) -> None:
        self.failure, self.answers = failure, answers
        self.cancelled = False
        self.asked: list[int] = []

    async def turns(self, pcm: Any, speakers: int, on_progress: OnProgress) -> tuple[Turn, ...]:
        self.asked.append(speakers)
        on_progress(1, 4)
        if self.failure:
            raise self.failure
        try:
            await asyncio.sleep(0 if self.answers else 3600)
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        return TURNS


async def transcribe(diarizer: Hears | None, words: list[Word] = WORDS, speakers: int = 0) -> Transcript:
    parts = cast(Any, (Recognizes(words), diarizer))
    recording = Recording(np.zeros(32_000, np.int16), np.zeros(62, np.float32))
    request = RecognitionRequest(model="base", diarize=True, speakers=speakers)
    diarized = DiarizedRecognizer(parts[0], parts[1], DiarizationTimeout(0.05, 0.0))
    return await diarized.transcribe(recording, request, lambda decoded, planned: None)


async def test_words_get_the_speakers_of_the_turns() -> None:
    hears = Hears()

    transcript = await transcribe(hears, speakers=2)

    assert [piece.speaker for piece in transcript.segments] == ["Speaker 1", "Speaker 2"]
    assert transcript.speakers == ("Speaker 1", "Speaker 2")
    assert (transcript.warnings, hears.asked) == ((), [2])


@pytest.mark.parametrize("failure", [DiarizationFailed("away"), RuntimeError("a defect")])
async def test_a_failed_diarizer_costs_the_speakers_and_nothing_else(failure: Exception) -> None:
    transcript = await transcribe(Hears(failure))

    assert transcript.text == "One. Two."
    assert (transcript.speakers, transcript.warnings) == ((), (FAILED,))


async def test_a_diarizer_that_takes_too_long_is_ended() -> None:
    hears = Hears(answers=False)

    transcript = await transcribe(hears)

    assert transcript.warnings == (TOO_SLOW,)
    assert hears.cancelled


async def test_without_diarize_the_diarizer_is_left_alone() -> None:
    hears = Hears()
    recording = Recording(np.zeros(32_000, np.int16), np.zeros(62, np.float32))
    diarized = DiarizedRecognizer(cast(Any, Recognizes(WORDS)), cast(Any, hears))

    transcript = await diarized.transcribe(recording, RecognitionRequest(model="base"), lambda decoded, planned: None)

    assert (transcript.text, transcript.speakers, transcript.warnings) == ("One. Two.", (), ())
    assert hears.asked == []


async def test_how_far_the_speakers_are_is_told_once_they_are_all_that_is_missing() -> None:
    recording = Recording(np.zeros(32_000, np.int16), np.zeros(62, np.float32))
    diarized = DiarizedRecognizer(cast(Any, Recognizes(WORDS)), cast(Any, Hears()))
    request, progress = RecognitionRequest(model="base", diarize=True), ProgressTracker()

    await diarized.transcribe(recording, request, progress.recognized, progress)

    assert (progress.stage, progress.done) == ("diarizing", 0.25)


async def test_without_a_diarizer_the_transcript_says_so() -> None:
    assert (await transcribe(None)).warnings == (NOT_DEPLOYED,)


async def test_where_nothing_was_said_nobody_is_waited_for() -> None:
    transcript = await transcribe(Hears(answers=False), [])

    assert (transcript.segments, transcript.warnings) == ((), ())


async def test_a_cancelled_request_ends_the_diarization() -> None:
    hears = Hears(answers=False)
    recording = Recording(np.zeros(32_000, np.int16), np.zeros(62, np.float32))
    diarized = DiarizedRecognizer(cast(Any, Recognizes(WORDS, 3600)), cast(Any, hears))
    ignore = lambda decoded, planned: None  # noqa: E731
    task = asyncio.create_task(diarized.transcribe(recording, RecognitionRequest(model="base", diarize=True), ignore))
    await asyncio.sleep(0.01)

    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert hears.cancelled
