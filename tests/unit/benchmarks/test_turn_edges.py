"""Which words the end of a turn cost."""

from __future__ import annotations

import pytest

from benchmarks.turn_edges import words_cut

SAID = "the cat sat on the mat and slept"


@pytest.mark.parametrize(
    ("heard", "ends", "cut"),
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
def test_only_words_beside_a_cut_count(heard: str, ends: list[int], cut: int) -> None:
    assert words_cut(SAID, heard.split(), ends) == cut


def test_where_nothing_was_said_nothing_is_cut() -> None:
    assert words_cut("", ["you"], [1]) == 0
