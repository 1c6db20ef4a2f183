"""Which words the end of a turn cost."""

from __future__ import annotations

import pytest

from benchmarks.turn_edges import EdgeErrors, edge_errors

SAID = "the cat sat on the mat and slept"


@pytest.mark.parametrize(
    ("heard", "ends", "wrong"),
    [
        ("the cat sat on the mat and slept", [4, 8], 0),
        ("the cat sat of the mat and slept", [4, 8], 1),  # the last word before the cut
        ("the cat sat on a mat and slept", [4, 8], 1),  # the first word after it
        ("the cat sat on mat and slept", [4, 7], 1),  # a word lost in the cut
        ("the cat sat on on the mat and slept", [4, 9], 1),  # a word heard twice
        ("a cat sat on the mat and slept", [4, 8], 0),  # wrong elsewhere
        ("the cat sat on the mat and slips", [8], 0),  # nothing was said behind it
        ("the cat sat of the mat and slept", [], 0),
        ("", [], 0),
    ],
)
def test_only_words_beside_a_cut_count(heard: str, ends: list[int], wrong: int) -> None:
    assert edge_errors(SAID, heard.split(), ends, SAID) == EdgeErrors(wrong, wrong)


@pytest.mark.parametrize(
    ("heard", "filed", "cut"),
    [
        ("the cat sat of the mat and slept", "the cat sat off the mat and slept", 0),
        ("the cat sat of the mat and slept", "the cat sits on the mat and slept", 1),
        ("the cat sat on mat and slept", "the cat sat on mat and slept", 0),
        ("the cat sat on on the mat and slept", "the cat sat on on the mat and slept", 0),
        ("the cat sat on on the mat and slept", "the cat sat on a mat and slept", 1),
        ("the cat sat of the mat and slept", "", 0),
    ],
)
def test_what_is_wrong_as_a_file_too_was_not_lost_by_the_cut(heard: str, filed: str, cut: int) -> None:
    assert edge_errors(SAID, heard.split(), [4], filed) == EdgeErrors(1, cut)


def test_where_nothing_was_said_nothing_is_cut() -> None:
    assert edge_errors("", ["you"], [1], "") == EdgeErrors()
