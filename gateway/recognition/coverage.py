"""Speech held against words: finds speech without words, and merges the words that decoding it again yields."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from speech.activity import CHUNK_SECONDS, Probabilities, Region, regions
from speech.transcript import Coverage, SpeechGap, Word

SPEECH = 0.5  # probability of a chunk that must have a word
REACH = 0.3  # seconds around a word that count as covered by it
LONGEST_WORD = 1.2  # seconds that a word covers at most: beyond it the alignment was stretched
SHORTEST_BELIEVABLE = 0.3  # seconds that any word may last
PER_LETTER = 0.08  # seconds, on top
GUESS = 0.35  # probability at which a word is as likely right as wrong
BETTER = 1.15  # times the weight of the words that are replaced
LEAST_EXPLAINED = 0.4  # share of a stretch of speech that its words take up
LONGEST_LOOK = 6.0  # seconds of a stretch that is looked at again as a whole
LEAST_GAIN = 2.0  # letters
SHORTEST_GAP = 0.6  # seconds of speech without words that are decoded again
PAUSE = 0.5  # seconds of silence inside a gap that do not split it
SHORTEST = 0.02  # seconds that a word lasts at least: one frame of the encoder
SAME_LETTERS, SAME_SHARE = 4, 0.7  # of two words' beginnings, at least: what follows is an ending
DOUBLE = 0.6  # seconds within which the same word in two windows is one word


def gaps(words: Sequence[Word], speech: Probabilities, span: Region) -> list[Region]:
    """Regions inside `span` with speech and no word."""
    first, last = round(span.start / CHUNK_SECONDS), round(span.end / CHUNK_SECONDS)
    uncovered = speech[first:last] >= SPEECH
    for word in words:
        start = word.start - REACH
        end = min(word.end, word.start + believable(word)) + REACH
        low, high = int(start / CHUNK_SECONDS) - first, int(end / CHUNK_SECONDS) + 1 - first
        uncovered[max(0, low) : max(0, high)] = False
    chunks = np.flatnonzero(uncovered)
    if len(chunks) == 0:
        return []
    return [
        Region((first + int(run[0])) * CHUNK_SECONDS, (first + int(run[-1]) + 1) * CHUNK_SECONDS)
        for run in _runs(chunks)
        if len(run) * CHUNK_SECONDS >= SHORTEST_GAP
    ]


@dataclass(frozen=True, slots=True)
class JudgedSpans:
    """What is known of a recording's speech beside its words. Seconds."""

    silent: Sequence[Region] = ()  # nobody spoke, whatever voice activity says
    explained: Sequence[Region] = ()  # the words account for all of the speech
    lost: Sequence[Region] = ()  # the words account for none of the speech


NOTHING_JUDGED = JudgedSpans()


def measure(
    words: Sequence[Word], speech: Probabilities, duration: float, judged: JudgedSpans = NOTHING_JUDGED
) -> Coverage:
    """How much of a recording's speech its words account for; a stretched word accounts for a believable length.

    duration: seconds of the recording
    """
    spoken = np.zeros(len(speech), dtype=bool)
    for region in regions(speech):
        spoken[_chunks(region)] = True
    for span in judged.silent:
        spoken[_chunks(span)] = False
    in_question = spoken.copy()
    for span in judged.explained:
        in_question[_chunks(span)] = False
    found = gaps(words, np.where(in_question, speech, 0).astype(np.float32), Region(0.0, len(speech) * CHUNK_SECONDS))
    found = joined([*found, *judged.lost])
    told = tuple(SpeechGap(gap.start, min(gap.end, duration)) for gap in found)
    seconds = min(float(spoken.sum()) * CHUNK_SECONDS, duration)
    for gap in found:
        spoken[_chunks(gap)] = False
    return Coverage(seconds, min(float(spoken.sum()) * CHUNK_SECONDS, seconds), told)


def joined(stretches: Sequence[Region]) -> list[Region]:
    """In order, those that meet as one."""
    found: list[Region] = []
    for each in sorted(stretches, key=lambda stretch: stretch.start):
        if found and each.start <= found[-1].end:
            found[-1] = replace(found[-1], end=max(found[-1].end, each.end))
        else:
            found.append(each)
    return found


def _chunks(span: Region) -> slice:
    return slice(round(span.start / CHUNK_SECONDS), round(span.end / CHUNK_SECONDS))


def believable(word: Word) -> float:
    """Seconds that a word may last: beyond them the alignment was stretched over something else."""
    return min(LONGEST_WORD, SHORTEST_BELIEVABLE + PER_LETTER * len(_letters(word)))


def is_better(found: Sequence[Word], words: Sequence[Word]) -> bool:
    """Whether what a second look found explains a stretch of speech clearly better than the words that it had."""
    return _weight(found) > BETTER * max(0.0, _weight(words)) + LEAST_GAIN


def _weight(words: Sequence[Word]) -> float:
    """Letters that are rather right than wrong; those of stretched words and of words without length count less."""
    total = 0.0
    for word in words:
        length = word.end - word.start
        fit = min(1.0, believable(word) / length) if length > 0 else 0.0
        total += len(_letters(word)) * (word.probability * fit - GUESS)
    return total


def replace_words(words: Sequence[Word], found: Sequence[Word], span: Region) -> list[Word]:
    """The words with those inside the span replaced by `found`; one that stands beside it already is kept once."""
    outside = [word for word in words if not _inside(word, span)]
    fresh = [word for word in found if not any(_same(word, other) for other in outside)]
    return sorted([*outside, *fresh], key=lambda word: (word.start, word.end))


def inside(words: Sequence[Word], span: Region) -> list[Word]:
    """Those whose middle lies in the span."""
    return [word for word in words if _inside(word, span)]


def _inside(word: Word, span: Region) -> bool:
    return span.start <= (word.start + word.end) / 2 <= span.end


def unexplained(words: Sequence[Word], stretches: Sequence[Region]) -> list[Region]:
    """Stretches of speech that their words do not explain: too few of them, or hardly probable."""
    found = []
    for stretch in stretches:
        length = stretch.end - stretch.start
        own = inside(words, stretch)
        explained = sum(min(word.end - word.start, believable(word)) for word in own)
        if SHORTEST_GAP <= length <= LONGEST_LOOK and (
            explained < LEAST_EXPLAINED * length or sum(word.probability for word in own) < GUESS * len(own)
        ):
            found.append(stretch)
    return found


def beside_words(stretch: Region, words: Sequence[Word]) -> list[Region]:
    """Parts of a stretch of speech that no word stands for. words: in order of time"""
    parts = []
    start = stretch.start
    for word in words:
        end = min(word.end, word.start + believable(word))
        if end > start and word.start < stretch.end:
            parts.append(Region(start, max(start, word.start)))
            start = end
    parts.append(Region(start, max(start, stretch.end)))
    return [each for each in parts if each.end - each.start >= SHORTEST_GAP]


def tighten(words: Sequence[Word], speech: Probabilities) -> tuple[Word, ...]:
    """A word that the alignment stretched over a pause is narrowed to the speech inside it."""
    return tuple(_tighten(word, speech) if word.end - word.start > LONGEST_WORD else word for word in words)


def _tighten(word: Word, speech: Probabilities) -> Word:
    first = int(word.start / CHUNK_SECONDS)
    chunks = np.flatnonzero(speech[first : int(word.end / CHUNK_SECONDS) + 1] >= SPEECH)
    if len(chunks) == 0:
        return word
    longest = max(_runs(chunks), key=len)
    start = max(word.start, (first + int(longest[0])) * CHUNK_SECONDS)
    end = min(word.end, (first + int(longest[-1]) + 1) * CHUNK_SECONDS)
    return replace(word, start=start, end=max(start, end))


def _runs(chunks: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Chunks of speech, split where a pause lies between them."""
    return np.split(chunks, np.flatnonzero(np.diff(chunks) * CHUNK_SECONDS > PAUSE) + 1)


def in_gap(words: Sequence[Word], found: Sequence[Word], gap: Region) -> list[Word]:
    """Those of `found` that lie in the gap and are none of the words."""
    near = [word for word in found if gap.start - REACH <= (word.start + word.end) / 2 <= gap.end + REACH]
    # What lies in the gap itself cannot be a word beside it, however its alignment reaches over.
    beside = [word for word in words if not _inside(word, gap)]
    return [
        word
        for word in near
        if not any(
            _twice(word, other) if other in beside and _inside(word, gap) else _same(word, other) for other in words
        )
    ]


def merge(words: Sequence[Word], fresh: Sequence[Word]) -> list[Word]:
    """In order of time."""
    return sorted([*words, *fresh], key=lambda word: (word.start, word.end))


def in_order(words: Sequence[Word], duration: float) -> list[Word]:
    """Times inside the recording; no word lasts no time, begins before its predecessor or overlaps its successor."""
    if not words:
        return []
    shortest = min(SHORTEST, duration / len(words))
    starts: list[float] = []
    for word in words:
        starts.append(max(word.start, starts[-1] + shortest if starts else 0.0))
    # Those that crowd at the end of the recording make room for each other.
    starts = [min(start, duration - (len(words) - at) * shortest) for at, start in enumerate(starts)]
    limits = [*starts[1:], duration]
    return [
        replace(word, start=max(0.0, start), end=min(max(word.end, start + shortest), limit))
        for word, start, limit in zip(words, starts, limits, strict=True)
    ]


def _same(one: Word, other: Word) -> bool:
    overlap = min(one.end, other.end) - max(one.start, other.start)
    if overlap > 0.5 * max(min(one.end - one.start, other.end - other.start), 1e-3):
        return True
    return _twice(one, other)


def _twice(one: Word, other: Word) -> bool:
    """The same word, or all but its ending, at the same time."""
    if abs(one.start - other.start) >= DOUBLE:
        return False
    short, long_ = sorted((_letters(one), _letters(other)), key=len)
    shared = next((at for at, (a, b) in enumerate(zip(short, long_, strict=False)) if a != b), len(short))
    return short == long_ or shared >= max(SAME_LETTERS, SAME_SHARE * len(long_))


def _letters(word: Word) -> str:
    return re.sub(r"\W", "", word.text).lower()
