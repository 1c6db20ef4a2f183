from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech.diarization.windows import (
    CHUNK,
    CHUNK_STEP,
    FRAMES,
    STEP,
    WINDOW,
    WINDOWS_PER_CHUNK,
    LocalSpeech,
    chunk_bounds,
    join_chunks,
    runs,
    window_count,
)


@given(st.integers(1, 40_000_000))
def test_chunks_hold_every_window_of_the_recording_once(samples: int) -> None:
    bounds = chunk_bounds(samples)

    assert sum(window_count(end - start) for start, end in bounds) == window_count(samples)
    assert all(window_count(end - start) == WINDOWS_PER_CHUNK for start, end in bounds[:-1])
    assert bounds[-1][1] == samples


@given(st.integers(1, 40_000_000))
def test_no_chunk_is_longer_than_the_model_takes(samples: int) -> None:
    assert all(0 < end - start <= CHUNK for start, end in chunk_bounds(samples))


@given(st.integers(1, 10_000_000))
def test_the_last_window_reaches_the_end_and_none_begins_after_it(samples: int) -> None:
    last = (window_count(samples) - 1) * STEP

    assert last + WINDOW >= samples
    assert last < samples


def test_joined_chunks_count_their_windows_through() -> None:
    def chunk(windows: int) -> LocalSpeech:
        piece = np.array([[windows - 1, 0, 0, 50, 1]], np.int32)
        return LocalSpeech(np.zeros((windows, FRAMES), np.uint8), piece, np.ones((1, 192), np.float32))

    joined = join_chunks([chunk(24), chunk(3)])

    assert joined.pieces[:, 0].tolist() == [23, 26]
    assert len(joined.activity) == 27


def test_runs_are_the_stretches_of_true() -> None:
    assert runs(np.array([True, False, True, True])) == [(0, 1), (2, 4)]


def test_chunks_start_where_a_window_starts() -> None:
    assert CHUNK_STEP % STEP == 0
