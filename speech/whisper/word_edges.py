"""Words at pauses begin and end where the sound does.

The warping path gives every frame to some token, so a pause falls to the words beside it, and a word before or after
one is up to as much too long. The sound itself tells where it is.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm

HOP = SAMPLE_RATE // 100  # samples of a frame whose level is measured: 10 ms
LOUD, QUIET = 95, 5  # percentiles of the frames' levels: speech, and what is there without it
OVER_QUIET, UNDER_LOUD = 10.0, 40.0  # dB: a frame is silent up to the higher of the two
DISTINCT = 20.0  # dB that silence has to be below speech: in noise no pause is known
SHORTEST_PAUSE = 0.1  # seconds: the closure of a consonant is shorter
REACH = 0.5  # seconds between a pause and the boundary that belongs there
SHORTEST_WORD = 0.04  # seconds that a word keeps

Times = NDArray[np.float64]  # seconds


def pauses(audio: Pcm) -> Times:
    """Where nothing is heard: (n, 2), starts and ends in order; none where noise is nearly as loud as speech.

    audio: int16 (samples,), 16 kHz mono, of a window
    """
    frames = audio[: len(audio) // HOP * HOP].reshape(-1, HOP).astype(np.float32)
    if not len(frames):
        return np.zeros((0, 2))
    level = 10 * np.log10(np.mean(frames * frames, axis=1) + 1.0)
    loud, quiet = np.percentile(level, [LOUD, QUIET])
    most = max(quiet + OVER_QUIET, loud - UNDER_LOUD)
    if most > loud - DISTINCT:
        return np.zeros((0, 2))
    silent = np.concatenate([[0], (level < most).astype(np.int8), [0]])
    found: Times = np.flatnonzero(np.diff(silent)).reshape(-1, 2) * (HOP / SAMPLE_RATE)
    return found[found[:, 1] - found[:, 0] >= SHORTEST_PAUSE - 1e-6]


def out_of_pauses(begin: Times, end: Times, silent: Times) -> tuple[Times, Times]:
    """Starts and ends of words, those near a pause moved to its edges.

    begin, end: (words,), never decreasing; silent: (n, 2), as from `pauses`
    A pause belongs to the boundary between the words whose middles lie before and after its own, if it is within
    `REACH` of it; a boundary goes to its longest pause.
    """
    begin, end = begin.copy(), end.copy()
    for at, start, stop in _longest_pauses(begin, end, silent):
        if at > 0:
            end[at - 1] = max(start, min(begin[at - 1] + SHORTEST_WORD, end[at - 1]))
        if at < len(begin):
            latest = max(end[at] - SHORTEST_WORD, begin[at])
            begin[at] = max(min(stop, latest), end[at - 1] if at else 0.0)
    return begin, end


def _longest_pauses(begin: Times, end: Times, silent: Times) -> list[tuple[int, float, float]]:
    """Of each boundary that has one: the number of the word after it, and the pause's start and end."""
    middles = np.searchsorted((begin + end) / 2, silent.mean(axis=1))
    before, after = np.concatenate([begin[:1], end]), np.concatenate([begin, end[-1:]])
    longest: dict[int, tuple[float, float]] = {}
    for at, (start, stop) in zip(middles.tolist(), silent.tolist(), strict=True):
        longest_start, longest_stop = longest.get(at, (0.0, 0.0))
        near = start <= after[at] + REACH and stop >= before[at] - REACH
        if near and stop - start > longest_stop - longest_start:
            longest[at] = (start, stop)
    return [(at, start, stop) for at, (start, stop) in sorted(longest.items())]
