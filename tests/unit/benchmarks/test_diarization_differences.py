from __future__ import annotations

from benchmarks.diarization import differences


def test_an_interval_over_recordings_goes_with_each_difference() -> None:
    worse, better = [(2.0, 10.0, 8, 10), (4.0, 10.0, 9, 10)], [(1.0, 10.0, 9, 10), (2.0, 10.0, 10, 10)]

    errors, words = differences(worse, better)

    assert errors == "+15.00 (+10.00 to +20.00)"
    assert words == "-10.00 (-10.00 to -10.00)"


def test_what_has_no_words_or_is_compared_with_itself_has_none() -> None:
    one, other = [(2.0, 10.0, 0, 0)], [(1.0, 10.0, 0, 0)]

    assert differences(one, other) == ("+10.00 (+10.00 to +10.00)", "–")
    assert differences(one, one) == ("–", "–")
