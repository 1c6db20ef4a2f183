"""Word times from the attention of the alignment heads, without a second pass of the decoder.

The heads attend to the audio of the token that they help to predict. Their weights, cleaned of the frames that
every token attends to, form a ridge from the first token at the start of the audio to the last at its end;
dynamic time warping follows the ridge.

source: openai/whisper timing.py; Giorgino 2009 (dynamic time warping)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import Word
from speech.whisper.numba_cache import keep_compiled
from speech.whisper.word_edges import out_of_pauses, pauses
from speech.whisper.words import Span

keep_compiled()  # at import: numba reads the folder when it first meets a function

FRAME = 0.02  # seconds per encoder frame
LEAD = 0.06  # seconds by which the heads look at a token's sound before it begins (`python -m benchmarks word_times`)
_SENTENCE_END = ".。!！?？"
_LONGEST = 2.0  # times the median word: longer ones have swallowed a pause


def token_starts(alignment: NDArray[np.float32]) -> NDArray[np.float64]:
    """When each token begins, and when the last one ends.

    alignment: float32 (heads, tokens + 1, frames), softmax weights; the last row predicted the end of text
    returns: float64 (tokens + 1,), seconds from the start of the window, never decreasing
    raises: ValueError if there are no heads, no rows or no frames
    """
    if alignment.ndim != 3 or 0 in alignment.shape:
        raise ValueError(f"alignment must be (heads, tokens + 1, frames), none 0, not {alignment.shape}")
    if alignment.shape[1] == 1:
        return np.zeros(1)
    cost = _cost(np.ascontiguousarray(alignment, dtype=np.float32))
    return _first_frames(cost) * FRAME


def time_words(
    spans: Sequence[Span], starts: NDArray[np.float64], logprobs: NDArray[np.float32], audio: Pcm
) -> tuple[Word, ...]:
    """Words with times and probabilities.

    starts: (tokens + 1,), as from `token_starts`; logprobs: (tokens,), natural log; audio: int16 (n,), of the window
    returns: words in order, 0 ≤ start ≤ end ≤ duration of the window, starts never decreasing
    """
    if not spans:
        return ()
    begin = np.array([starts[span.core_first] for span in spans]) + LEAD
    end = np.array([starts[span.core_stop] for span in spans]) + LEAD
    _trim_pauses(spans, begin, end)
    duration = len(audio) / SAMPLE_RATE
    begin, end = np.clip(begin, 0.0, duration), np.clip(end, 0.0, duration)
    begin, end = out_of_pauses(begin, end, pauses(audio))
    probabilities = np.exp(logprobs)
    return tuple(
        Word(
            text=span.text,
            start=round(float(begin[row]), 3),
            end=round(float(end[row]), 3),
            confidence=round(min(1.0, float(probabilities[span.core_first : span.core_stop].mean())), 4),
        )
        for row, span in enumerate(spans)
    )


def compile_timing() -> None:
    """Compiles, or loads from the cache, what `token_starts` needs: seconds the first time, so not in a request."""
    token_starts(np.full((1, 3, 16), 1 / 16, dtype=np.float32))


def _trim_pauses(spans: Sequence[Span], begin: NDArray[np.float64], end: NDArray[np.float64]) -> None:
    """Cuts words that stretch over a pause: the last of a sentence at its end, others at their start.

    The warping path must give every frame to some token, so the silence between sentences lands in a word.
    source: openai/whisper timing.py add_word_timestamps (the rule of twice the median)
    """
    lengths = end - begin
    letters = np.array([len(span.text) for span in spans])
    sounding = lengths[lengths > 0]
    if not sounding.size:
        return
    usual = _LONGEST * min(0.7, float(np.median(sounding)))
    longest = usual * np.maximum(1.0, letters / max(1.0, float(np.median(letters))))
    for row in np.flatnonzero(lengths > longest):
        if spans[row].text[-1] in _SENTENCE_END:
            end[row] = begin[row] + longest[row]
        elif row == 0 or spans[row - 1].text[-1] in _SENTENCE_END:
            begin[row] = end[row] - longest[row]


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "contract", "reassoc", "arcp"})
def _cost(alignment: NDArray[np.float32]) -> NDArray[np.float32]:  # pragma: no cover - compiled
    """(heads, rows, frames) → (rows, frames): minus the cleaned weight, mean over the heads.

    Each row is made a distribution over the window's own frames, each frame set against what all rows
    give it (z-score), then a median of 7 frames takes out the spikes.
    """
    heads, rows, frames = alignment.shape
    cost = np.zeros((rows, frames), dtype=np.float32)
    share = np.empty((rows, frames), dtype=np.float32)
    padded = np.empty(frames + 6, dtype=np.float32)
    for head in range(heads):
        for row in range(rows):
            weights = alignment[head, row]
            scale = np.float32(1.0) / (weights.sum() + np.float32(1e-20))
            for frame in range(frames):
                share[row, frame] = weights[frame] * scale
        _standardise(share)
        for row in range(rows):
            _reflect(share[row], padded)
            for frame in range(frames):
                cost[row, frame] -= _median7(padded, frame)
    for row in range(rows):
        for frame in range(frames):
            cost[row, frame] /= np.float32(heads)
    return cost


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "contract", "reassoc", "arcp"})
def _standardise(share: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Every column to mean 0 and standard deviation 1 over the rows, in place."""
    rows, frames = share.shape
    mean = np.zeros(frames, dtype=np.float32)
    scale = np.zeros(frames, dtype=np.float32)
    for row in range(rows):
        for frame in range(frames):
            mean[frame] += share[row, frame]
    for frame in range(frames):
        mean[frame] /= np.float32(rows)
    for row in range(rows):
        for frame in range(frames):
            difference = share[row, frame] - mean[frame]
            scale[frame] += difference * difference
    for frame in range(frames):
        scale[frame] = np.float32(1.0) / (np.sqrt(scale[frame] / np.float32(rows)) + np.float32(1e-12))
    for row in range(rows):
        for frame in range(frames):
            share[row, frame] = (share[row, frame] - mean[frame]) * scale[frame]


@njit(cache=True, nogil=True)
def _reflect(values: NDArray[np.float32], padded: NDArray[np.float32]) -> None:  # pragma: no cover - compiled
    """Copies (n,) into (n + 6,), mirrored by 3 at both ends without repeating the edge."""
    frames = values.shape[0]
    last = frames - 1
    padded[3 : 3 + frames] = values
    for distance in range(1, 4):
        padded[3 - distance] = values[min(distance, last)]
        padded[3 + last + distance] = values[max(last - distance, 0)]


@njit(cache=True, nogil=True, inline="always", fastmath={"nnan", "ninf", "nsz"})
def _median7(values: NDArray[np.float32], start: int) -> np.float32:  # pragma: no cover - compiled
    """Median of values[start:start + 7] by a sorting network's minima and maxima, without a branch.

    source: Devillard 1998, Fast median search
    """
    a, b, c, d = values[start], values[start + 1], values[start + 2], values[start + 3]
    e, f, g = values[start + 4], values[start + 5], values[start + 6]
    a, f = min(a, f), max(a, f)
    a, d = min(a, d), max(a, d)
    b, g = min(b, g), max(b, g)
    c, e = min(c, e), max(c, e)
    b = max(a, b)
    d, f = min(d, f), max(d, f)
    c, g = min(c, g), max(c, g)
    d = max(c, d)
    d = min(d, g)
    e = min(e, f)
    b, e = min(b, e), max(b, e)
    d = max(b, d)
    return min(d, e)


@njit(cache=True, nogil=True)
def _first_frames(cost: NDArray[np.float32]) -> NDArray[np.float64]:  # pragma: no cover - compiled
    """(rows, frames) → float64 (rows,): the frame at which the cheapest monotone path enters each row."""
    rows, frames = cost.shape
    total = np.full((rows + 1, frames + 1), np.inf, dtype=np.float32)
    step = np.zeros((rows + 1, frames + 1), dtype=np.uint8)  # 0 both, 1 next row, 2 next frame
    total[0, 0] = 0.0
    for row in range(1, rows + 1):
        for frame in range(1, frames + 1):
            both, down, right = total[row - 1, frame - 1], total[row - 1, frame], total[row, frame - 1]
            if both < down and both < right:
                best, move = both, 0
            elif down < both and down < right:
                best, move = down, 1
            else:
                best, move = right, 2
            total[row, frame] = cost[row - 1, frame - 1] + best
            step[row, frame] = move
    first = np.zeros(rows, dtype=np.float64)
    row, frame = rows, frames
    while row > 0 and frame > 0:
        first[row - 1] = frame - 1
        move = step[row, frame]
        if move != 2:
            row -= 1
        if move != 1:
            frame -= 1
    return first
