"""Scores of speaker turns: diarization error rate, count of speakers, words with the right speaker.

The error rate is NIST's, overlapped speech included, exact on the turns' boundaries: the same figures as
pyannote.metrics gives (its `collar` is twice the one here).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment


@dataclass(frozen=True, slots=True)
class SpokenTurn:
    speaker: str
    start: float  # seconds
    end: float  # seconds


@dataclass(frozen=True, slots=True)
class DiarizationErrors:
    """Seconds, summed over speakers."""

    missed: float = 0.0
    invented: float = 0.0
    confused: float = 0.0
    spoken: float = 0.0  # by the reference

    def __add__(self, other: DiarizationErrors) -> DiarizationErrors:
        return DiarizationErrors(
            self.missed + other.missed,
            self.invented + other.invented,
            self.confused + other.confused,
            self.spoken + other.spoken,
        )

    @property
    def rate(self) -> float:
        """Percent."""
        return 100 * (self.missed + self.invented + self.confused) / max(self.spoken, 1e-9)


def diarization_errors(
    reference: Sequence[SpokenTurn], found: Sequence[SpokenTurn], collar: float = 0.0
) -> DiarizationErrors:
    """collar: seconds on each side of the reference's boundaries that are not scored"""
    edges = {0.0} | {edge for turn in (*reference, *found) for edge in (turn.start, turn.end)}
    borders = [edge for turn in reference for edge in (turn.start, turn.end)]
    if collar:
        edges |= {max(0.0, border + side) for border in borders for side in (-collar, collar)}
    cuts = np.array(sorted(edges))
    middles, lengths = (cuts[:-1] + cuts[1:]) / 2, np.diff(cuts)
    if collar:
        near = np.any([np.abs(middles - border) < collar for border in borders], axis=0)
        lengths = np.where(near, 0.0, lengths)
    truth, guess = _active(reference, middles), _active(found, middles)
    together = (truth * lengths) @ guess.T
    rows, columns = linear_sum_assignment(-together)
    right = float(together[rows, columns].sum())
    people, heard = truth.sum(axis=0), guess.sum(axis=0)
    return DiarizationErrors(
        missed=float(np.maximum(people - heard, 0) @ lengths),
        invented=float(np.maximum(heard - people, 0) @ lengths),
        confused=float(np.minimum(people, heard) @ lengths) - right,
        spoken=float(people @ lengths),
    )


def _active(turns: Sequence[SpokenTurn], times: NDArray[np.float64]) -> NDArray[np.float64]:
    """(speakers, times): 1 where a speaker speaks."""
    names = sorted({turn.speaker for turn in turns})
    active = np.zeros((len(names), len(times)))
    for turn in turns:
        active[names.index(turn.speaker), (times >= turn.start) & (times < turn.end)] = 1.0
    return active


@dataclass(frozen=True, slots=True)
class SpokenWord:
    speaker: str
    start: float  # seconds
    end: float  # seconds


def words_of(segments: Sequence[dict[str, object]]) -> list[SpokenWord]:
    """Words of a reference with times per sentence: each gets time by its letters."""
    words = []
    for segment in segments:
        start, end = float(str(segment["start"])), float(str(segment["end"]))
        letters = [len(word) + 1 for word in str(segment["text"]).split()]
        edges = start + (end - start) * np.concatenate([[0], np.cumsum(letters)]) / max(sum(letters), 1)
        words += [
            SpokenWord(str(segment["speaker"]), float(edges[i]), float(edges[i + 1])) for i in range(len(letters))
        ]
    return sorted(words, key=lambda word: word.start)


def right_words(words: Sequence[SpokenWord], found: Sequence[SpokenTurn]) -> int:
    """Words that the turns give to the right speaker, under the best mapping of names."""
    if not found:
        return 0
    truth, names = sorted({word.speaker for word in words}), sorted({turn.speaker for turn in found})
    table = np.zeros((len(truth), len(names)))
    for word in words:
        table[truth.index(word.speaker), names.index(_speaker_of(word, found))] += 1
    rows, columns = linear_sum_assignment(-table)
    return int(table[rows, columns].sum())


def _speaker_of(word: SpokenWord, turns: Sequence[SpokenTurn]) -> str:
    """Whose turns overlap the word most; else whose turn is nearest."""
    overlap: dict[str, float] = {}
    for turn in turns:
        shared = min(word.end, turn.end) - max(word.start, turn.start)
        if shared > 0:
            overlap[turn.speaker] = overlap.get(turn.speaker, 0.0) + shared
    if overlap:
        return max(overlap, key=lambda name: overlap[name])
    return min(turns, key=lambda turn: max(turn.start - word.end, word.start - turn.end)).speaker
