"""Which of the words that were heard are right."""

from __future__ import annotations

import pytest

from benchmarks.word_marks import mark_words


@pytest.mark.parametrize(
    ("said", "heard", "marks"),
    [
        ("the cat sat on the mat", "The cat sat on a mat.", "++++-+"),
        ("the cat sat", "The cat cat sat.", "++-+"),  # of two alike one is right
        ("the cat sat", "the", "+"),
        ("the cat sat", "Uh, the - cat sat", ".+.++"),  # nothing is left of them
        ("he didn't pay twenty five dollars", "He didn't pay $25.", "++++"),
        ("he paid 25 dollars", "He paid twenty five dollars.", "+++++"),
        ("he paid 35 dollars", "He paid twenty five dollars.", "++---"),
        ("", "you", "-"),
        ("the cat", "", ""),
    ],
)
def test_words_are_right_where_the_reference_has_them(said: str, heard: str, marks: str) -> None:
    found = mark_words(said, heard.split(), "en")

    assert "".join("." if mark is None else "+" if mark else "-" for mark in found) == marks


def test_a_language_without_spaces_is_marked_by_its_characters() -> None:
    assert mark_words("今天天气很好", ["今天", "天汽", "很好"], "zh") == [True, False, True]
