"""Assigns a speaker to every word: by overlap with the turns, with changes at pauses and sentence ends preferred."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from gateway.transcript.segments import segment
from gateway.transcript.sentences import ends_sentence
from speech.transcript import Transcript, Turn, Word
from speech.viterbi import best_path

Floats = NDArray[np.float64]
SPEAKER = re.compile(r"Speaker \d+")  # somebody without a name

# Cost of a change of speaker between two words, in words whose turns say otherwise.
CHANGE = 1.0
CHANGE_AT_PAUSE = 0.3
CHANGE_AT_SENTENCE = 0.15
PAUSE = 0.3  # seconds
SHORTEST = 0.1  # seconds that a word lasts at least: times from attention can coincide
NEAR = 0.5  # seconds: decay of a turn's claim to a word outside it


def with_speakers(transcript: Transcript, turns: Sequence[Turn]) -> Transcript:
    """The transcript with a speaker at every word, and a new segment at every change.

    Speakers are numbered in order of their first word; one without words is not listed.
    """
    words = assign([word for piece in transcript.segments for word in piece.words], turns)
    return replace(
        transcript,
        segments=segment(words, transcript.language),
        speakers=tuple(dict.fromkeys(word.speaker for word in words if word.speaker)),
    )


def assign(words: Sequence[Word], turns: Sequence[Turn]) -> list[Word]:
    """Every word with its speaker, "Speaker 1" being the first to speak; without turns all words are one speaker's."""
    if not words:
        return []
    people = list(dict.fromkeys(turn.speaker for turn in turns))
    if not people:
        return [replace(word, speaker="Speaker 1") for word in words]
    claims = np.stack([_claim(words, [turn for turn in turns if turn.speaker == person]) for person in people], axis=1)
    known = {turn.speaker for turn in turns if turn.known}
    names: dict[int, str] = {}
    return [
        replace(word, speaker=names.setdefault(int(person), _name(people[int(person)], known, names)))
        for word, person in zip(words, best_path(claims, _change_costs(words)), strict=True)
    ]


def _name(person: str, known: Collection[str], names: Mapping[int, str]) -> str:
    """Who is known keeps the name; the others are numbered."""
    return person if person in known else f"Speaker {sum(name not in known for name in names.values()) + 1}"


def _claim(words: Sequence[Word], turns: Sequence[Turn]) -> Floats:
    """(words,): share of each word inside one person's turns; outside them at most a half, decaying with distance."""
    starts, ends = (np.array(edge) for edge in zip(*sorted((turn.start, turn.end) for turn in turns), strict=True))
    first = np.array([word.start for word in words])
    last = np.maximum(np.array([word.end for word in words]), first + SHORTEST)
    inside = (_spoken_until(last, starts, ends) - _spoken_until(first, starts, ends)) / (last - first)
    after = np.searchsorted(starts, last)  # the first turn that begins after the word
    to_next = np.where(after < len(starts), starts[np.minimum(after, len(starts) - 1)] - last, np.inf)
    since_last = np.where(after > 0, np.maximum(0.0, first - np.maximum.accumulate(ends)[after - 1]), np.inf)
    beside = 0.5 * np.exp(-np.minimum(to_next, since_last) / NEAR)
    # A tail keeps far words with whoever is nearest instead of with whoever is first.
    tail = 0.01 / (1.0 + np.minimum(to_next, since_last))
    claim: Floats = np.maximum(np.minimum(inside, 1.0), beside) + tail
    return claim


def _spoken_until(times: Floats, starts: Floats, ends: Floats) -> Floats:
    """Seconds of one person's turns before each time."""
    edges = np.stack([starts, ends], axis=1).ravel()
    spoken = np.concatenate([[0.0], np.cumsum(np.diff(edges) * (np.arange(len(edges) - 1) % 2 == 0))])
    until: Floats = np.interp(times, edges, spoken)
    return until


def _change_costs(words: Sequence[Word]) -> Floats:
    """Cost of a change of speaker before each word but the first."""
    costs = []
    for before, after in pairwise(words):
        if ends_sentence(before.text):
            costs.append(CHANGE_AT_SENTENCE)
        else:
            costs.append(CHANGE_AT_PAUSE if after.start - before.end > PAUSE else CHANGE)
    return np.array(costs)
