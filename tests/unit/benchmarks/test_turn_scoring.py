from __future__ import annotations

import pytest

from benchmarks.turn_scoring import SpokenTurn, diarization_errors, right_words, words_of

REFERENCE = [SpokenTurn("a", 0, 4), SpokenTurn("b", 4, 8), SpokenTurn("a", 7, 10)]


def test_the_same_turns_under_other_names_have_no_errors() -> None:
    renamed = [SpokenTurn({"a": "x", "b": "y"}[turn.speaker], turn.start, turn.end) for turn in REFERENCE]

    assert diarization_errors(REFERENCE, renamed).rate == pytest.approx(0)


def test_missed_invented_and_confused_seconds_are_told_apart() -> None:
    found = [SpokenTurn("x", 1, 4), SpokenTurn("x", 4, 5), SpokenTurn("y", 5, 8), SpokenTurn("x", 7, 11)]

    errors = diarization_errors(REFERENCE, found)

    assert (errors.missed, errors.confused, errors.invented) == pytest.approx((1, 1, 1))
    assert errors.spoken == pytest.approx(11)


def test_boundaries_within_the_collar_are_not_scored() -> None:
    late = [SpokenTurn(turn.speaker, turn.start + 0.2, turn.end + 0.2) for turn in REFERENCE]

    assert diarization_errors(REFERENCE, late, collar=0.25).rate == pytest.approx(0)
    assert diarization_errors(REFERENCE, late).rate > 1


def test_nothing_found_misses_everything() -> None:
    assert diarization_errors(REFERENCE, []).rate == pytest.approx(100)


def test_words_share_their_sentences_time_by_their_letters() -> None:
    first, second = words_of([{"start": 0, "end": 8, "speaker": "a", "text": "abc def"}])

    assert (first.end, second.start, second.end) == (4, 4, 8)


def test_words_count_as_right_under_the_best_names() -> None:
    words = words_of([{"start": 0, "end": 4, "speaker": "a", "text": "one two"}]) + words_of(
        [{"start": 4, "end": 8, "speaker": "b", "text": "six ten"}]
    )

    assert right_words(words, [SpokenTurn("x", 0, 4), SpokenTurn("y", 4, 8)]) == 4
    assert right_words(words, [SpokenTurn("x", 0, 8)]) == 2
