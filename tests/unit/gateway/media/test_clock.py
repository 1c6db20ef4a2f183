"""Where samples belong by a file's clock."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.media.clock import LONGEST_PAUSE, TOLERANCE, SampleClock
from speech.audio import SAMPLE_RATE

FRAME = 1600  # samples: 0.1 s


def silences(starts: list[float], origin: float = 0.0) -> list[float]:
    clock = SampleClock(origin)
    return [clock.place(start, FRAME) / SAMPLE_RATE for start in starts]


def test_sound_that_begins_late_comes_after_silence() -> None:
    assert silences([3.0, 3.1]) == [3.0, 0.0]


def test_a_pause_is_silence_as_long() -> None:
    assert silences([0.0, 0.1, 20.2, 20.3]) == [0.0, 0.0, 20.0, 0.0]


def test_a_clock_that_jumps_back_goes_on_from_there() -> None:
    assert silences([0.0, 0.1, 0.0, 0.1, 5.2]) == [0.0, 0.0, 0.0, 0.0, 5.0]


def test_a_clock_that_leaps_too_far_goes_on_from_there() -> None:
    assert silences([0.0, 5000.0, 5000.1, 5001.2]) == [0.0, 0.0, 0.0, 1.0]


def test_the_time_begins_at_the_origin() -> None:
    assert silences([1002.0, 1002.1], origin=1000.0) == [2.0, 0.0]


@given(st.lists(st.floats(0, 1e5), min_size=1, max_size=30))
def test_whatever_a_clock_says_no_pause_is_longer_than_the_longest(starts: list[float]) -> None:
    told = silences(starts)

    assert all(silence == 0 or TOLERANCE - 1e-3 <= silence <= LONGEST_PAUSE for silence in told)
