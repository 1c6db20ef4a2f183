"""Speech regions → windows of at most 30 s, cut in pauses, for Whisper to read several at a time.

The encoder works on the window's own length plus a margin, but never on less than 15.4 s, so a window's
cost is a known function of its length. The cheapest partition of the regions is found exactly, by
dynamic programming over the pauses; a short pause costs extra, because words lie close to the cut.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.activity import CHUNK, CHUNK_SECONDS, Probabilities, Region
from speech.audio import SAMPLE_RATE, Pcm

LONGEST = 30.0  # seconds
PAD = 0.4  # seconds of pause kept around speech, at most half of the pause
MERGE = 3.0  # seconds: a longer silence inside a window invites invented words
FRAMES_PER_SECOND = 50  # of the encoder
MARGIN = 128  # frames that the encoder adds to a window
FLOOR = 768  # frames that the encoder reads at least
CEILING = 1500  # frames that it reads at most
START = 60.0  # frames' worth of starting a window: prompt, language, bookkeeping
SHORT_PAUSE = 30.0  # frames' worth of a cut in a pause of 0 s; none from `EASY_PAUSE` on
EASY_PAUSE = 0.8  # seconds


@dataclass(frozen=True, slots=True)
class Window:
    start: int  # samples
    end: int  # samples, exclusive
    regions: tuple[Region, ...]  # the speech in it


def plan(regions: Sequence[Region], probabilities: Probabilities, pcm: Pcm, longest: float = LONGEST) -> list[Window]:
    """The cheapest windows that hold every region, in order, none overlapping another.

    longest: seconds that a window may have, at most LONGEST
    """
    pieces = [piece for region in regions for piece in _split(region, probabilities, pcm, longest)]
    total = len(pcm) / SAMPLE_RATE
    pauses = _pauses(pieces, total)
    best: list[tuple[float, int]] = [(0.0, 0)]  # cost of the first n pieces, where their last window begins
    for end in range(1, len(pieces) + 1):
        choices = []
        for begin in range(end - 1, -1, -1):
            start, stop = _bounds(pieces, pauses, begin, end)
            inner = pauses[begin + 1] if begin + 1 < end else 0.0
            if begin < end - 1 and (stop - start > longest or inner > MERGE):
                break
            choices.append((best[begin][0] + _cost(stop - start, pauses[begin]), begin))
        best.append(min(choices))
    windows: list[Window] = []
    end = len(pieces)
    while end > 0:
        begin = best[end][1]
        start, stop = _bounds(pieces, pauses, begin, end)
        samples = round(start * SAMPLE_RATE), min(round(stop * SAMPLE_RATE), len(pcm))
        windows.append(Window(*samples, tuple(pieces[begin:end])))
        end = begin
    return windows[::-1]


def _pauses(pieces: Sequence[Region], total: float) -> list[float]:
    """Seconds of silence before each piece, and after the last."""
    ends = [0.0, *(piece.end for piece in pieces)]
    starts = [*(piece.start for piece in pieces), total]
    return [max(0.0, start - end) for end, start in zip(ends, starts, strict=True)]


def _bounds(pieces: Sequence[Region], pauses: Sequence[float], begin: int, end: int) -> tuple[float, float]:
    """Seconds; the outer pauses of a recording belong to one window, all others are shared by two."""
    before = min(PAD, pauses[begin] / (2 if begin else 1))
    after = min(PAD, pauses[end] / (2 if end < len(pieces) else 1))
    start, stop = pieces[begin].start - before, pieces[end - 1].end + after
    excess = max(0.0, stop - start - LONGEST)  # a single piece is never longer than LONGEST itself
    trimmed = min(before, excess)
    return start + trimmed, stop - min(after, excess - trimmed)


def _cost(length: float, pause: float) -> float:
    """length: seconds; pause: seconds of silence at the cut before; returns encoder frames."""
    frames = min(CEILING, max(FLOOR, FRAMES_PER_SECOND * length + MARGIN))
    return frames + START + SHORT_PAUSE * max(0.0, 1 - pause / EASY_PAUSE)


def _split(region: Region, probabilities: Probabilities, pcm: Pcm, longest: float) -> list[Region]:
    """Cuts speech without a pause where it is quietest, into pieces of at most `longest` seconds."""
    first, last = round(region.start / CHUNK_SECONDS), round(region.end / CHUNK_SECONDS)
    most = int(longest / CHUNK_SECONDS) - 2
    cuts = [first]
    while last - cuts[-1] > most:
        # Not before half the length, so that the number of pieces stays small.
        low, high = cuts[-1] + most // 2, min(cuts[-1] + most, last - 1)
        cuts.append(low + int(np.argmin(_loudness(probabilities[low:high], pcm[low * CHUNK : high * CHUNK]))))
    cuts.append(last)
    ends = [*(cut * CHUNK_SECONDS for cut in cuts[1:-1]), region.end]
    starts = [region.start, *(cut * CHUNK_SECONDS for cut in cuts[1:-1])]
    return [Region(start, end) for start, end in zip(starts, ends, strict=True)]


def _loudness(probabilities: Probabilities, pcm: Pcm) -> NDArray[np.float64]:
    """How unfit each chunk is for a cut: its level in dB, and more where speech is likely."""
    chunks = pcm[: len(pcm) // CHUNK * CHUNK].reshape(-1, CHUNK).astype(np.float64)
    level = 10 * np.log10(np.mean(chunks * chunks, axis=1) + 1.0)
    smooth = np.convolve(level + 20 * probabilities[: len(level)], np.ones(3) / 3, mode="same")
    smooth[[0, -1]] = np.inf  # the edges are not smoothed over real neighbours
    return smooth
