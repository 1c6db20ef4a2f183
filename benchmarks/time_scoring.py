"""How far word times are from the truth: F1 of the boundaries within a collar, and their errors.

A boundary is the start or the end of a word. Told is a boundary of a word that stands for one whose boundary is known,
rightly written or not; it is a hit if the word is the same and the time within the collar.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import jiwer
import numpy as np

from benchmarks.aligned_speech import TrueWord

HeardWord = tuple[str, float, float]  # text, start and end in seconds


@dataclass(frozen=True, slots=True)
class BoundaryErrors:
    """Of one recording or of several together."""

    known: int = 0  # boundaries
    told: int = 0
    starts: tuple[float, ...] = field(default=())  # seconds too late, of words that are rightly written
    ends: tuple[float, ...] = field(default=())

    def __add__(self, other: BoundaryErrors) -> BoundaryErrors:
        return BoundaryErrors(
            self.known + other.known, self.told + other.told, self.starts + other.starts, self.ends + other.ends
        )

    def f1(self, collar: float) -> float:
        """Percent. collar: seconds"""
        hits = int((np.abs([*self.starts, *self.ends]) <= collar + 1e-6).sum())
        return 200.0 * hits / max(1, self.known + self.told)


def boundary_errors(true: Sequence[TrueWord], heard: Sequence[HeardWord]) -> BoundaryErrors:
    """Words are compared by their letters, whatever their case and punctuation."""
    said = [(plain(word.text), word) for word in true if plain(word.text)]
    told = [(plain(word[0]), word) for word in heard if plain(word[0])]
    known = sum((word.start is not None) + (word.end is not None) for _, word in said)
    if not said or not told:
        return BoundaryErrors(known)
    aligned = jiwer.process_words(" ".join(text for text, _ in said), " ".join(text for text, _ in told)).alignments[0]
    starts, ends, boundaries = [], [], 0
    for chunk in aligned:
        if chunk.type not in ("equal", "substitute"):
            continue
        pairs = zip(
            said[chunk.ref_start_idx : chunk.ref_end_idx], told[chunk.hyp_start_idx : chunk.hyp_end_idx], strict=True
        )
        for (_, right), (_, (_, start, end)) in pairs:
            boundaries += (right.start is not None) + (right.end is not None)
            if chunk.type == "equal" and right.start is not None:
                starts.append(start - right.start)
            if chunk.type == "equal" and right.end is not None:
                ends.append(end - right.end)
    return BoundaryErrors(known, boundaries, tuple(starts), tuple(ends))


def plain(text: str) -> str:
    return re.sub(r"[^\w']", "", text).lower()
