"""Calibration is found again where it is known, and its error is what it says."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from benchmarks.reliability import Bin, bins, brier_score, calibration_error, fit, interval
from benchmarks.reliability_curve import draw_curve
from speech.whisper.calibration import Calibration

TRUE = Calibration(slope=0.6, offset=-0.8)


def test_the_scaling_that_words_follow_is_found_again() -> None:
    random = np.random.default_rng(1)
    probabilities = random.uniform(0.05, 0.999, 20_000)
    shown = np.array([TRUE.confidence(each) for each in probabilities])
    right = random.uniform(size=len(shown)) < shown

    found = fit(probabilities, right)

    assert (found.slope, found.offset) == pytest.approx((0.6, -0.8), abs=0.1)
    assert found.words == 20_000
    assert calibration_error(shown, right) < 0.02 < calibration_error(probabilities, right)


def test_the_error_is_how_far_confidence_and_right_words_differ() -> None:
    confidences = np.array([0.9, 0.9, 0.9, 0.9, 0.5, 0.5, 1.0])
    right = np.array([True, True, False, False, True, False, True])

    assert bins(confidences, right) == [Bin(2, 0.5, 0.5), Bin(5, sum(confidences[[0, 1, 2, 3, 6]]) / 5, 0.6)]
    assert calibration_error(confidences, right) == pytest.approx(5 / 7 * 0.32)
    assert brier_score(np.array([1.0, 0.5]), np.array([True, False])) == pytest.approx(0.125)
    assert interval([(confidences, right)] * 3, resamples=10) == pytest.approx((5 / 7 * 0.32,) * 2)


def test_the_curve_is_a_picture_with_a_point_for_each_bin() -> None:
    before, after = [Bin(5, 0.9, 0.6), Bin(2, 0.5, 0.5)], [Bin(7, 0.6, 0.6)]

    picture = ElementTree.fromstring(draw_curve(before, after))

    points = [each for each in picture.iter("{http://www.w3.org/2000/svg}circle") if len(each)]
    assert [each.get("class") for each in points] == ["before", "before", "after"]
    assert float(points[0].get("cy", 0)) == pytest.approx(20 + 0.4 * 300)
