from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.recognition.coverage import (
    JudgedSpans,
    beside_words,
    gaps,
    in_gap,
    in_order,
    is_better,
    measure,
    merge,
    replace_words,
    tighten,
    unexplained,
)
from speech.activity import CHUNK_SECONDS, Region
from speech.transcript import Word

SPEECH = np.ones(round(20 / CHUNK_SECONDS), dtype=np.float32)
SPAN = Region(0.0, 20.0)


def said(text: str, start: float, end: float) -> Word:
    return Word(text, start, end, 0.9)


def test_speech_after_the_last_word_is_a_gap() -> None:
    (gap,) = gaps([said("Chapter", 0.2, 0.8), said("one.", 0.9, 1.5)], SPEECH, SPAN)
    assert 1.5 < gap.start < 2.1
    assert gap.end > 19.9


def test_a_word_stretched_over_other_speech_hides_nothing() -> None:
    (gap,) = gaps([said("one.", 0.0, 20.0)], SPEECH, SPAN)
    assert gap.start < 2


def test_of_a_stretch_only_the_part_without_words_is_named() -> None:
    words = [said("Chapter", 0.2, 0.8), said("one.", 0.9, 1.4), said("Then", 6.0, 6.4)]

    parts = beside_words(Region(0.0, 9.0), words)

    assert parts == [Region(1.4, 6.0), Region(6.4, 9.0)]
    assert beside_words(Region(0.0, 1.9), words) == []
    assert beside_words(Region(2.0, 5.0), words) == [Region(2.0, 5.0)]


def test_silence_is_no_gap() -> None:
    assert gaps([], np.zeros_like(SPEECH), SPAN) == []


def test_a_word_accounts_for_no_more_speech_than_it_can_last() -> None:
    coverage = measure([said("one.", 0.0, 20.0)], SPEECH, 20.0)

    (gap,) = coverage.gaps
    assert 0.5 < gap.start < 2
    assert gap.end == coverage.speech_seconds == 20.0
    assert coverage.covered_seconds == pytest.approx(gap.start, abs=CHUNK_SECONDS)


def test_where_nobody_spoke_or_a_translation_has_words_no_speech_is_missing() -> None:
    words = [said("one", 0.2, 0.6)]

    mistaken = measure(words, SPEECH, 20.0, JudgedSpans(silent=[Region(1.0, 20.0)]))
    translated = measure(words, SPEECH, 20.0, JudgedSpans(explained=[Region(0.0, 20.0)]))

    assert mistaken.gaps == translated.gaps == ()
    assert mistaken.covered_seconds == mistaken.speech_seconds == pytest.approx(1.0, abs=CHUNK_SECONDS)
    assert translated.covered_seconds == translated.speech_seconds == 20.0


def test_words_found_in_a_gap_are_put_in_place_once() -> None:
    words = [said("one", 0, 1), said("four", 8, 9)]
    found = [said("One", 0.3, 1.1), said("two", 2, 3), said("three", 4, 5), said("four", 8.2, 9.1)]
    merged = merge(words, in_gap(words, found, Region(1.2, 7.9)))
    assert [word.text for word in merged] == ["one", "two", "three", "four"]


def test_a_word_with_another_ending_is_not_put_beside_itself() -> None:
    words = [said("conseiller", 0, 1), said("général.", 1.1, 1.6)]

    assert in_gap(words, [said("générales.", 1.2, 2.2), said("five", 2.3, 2.6)], Region(1.7, 2.5)) == [
        said("five", 2.3, 2.6)
    ]


def test_times_stay_inside_the_recording_and_in_order() -> None:
    words = in_order([said("a", -0.1, 1.2), said("b", 1.0, 2.0), said("c", 1.9, 9.0)], 3.0)
    assert [(word.start, word.end) for word in words] == [(0.0, 1.0), (1.0, 1.9), (1.9, 3.0)]


def test_a_word_stretched_over_a_pause_is_put_back_onto_its_speech() -> None:
    speech = np.zeros_like(SPEECH)
    speech[round(4 / CHUNK_SECONDS) : round(5 / CHUNK_SECONDS)] = 1
    stretched, short = tighten([said("Egyptian", 1.0, 5.5), said("kings", 5.5, 6.0)], speech)
    assert 3.9 < stretched.start < 4.1
    assert 4.9 < stretched.end < 5.1
    assert (short.start, short.end) == (5.5, 6.0)


def test_a_stretch_with_too_few_words_or_improbable_ones_is_unexplained() -> None:
    stretches = [Region(0.0, 2.0), Region(3.0, 5.0), Region(6.0, 8.0), Region(9.0, 9.3)]
    words = [said("consequently", 0.1, 1.9), said("a", 3.0, 5.0), Word("Sho", 6.0, 6.8, 0.1), Word("ba", 6.8, 8.0, 0.2)]

    assert unexplained(words, stretches) == stretches[1:3]


def test_more_words_that_fit_their_length_are_better_than_a_stretched_one() -> None:
    stretched = [Word("CHAPTER", 0.0, 2.0, 0.7), Word("16.", 2.0, 2.0, 0.7)]
    spoken = [said("The", 0.0, 0.2), said("Canadian", 0.2, 0.8), said("banged", 0.8, 1.2), said("a", 1.2, 1.3)]

    assert is_better(spoken, stretched)
    assert not is_better(stretched, spoken)
    assert not is_better(spoken, spoken)
    assert not is_better([Word("thanks", 0.0, 0.6, 0.3)], [])
    assert not is_better([Word("thanks", 0.0, 0.6, confidence=0.9, uncalibrated=0.3)], [])


def test_replaced_words_are_not_doubled_at_the_edges_of_their_span() -> None:
    words = [said("one", 0.0, 0.5), said("Chapter", 1.0, 3.0), said("four", 3.2, 3.6)]
    found = [said("one", 0.1, 0.6), said("two", 1.1, 1.5), said("three", 2.0, 2.5)]

    replaced = replace_words(words, found, Region(0.9, 3.0))

    assert [word.text for word in replaced] == ["one", "two", "three", "four"]


def test_every_word_lasts_some_time() -> None:
    words = in_order(
        [said("You", 4.64, 4.64), said("could", 4.64, 4.64), said("make", 4.64, 4.8), said("it", 9, 9)], 9.0
    )

    assert all(word.start < word.end for word in words)
    assert all(one.end <= other.start for one, other in pairwise(words))
    assert words[-1].end <= 9.0


@given(st.lists(st.tuples(st.floats(0, 12), st.floats(0, 12)), min_size=1, max_size=30), st.floats(0.025, 10))
def test_every_word_begins_before_it_ends_and_after_the_one_before(
    times: list[tuple[float, float]], duration: float
) -> None:
    words = in_order([Word("word", *time, 0.5) for time in sorted(times)], duration)

    reached = 0.0
    for word in words:
        assert reached - 1e-9 <= word.start < word.end <= duration
        reached = word.end
