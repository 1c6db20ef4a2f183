"""Windows whose text leaves out what their attention did not look at, and what a second look makes of that."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gateway.media.recording import Recording
from gateway.recognition.recognizer import Recognizer
from gateway.recognition.request import RecognitionRequest
from speech.activity import CHUNK_SECONDS
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word

ENGLISH = RecognitionRequest(model="base", language="en")
HOLE = (3.0, 4.2)  # seconds of an interjection between two sentences
WHOLE = 7.0  # seconds


def recording() -> Recording:
    """Samples that tell their own time in tenths of seconds."""
    pcm = (np.arange(round(WHOLE * SAMPLE_RATE)) // 1600).astype(np.int16)
    speech = np.ones(round(WHOLE / CHUNK_SECONDS), np.float32)
    for pause in (2.5, 4.3):
        speech[round(pause / CHUNK_SECONDS) : round((pause + 0.4) / CHUNK_SECONDS)] = 0.0
    return Recording(pcm, speech)


def result(*words: Word, seconds: float, hole: tuple[float, float] = (0.0, 0.0)) -> WindowResult:
    attention = [0.01 if hole[0] <= at / 10 < hole[1] else 0.4 for at in range(round(seconds * 10))]
    return WindowResult(words, "", "en", 1.0, -0.2, 0.0, attention=tuple(attention))


SENTENCES = (
    Word("The", 0.1, 0.5, 0.9), Word("printed", 0.6, 1.4, 0.9), Word("book,", 1.8, 2.5, 0.9),
    Word("the", 3.0, 5.0, 0.8), Word("invention", 5.0, 5.8, 0.9), Word("of", 5.8, 6.1, 0.9), Word("it.", 6.1, 6.8, 0.9),
)  # fmt: skip


class Whisper:
    """Leaves out the interjection in the whole recording, and hears the given words where it is alone."""

    def __init__(self, *alone: Word) -> None:
        self.alone = alone
        self.windows: list[tuple[float, float]] = []

    async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        start, seconds = int(pcm[0]) / 10, len(pcm) / SAMPLE_RATE
        self.windows.append((start, start + seconds))
        if seconds > 6:
            return result(*SENTENCES, seconds=seconds, hole=HOLE)
        shifted = (replace(word, start=word.start - start, end=word.end - start) for word in self.alone)
        return result(*shifted, seconds=seconds)


async def test_an_interjection_that_a_stretched_word_hides_is_heard() -> None:
    whisper = Whisper(Word("five", 3.0, 3.5, 0.6), Word("five", 3.6, 4.1, 0.5))

    transcript = await Recognizer(whisper).transcribe(recording(), ENGLISH)

    assert transcript.text == "The printed book, five five the invention of it."
    assert transcript.coverage.gaps == ()
    assert all(start > 2 and end < 5 for start, end in whisper.windows[1:])


async def test_what_stays_a_hole_is_told() -> None:
    for alone in ((), (Word("Thanks", 3.0, 3.5, 0.6), Word("for", 3.5, 3.7, 0.6), Word("watching!", 3.7, 4.1, 0.6))):
        transcript = await Recognizer(Whisper(*alone)).transcribe(recording(), ENGLISH)

        assert transcript.text == "The printed book, the invention of it."
        (gap,) = transcript.coverage.gaps
        assert 2.8 <= gap.start <= 3.2 and 3.9 <= gap.end <= 4.4
        assert transcript.coverage.covered_seconds < transcript.coverage.speech_seconds


async def test_words_from_elsewhere_do_not_fill_a_hole() -> None:
    repeated = (Word("printed", 3.0, 3.5, 0.7), Word("book", 3.5, 4.1, 0.7))

    transcript = await Recognizer(Whisper(*repeated)).transcribe(recording(), ENGLISH)

    assert transcript.text.count("printed") == 1


async def test_a_model_that_tells_no_attention_is_believed_as_before() -> None:
    async def older(pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        words = SENTENCES if len(pcm) > 6 * SAMPLE_RATE else ()
        return replace(result(*words, seconds=7), attention=())

    transcript = await Recognizer(older).transcribe(recording(), ENGLISH)

    assert transcript.text == "The printed book, the invention of it."


class FirstPartOnly(Whisper):
    """Hears the first words of five seconds of speech, whatever it is given."""

    async def __call__(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        start, seconds = int(pcm[0]) / 10, len(pcm) / SAMPLE_RATE
        return result(*(word for word in self.alone if start < 0.5), seconds=seconds)


async def test_a_warning_names_the_part_that_has_no_words() -> None:
    pcm = np.zeros(5 * SAMPLE_RATE, np.int16)
    speech = np.ones(round(5 / CHUNK_SECONDS), np.float32)
    whisper = FirstPartOnly(Word("The", 0.1, 0.5, 0.9), Word("book", 0.6, 1.4, 0.9))

    transcript = await Recognizer(whisper).transcribe(Recording(pcm, speech), ENGLISH)

    assert transcript.warnings == ("Speech from 1.2 s to 5.0 s could not be turned into words.",)
