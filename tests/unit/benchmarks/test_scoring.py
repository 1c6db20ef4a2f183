"""Word error rates: what counts as an error, and how sure the figure is."""

import pytest

pytest.importorskip("jiwer", reason="scoring needs the benchmarks' environment (make benchmarks)")
pytest.importorskip("whisper_normalizer", reason="scoring needs the benchmarks' environment (make benchmarks)")

from benchmarks.scoring import WordErrors, count_errors, invented_words, word_error_rate


def test_case_punctuation_numbers_and_spelling_are_no_errors() -> None:
    assert count_errors("twenty one colours, mister Brown", "21 colors Mr. Brown.").edits == 0


def test_every_kind_of_error_is_counted() -> None:
    errors = count_errors("the quick brown fox jumps", "the quick red fox jumps over")

    assert (errors.words, errors.substitutions, errors.deletions, errors.insertions) == (5, 1, 0, 1)


def test_words_on_silence_are_insertions() -> None:
    assert count_errors("", "Thank you.") == WordErrors(0, 0, 0, 2)
    assert invented_words("Thank you.") == 2
    assert invented_words(" . ") == 0


def test_unspaced_languages_are_scored_by_character() -> None:
    errors = count_errors("今天天气", "今天天晴", "zh")

    assert (errors.words, errors.edits) == (4, 1)


def test_the_rate_weighs_recordings_by_their_words_and_lies_in_its_interval() -> None:
    rate = word_error_rate([WordErrors(10, 1, 0, 0), WordErrors(90, 0, 0, 0), WordErrors(100, 0, 9, 0)])

    assert rate.percent == pytest.approx(5.0)
    assert rate.low <= rate.percent <= rate.high
    assert rate.words == 200


def test_a_rate_without_reference_words_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one word"):
        word_error_rate([WordErrors(0, 0, 0, 2)])
