import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from speech.activity import CHUNK, CHUNK_SECONDS, Region
from speech.windows import LONGEST, plan

NOISE = np.random.default_rng(0).integers(-3000, 3000, CHUNK).astype(np.int16)


def layout(lengths: list[tuple[int, int]]) -> tuple[list[Region], np.ndarray, np.ndarray]:
    """Regions from (pause, speech) lengths in chunks, with matching probabilities and samples."""
    found, at = [], 0
    for pause, speech in lengths:
        found.append(Region((at + pause) * CHUNK_SECONDS, (at + pause + speech) * CHUNK_SECONDS))
        at += pause + speech
    probabilities = np.zeros(at + 20, dtype=np.float32)
    for region in found:
        probabilities[round(region.start / CHUNK_SECONDS) : round(region.end / CHUNK_SECONDS)] = 1
    pcm = np.tile(NOISE, len(probabilities))
    return found, probabilities, pcm


@given(st.lists(st.tuples(st.integers(10, 400), st.integers(3, 3000)), max_size=12))
def test_windows_hold_all_speech_in_order_without_overlap(lengths: list[tuple[int, int]]) -> None:
    found, probabilities, pcm = layout(lengths)
    windows = plan(found, probabilities, pcm)
    held = np.zeros(len(pcm), dtype=int)
    for window in windows:
        assert 0 < window.end - window.start <= LONGEST * 16_000
        held[window.start : window.end] += 1
    assert held.max(initial=0) <= 1
    for region in found:
        assert held[round(region.start * 16_000) : round(region.end * 16_000)].all()
    assert [window.start for window in windows] == sorted(window.start for window in windows)


def test_short_neighbours_share_a_window() -> None:
    assert len(plan(*layout([(20, 60), (20, 60), (20, 60)]))) == 1


def test_a_long_silence_stays_outside() -> None:
    windows = plan(*layout([(20, 60), (400, 60)]))
    assert len(windows) == 2
    assert sum(window.end - window.start for window in windows) < 6 * 16_000


def test_speech_without_a_pause_is_cut_where_it_is_quietest() -> None:
    found, probabilities, pcm = layout([(10, 1200)])
    quiet = 700 * CHUNK
    pcm[quiet - CHUNK : quiet + 2 * CHUNK] //= 100
    first, second = plan(found, probabilities, pcm)
    assert first.end == second.start
    assert abs(first.end - quiet) <= CHUNK


def test_no_speech_needs_no_window() -> None:
    assert plan([], np.zeros(100, dtype=np.float32), np.zeros(100 * CHUNK, dtype=np.int16)) == []
