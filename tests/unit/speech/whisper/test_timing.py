from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from speech.audio import SAMPLE_RATE, Pcm
from speech.whisper.timing import LEAD, time_words, token_starts
from speech.whisper.words import Span


def ridge(boundaries: list[int], frames: int, heads: int = 3) -> np.ndarray:
    """Attention that looks evenly at each token's own frames, with a little noise elsewhere."""
    rng = np.random.default_rng(0)
    weights = rng.uniform(0.0, 0.002, (heads, len(boundaries), frames)).astype(np.float32)
    for row, (start, end) in enumerate(zip(boundaries, [*boundaries[1:], frames], strict=True)):
        weights[:, row, start:end] += 1.0 / (end - start)
    return weights


def test_tokens_begin_where_the_attention_does() -> None:
    boundaries = [0, 12, 30, 55, 90]
    assert token_starts(ridge(boundaries, 120)) == pytest.approx(np.array(boundaries) * 0.02, abs=0.04)


def test_what_every_token_looks_at_does_not_mislead() -> None:
    boundaries = [0, 12, 30, 55, 90]
    weights = ridge(boundaries, 120)
    weights[:, :, 70] += 5.0
    assert token_starts(weights) == pytest.approx(np.array(boundaries) * 0.02, abs=0.06)


@settings(max_examples=50)
@given(
    arrays(
        np.float32, st.tuples(st.just(2), st.integers(1, 12), st.integers(1, 60)), elements=st.floats(0, 1, width=32)
    )
)
def test_starts_never_decrease_and_stay_in_the_window(weights: np.ndarray) -> None:
    starts = token_starts(weights)
    assert starts.shape == (weights.shape[1],)
    assert np.all(np.diff(starts) >= 0)
    assert starts[0] >= 0 and starts[-1] <= weights.shape[2] * 0.02


@pytest.mark.parametrize("shape", [(0, 3, 10), (2, 0, 10), (2, 3, 0), (3, 10)])
def test_attention_without_heads_rows_or_frames_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="alignment"):
        token_starts(np.zeros(shape, dtype=np.float32))


def span(text: str, first: int, stop: int) -> Span:
    return Span(text, first, stop, first, stop)


def steady(seconds: float) -> Pcm:
    """Sound without a pause."""
    return np.full(round(seconds * SAMPLE_RATE), 1000, np.int16)


def test_words_take_their_tokens_times_and_probabilities() -> None:
    starts = np.array([0.1, 0.3, 0.5, 0.9])
    logprobs = np.log(np.array([0.5, 1.0, 0.8], dtype=np.float32))
    first, second = time_words([span("Well,", 0, 2), span("yes.", 2, 3)], starts, logprobs, steady(1.0))
    assert (first.text, first.start, first.end, first.confidence) == ("Well,", 0.1 + LEAD, 0.5 + LEAD, 0.75)
    assert (second.start, second.end) == (0.5 + LEAD, 0.9 + LEAD)


def test_a_word_after_a_sentence_does_not_begin_in_the_pause() -> None:
    starts = np.array([0.0, 0.3, 0.6, 4.0, 4.3])
    spans = [span("one", 0, 1), span("two.", 1, 2), span("Three", 2, 3), span("four", 3, 4)]
    words = time_words(spans, starts, np.zeros(4, dtype=np.float32), steady(5.0))
    assert words[2].start > 3.0
    assert words[2].end == 4.0 + LEAD


def test_words_beside_a_pause_end_and_begin_with_the_sound() -> None:
    audio = steady(3.0)
    audio[round(0.8 * SAMPLE_RATE) : round(1.6 * SAMPLE_RATE)] = 0
    spans = [span("one", 0, 1), span("two", 1, 2)]

    one, two = time_words(spans, np.array([0.1, 0.9, 2.4]), np.zeros(2, dtype=np.float32), audio)

    assert (one.end, two.start) == (0.8, 1.6)


def test_times_end_with_the_audio() -> None:
    (word,) = time_words([span("late", 0, 1)], np.array([0.5, 1.02]), np.zeros(1, dtype=np.float32), steady(1.0))
    assert word.end == 1.0
