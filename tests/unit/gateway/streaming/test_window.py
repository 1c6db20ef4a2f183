"""Where the window of a live session is cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.streaming.buffer import AudioBuffer
from gateway.streaming.policy import StreamPolicy
from gateway.streaming.window import SpeechWindow
from speech.audio import SAMPLE_RATE
from speech.transcript import Word

LENGTH = 12 * SAMPLE_RATE


def window() -> SpeechWindow:
    return SpeechWindow(AudioBuffer(), StreamPolicy())


@given(st.lists(st.tuples(st.floats(0.05, 2.0), st.floats(0.1, 1.0)), max_size=12))
def test_a_window_is_never_cut_at_the_edge_of_a_word(spoken: list[tuple[float, float]]) -> None:
    """spoken: seconds of silence and of a word, in turn"""
    words, time = list[Word](), 1.0
    for silence, length in spoken:
        words.append(Word("word", time + silence, time + silence + length, 0.9))
        time = words[-1].end

    cut = window().late_pause(words, LENGTH)

    assert all(cut < word.start or cut > word.end for word in words)


def test_the_last_final_word_stays_in_a_window_that_is_trimmed() -> None:
    trimmed = window()
    trimmed._buffer.append(bytes(2 * 2 * LENGTH))
    trimmed.agreement.committed = [Word("one", 1.0, 1.5, 0.9), Word("two", 2.0, 2.5, 0.9)]

    trimmed.trim(LENGTH)

    assert trimmed.offset == 1.75
    assert [word.text for word in trimmed.agreement.committed] == ["two"]
