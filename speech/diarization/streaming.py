"""Speakers of a recording that is still spoken: each new window's voices join those heard before, or are new.

What is decided here is quick and may be wrong; when the recording is complete, `turns` clusters all of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE
from speech.diarization.clustering import (
    Floats,
    Thresholds,
    WeightedEmbeddings,
    length_correction,
    normalise,
    piece_seconds,
    split_tracks,
)
from speech.diarization.turns import OVERLAPPED
from speech.diarization.windows import FRAME, PIECE, POWERSET, STEP, LocalSpeech, frame_start, runs


@dataclass(frozen=True, slots=True)
class StreamingThresholds:
    """Similarities are calibrated cosines."""

    join: float = 0.65  # a track above it is a person who was heard before
    new_seconds: float = 1.0  # of a track that makes a new person


@dataclass(frozen=True, slots=True)
class HeardTurn:
    person: int  # from 0, in order of appearance
    start: float  # seconds
    end: float  # seconds


@dataclass(slots=True)
class StreamingSpeakers:
    """Everybody heard so far. People keep their numbers."""

    thresholds: StreamingThresholds = field(default_factory=StreamingThresholds)
    turns: list[HeardTurn] = field(default_factory=list)  # of the latest window
    _sums: list[Floats] = field(default_factory=list)  # of each person's embeddings, weighted by seconds
    _seconds: list[float] = field(default_factory=list)
    _heard: float = 0.0  # seconds: up to where speech was counted

    def follow(self, speech: LocalSpeech, start: float, end: float) -> None:
        """Takes in the newest stretch of the recording, whose last window alone counts.

        start, end: seconds; stretches overlap and move on
        """
        window = len(speech.activity) - 1
        own = speech.pieces[:, PIECE.window] == window
        last = LocalSpeech(speech.activity[window:], speech.pieces[own], speech.vectors[own])
        last.pieces[:, PIECE.window] = 0
        offset = start + window * STEP / SAMPLE_RATE
        numbers = split_tracks(last, Thresholds())
        people = {int(number): self._person(last, numbers == number, offset, end) for number in np.unique(numbers)}
        self.turns = self._turns(last, [people[int(number)] for number in numbers], offset, end)
        self._heard = max(self._heard, end)

    def person_at(self, start: float, end: float) -> int | None:
        """Who says a word of the latest window; None where nobody was heard. start, end: seconds"""
        if not self.turns:
            return None
        overlap: dict[int, float] = {}
        for turn in self.turns:
            shared = min(end, turn.end) - max(start, turn.start)
            if shared > 0:
                overlap[turn.person] = overlap.get(turn.person, 0.0) + shared
        if overlap:
            return max(overlap, key=lambda person: overlap[person])
        return min(self.turns, key=lambda turn: max(turn.start - end, start - turn.end)).person

    def _person(self, speech: LocalSpeech, pieces: NDArray[np.bool_], offset: float, end: float) -> int:
        rows = speech.pieces[pieces]
        alone = np.where(rows[:, PIECE.alone] == 1, 1.0, OVERLAPPED).astype(np.float32)
        seconds = piece_seconds(speech)[pieces] * alone
        vector = normalise((speech.vectors[pieces] * seconds[:, None]).sum(axis=0))
        total = float(seconds.sum())
        starts = offset + rows[:, PIECE.first] * FRAME
        ends = np.minimum(offset + rows[:, PIECE.end] * FRAME, end)
        fresh = float((np.clip(ends - np.maximum(starts, self._heard), 0, None) * alone).sum())
        person = self._nearest(vector, total)
        if person is None:
            self._sums.append(vector * max(fresh, 0.1))
            self._seconds.append(max(fresh, 0.1))
            return len(self._sums) - 1
        self._sums[person] = self._sums[person] + vector * fresh
        self._seconds[person] += fresh
        return person

    def _nearest(self, vector: Floats, seconds: float) -> int | None:
        """None: nobody who was heard before."""
        if not self._sums:
            return None
        known = WeightedEmbeddings(normalise(np.stack(self._sums)), np.array(self._seconds, np.float32))
        weight = length_correction(np.array([seconds], np.float32)) * length_correction(known.seconds)
        similarity = (known.vectors @ vector) * weight
        best = int(similarity.argmax())
        if similarity[best] < self.thresholds.join and seconds >= self.thresholds.new_seconds:
            return None
        return best

    def _turns(self, speech: LocalSpeech, people: list[int], offset: float, end: float) -> list[HeardTurn]:
        """Each local speaker's speech, cut in the middle between pieces of two people."""
        turns = []
        active = POWERSET[speech.activity[0]]
        for local in range(active.shape[1]):
            own = np.flatnonzero(speech.pieces[:, PIECE.speaker] == local)
            if not len(own):
                continue
            middles = (speech.pieces[own[:-1], PIECE.end] + speech.pieces[own[1:], PIECE.first]) / 2
            frames = np.arange(len(active))
            owner = np.array([people[i] for i in own])[np.searchsorted(middles, frames, side="right")]
            for person in np.unique(owner):
                for first, stop in runs(active[:, local] & (owner == person)):
                    begin, finish = offset + frame_start(first), min(end, offset + frame_start(stop))
                    if finish > begin:
                        turns.append(HeardTurn(int(person), begin, finish))
        return turns
