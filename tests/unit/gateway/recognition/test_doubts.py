from __future__ import annotations

import pytest

from gateway.recognition.doubts import MOST_STRETCHES, language_doubts, segment_doubts
from gateway.recognition.windows import WindowTranscript
from speech.transcript import Segment, WindowResult, Word
from speech.windows import Window


def window(language: str, probability: float, seconds: int) -> WindowTranscript:
    result = WindowResult((), "", language, probability, 0.0, 0.0)
    return WindowTranscript(Window(0, seconds * 16_000, ()), result, ())


def segments(*confidences: float) -> list[Segment]:
    return [Segment((Word("a", at, at + 0.5, each),), "a") for at, each in enumerate(confidences)]


def test_a_language_that_was_detected_with_certainty_is_not_doubted() -> None:
    assert language_doubts([window("en", 0.9, 10), window("hu", 0.6, 2)], "en") == []
    assert language_doubts([], "en") == []


@pytest.mark.parametrize("windows", [[window("hu", 0.4, 10)], [window("hu", 0.9, 4), window("en", 0.8, 5)]])
def test_a_language_that_is_a_guess_is_told(windows: list[WindowTranscript]) -> None:
    (told,) = language_doubts(windows, "hu")

    assert told == "The language is a guess: Hungarian (40%). Name it with `language` if that is wrong."


def test_doubtful_words_are_told_by_their_stretches() -> None:
    assert segment_doubts(segments(0.9, 0.49, 0.2, 0.5, 0.3)) == [
        "The words from 1.0 s to 2.5 s are doubtful (confidence 0.20).",
        "The words from 4.0 s to 4.5 s are doubtful (confidence 0.30).",
    ]


def test_of_very_many_stretches_the_rest_is_counted() -> None:
    told = segment_doubts(segments(*[0.1, 0.9] * (MOST_STRETCHES + 3)))

    assert len(told) == MOST_STRETCHES + 1
    assert told[-1] == "So are those of 3 stretches more."
