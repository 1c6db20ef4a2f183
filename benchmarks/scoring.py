"""Word error rate: Whisper's own normaliser, jiwer's alignment, bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Protocol

import jiwer
import numpy as np


class Normaliser(Protocol):
    def __call__(self, text: str) -> str: ...


# Languages written without spaces between words are scored by character.
UNSPACED = frozenset({"zh", "ja", "th", "lo", "my", "yue"})
# The package adds these to the replacements of openai-whisper; without them both normalise alike.
ADDED_CONTRACTIONS = (r"\bkinda\b", r"\bsorta\b", r"\bdunno\b", r"\bcause\b")


@dataclass(frozen=True, slots=True)
class WordErrors:
    """Edits between one reference and one hypothesis, in words (characters for unspaced languages)."""

    words: int  # of the reference
    substitutions: int
    deletions: int
    insertions: int

    @property
    def edits(self) -> int:
        return self.substitutions + self.deletions + self.insertions


@dataclass(frozen=True, slots=True)
class WordErrorRate:
    percent: float
    low: float  # 2.5th percentile over resampled recordings, percent
    high: float  # 97.5th percentile, percent
    words: int

    def __str__(self) -> str:
        return f"{self.percent:.2f} ({self.low:.2f}–{self.high:.2f})"


@cache
def normaliser(language: str | None) -> Normaliser:
    """The English normaliser of the Whisper paper for English, its basic one for the rest."""
    from whisper_normalizer.basic import BasicTextNormalizer
    from whisper_normalizer.english import EnglishTextNormalizer

    if language == "en":
        english: Normaliser = EnglishTextNormalizer()
        for added in ADDED_CONTRACTIONS:
            english.replacers.pop(added, None)  # type: ignore[attr-defined]
        return english
    basic: Normaliser = BasicTextNormalizer(split_letters=language in UNSPACED)
    return basic


def count_errors(reference: str, hypothesis: str, language: str | None = "en") -> WordErrors:
    """Normalised word alignment of one recording. An empty reference counts every word as inserted."""
    normalise = normaliser(language)
    said, heard = normalise(reference).strip(), normalise(hypothesis).strip()
    if not said:
        return WordErrors(0, 0, 0, len(heard.split()))
    measures = jiwer.process_words(said, heard)
    return WordErrors(len(said.split()), measures.substitutions, measures.deletions, measures.insertions)


def word_error_rate(errors: Sequence[WordErrors], resamples: int = 2000, seed: int = 0) -> WordErrorRate:
    """Edits per reference word over all recordings, with a 95 % interval from resampling recordings.

    source: Bisani and Ney 2004, bootstrap estimates for confidence intervals in ASR
    """
    edits = np.array([error.edits for error in errors], dtype=np.float64)
    words = np.array([error.words for error in errors], dtype=np.float64)
    if not words.sum():
        raise ValueError("a word error rate needs at least one word of reference")
    rows = np.random.default_rng(seed).integers(0, len(errors), (resamples, len(errors)))
    totals = words[rows].sum(axis=1)
    rates = edits[rows].sum(axis=1)[totals > 0] / totals[totals > 0] * 100
    low, high = np.percentile(rates, [2.5, 97.5])
    return WordErrorRate(float(edits.sum() / words.sum() * 100), float(low), float(high), int(words.sum()))


def invented_words(hypothesis: str, language: str | None = None) -> int:
    """Words heard where nothing was said."""
    return len(normaliser(language)(hypothesis).split())


def gap_interval(pairs: Sequence[tuple[WordErrors, WordErrors]], resamples: int = 2000) -> tuple[float, float, float]:
    """Streaming WER minus file WER in points, with a paired bootstrap's 95 % interval over recordings."""
    differences = np.array([live.edits - whole.edits for live, whole in pairs], dtype=np.float64)
    words = np.array([whole.words for _, whole in pairs], dtype=np.float64)
    rows = np.random.default_rng(0).integers(0, len(pairs), (resamples, len(pairs)))
    rates = differences[rows].sum(axis=1) / words[rows].sum(axis=1) * 100
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(differences.sum() / words.sum() * 100), float(low), float(high)
