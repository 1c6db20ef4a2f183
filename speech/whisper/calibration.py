"""Confidence that means something: of the words that come with 0.8, four in five are right.

The mean probability of a word's tokens says which of two words is likelier to be right, and not how likely. How often
words of a probability are right is counted on recordings with references (`python -m benchmarks calibration`), for one
model on one engine, and kept in the manifest. Only what people see is calibrated: decisions read the probability.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from speech.transcript import WindowResult, Word

LEAST = 1e-4  # a probability is never 0 or 1


@dataclass(frozen=True, slots=True)
class Calibration:
    """Platt's scaling of the log-odds: sigmoid(slope · logit(probability) + offset).

    source: Platt 1999, Probabilistic outputs for support vector machines; Guo et al. 2017, On calibration of modern
    neural networks (offset 0 is their temperature)
    """

    slope: float  # above zero, so that a likelier word stays the likelier one
    offset: float  # log-odds
    words: int = 0  # that it was fitted on

    def confidence(self, probability: float) -> float:
        """How many of the words with this mean token probability are right, 0..1."""
        log_odds = self.slope * logit(probability) + self.offset
        return 1 / (1 + math.exp(-log_odds))


def logit(probability: float) -> float:
    """Log-odds, natural log, of a probability that is taken for neither 0 nor 1."""
    inside = min(max(probability, LEAST), 1 - LEAST)
    return math.log(inside / (1 - inside))


def calibrated(result: WindowResult, calibration: Calibration | None) -> WindowResult:
    """The result with the confidence that people see; its words keep the probability that decisions read."""
    if calibration is None:
        return result
    return replace(result, words=tuple(_calibrated(word, calibration) for word in result.words))


def _calibrated(word: Word, calibration: Calibration) -> Word:
    probability = word.probability
    return replace(word, confidence=round(calibration.confidence(probability), 4), uncalibrated=probability)
