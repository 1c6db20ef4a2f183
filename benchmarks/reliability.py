"""How far a confidence can be relied on: of the words that come with 0.8, how many are right."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.whisper.calibration import Calibration, logit

BINS = 10  # of equal width
ROUNDS = 50  # of Newton's method: it settles in about 8
RIDGE = 1e-6

Confidences = NDArray[np.float64]  # (words,), 0..1
Marks = NDArray[np.bool_]  # (words,), whether each is right


@dataclass(frozen=True, slots=True)
class Bin:
    """Words of about the same confidence."""

    words: int
    confidence: float  # mean
    right: float  # share


def fit(probabilities: Confidences, right: Marks) -> Calibration:
    """The slope and offset of the log-odds under which the marks are likeliest (logistic regression)."""
    inputs = np.column_stack([[logit(float(each)) for each in probabilities], np.ones(len(probabilities))])
    weights = np.array([1.0, 0.0])
    for _ in range(ROUNDS):
        expected = 1 / (1 + np.exp(-inputs @ weights))
        curvature = inputs.T @ (inputs * (expected * (1 - expected))[:, None]) + RIDGE * np.eye(2)
        weights = weights + np.linalg.solve(curvature, inputs.T @ (right - expected))
    return Calibration(round(float(weights[0]), 4), round(float(weights[1]), 4), len(right))


def bins(confidences: Confidences, right: Marks) -> list[Bin]:
    """Those that hold words, from the lowest on."""
    at = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        Bin(int(np.sum(at == number)), float(confidences[at == number].mean()), float(right[at == number].mean()))
        for number in range(BINS)
        if np.any(at == number)
    ]


def calibration_error(confidences: Confidences, right: Marks) -> float:
    """Expected calibration error: how far confidence and share of right words differ, by bins, weighted by words.

    source: Naeini et al. 2015, Obtaining well calibrated probabilities using Bayesian binning
    """
    return sum(each.words * abs(each.confidence - each.right) for each in bins(confidences, right)) / len(right)


def brier_score(confidences: Confidences, right: Marks) -> float:
    """Mean squared distance from what was: 0 is certain and right."""
    return float(np.mean((confidences - right) ** 2))


def interval(recordings: Sequence[tuple[Confidences, Marks]], resamples: int = 1000) -> tuple[float, float]:
    """95 % interval of the expected calibration error, resampling recordings."""
    random = np.random.default_rng(0)
    errors = []
    for _ in range(resamples):
        drawn = [recordings[at] for at in random.integers(0, len(recordings), len(recordings))]
        errors.append(calibration_error(np.concatenate([c for c, _ in drawn]), np.concatenate([r for _, r in drawn])))
    low, high = np.percentile(errors, [2.5, 97.5])
    return float(low), float(high)
