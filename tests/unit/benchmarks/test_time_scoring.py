"""How far word times are from the truth."""

from __future__ import annotations

import pytest

from benchmarks.aligned_speech import TrueWord
from benchmarks.time_scoring import BoundaryErrors, HeardWord, boundary_errors

TRUE = [TrueWord("the", 0.5, 0.7), TrueWord("cat", 0.7, 1.0), TrueWord("sat", 1.0, 1.5)]


@pytest.mark.parametrize(
    ("heard", "f1"),
    [
        ([("The", 0.52, 0.68), ("cat,", 0.7, 1.0), ("sat.", 1.04, 1.46)], 100.0),
        ([("The", 0.4, 0.7), ("cat", 0.7, 1.0), ("sat", 1.0, 1.9)], 100 * 4 / 6),  # two boundaries are off
        ([("The", 0.5, 0.7), ("hat", 0.7, 1.0), ("sat", 1.0, 1.5)], 100 * 4 / 6),  # another word
        ([("The", 0.5, 0.7), ("sat", 1.0, 1.5)], 200 * 4 / 10),  # a word lost
        ([("The", 0.5, 0.7), ("uh", 0.7, 0.7), ("cat", 0.7, 1.0), ("sat", 1.0, 1.5)], 100.0),
        ([], 0.0),
    ],
)
def test_boundaries_within_the_collar_count(heard: list[HeardWord], f1: float) -> None:
    assert boundary_errors(TRUE, heard).f1(0.05) == pytest.approx(f1)


def test_only_known_boundaries_count() -> None:
    sentence = [TrueWord("the", 0.5, None), TrueWord("cat", None, None), TrueWord("sat", None, 1.5)]

    errors = boundary_errors(sentence, [("the", 0.6, 0.8), ("cat", 0.8, 1.1), ("sat", 1.1, 1.4)])

    assert (errors.known, errors.told) == (2, 2)
    assert errors.starts == pytest.approx([0.1])
    assert errors.ends == pytest.approx([-0.1])


def test_recordings_are_counted_together() -> None:
    together = BoundaryErrors(2, 2, (0.0,), (0.3,)) + BoundaryErrors(2, 2, (0.1,), (0.0,))

    assert together.f1(0.05) == pytest.approx(50.0)
    assert together.f1(0.3) == pytest.approx(100.0)
