"""A calibrated confidence keeps the order of words, and leaves what decisions read as it was."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.tensors import read_result, write_result
from speech.transcript import WindowResult, Word
from speech.whisper.calibration import Calibration, calibrated

HARSH = Calibration(slope=0.5, offset=-1.0)
HEARD = WindowResult((Word("Hello,", 0.0, 0.4, 0.9), Word("Ada.", 0.5, 0.9, 0.2)), "Hello, Ada.", "en", 1.0, -0.1, 0.0)


def test_words_get_the_confidence_of_their_probability_and_keep_it() -> None:
    shown = calibrated(HEARD, HARSH)

    assert [word.confidence for word in shown.words] == pytest.approx([0.5246, 0.1554], abs=1e-4)
    assert [word.probability for word in shown.words] == [0.9, 0.2]
    assert read_result(write_result(shown)) == shown
    assert calibrated(shown, HARSH) == shown


def test_without_a_calibration_the_confidence_is_the_probability() -> None:
    assert calibrated(HEARD, None) == HEARD
    assert replace(HEARD.words[0], confidence=0.3).probability == 0.3


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_likelier_word_stays_the_likelier_one(one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert 0 < HARSH.confidence(low) <= HARSH.confidence(high) < 1
