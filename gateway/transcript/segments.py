"""Words → segments: a segment ends with its sentence, before a long pause, at a change of speaker or of language."""

from __future__ import annotations

import re
from collections.abc import Sequence

from gateway.transcript.sentences import ends_sentence
from gateway.transcript.text import join
from speech.transcript import Segment, Word

PAUSE = 1.0  # seconds without a word that end a segment
LONGEST = 20.0  # seconds: a sentence beyond it is cut at its best place
SHORTEST_CUT = 3.0  # seconds that each side of such a cut keeps at least

_CLAUSE_END = re.compile(r"[,;:、，；：،–—-]['\"”’»)]*$")


def segment(words: Sequence[Word], language: str) -> tuple[Segment, ...]:
    """Segments in order; together they hold every word once."""
    sentences: list[list[Word]] = []
    for at, word in enumerate(words):
        if not sentences or _breaks(words[at - 1], word):
            sentences.append([])
        sentences[-1].append(word)
    pieces = [piece for sentence in sentences for piece in _shorten(sentence)]
    return tuple(Segment(tuple(piece), join(piece, language), piece[0].speaker) for piece in pieces)


def _breaks(before: Word, after: Word) -> bool:
    if before.speaker != after.speaker or before.language != after.language:
        return True
    return after.start - before.end >= PAUSE or ends_sentence(before.text)


def _shorten(sentence: list[Word]) -> list[list[Word]]:
    if sentence[-1].end - sentence[0].start <= LONGEST or len(sentence) < 2:
        return [sentence]
    at = max(range(1, len(sentence)), key=lambda at: split_score(sentence, at, SHORTEST_CUT))
    return [*_shorten(sentence[:at]), *_shorten(sentence[at:])]


def split_score(words: Sequence[Word], at: int, margin: float) -> float:
    """How good a place to split words before `at` is: after a clause, in a pause, near the middle.

    margin: seconds that both sides should keep
    """
    before, after = words[at - 1], words[at]
    sides = min(before.end - words[0].start, words[-1].end - after.start)
    middle = sides / max(words[-1].end - words[0].start, 1e-3)
    pause = min(after.start - before.end, 1.0)
    clause = 0.5 if _CLAUSE_END.search(before.text) else 0.0
    return middle + pause + clause - (1.0 if sides < margin else 0.0)
