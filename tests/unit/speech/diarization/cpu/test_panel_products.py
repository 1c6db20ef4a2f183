"""Products with panels of weights are exact in 8 bits and float32's in float, for any number of rows."""

from __future__ import annotations

import numpy as np
import pytest

from export.diarizer_panels import float_panels, int8_panels
from speech.diarization.cpu.dot_kernels import HAS_KERNELS, compile_kernels, float_product, int8_product
from speech.diarization.cpu.panel_layout import LARGEST_WEIGHT, PANEL, QUAD

pytestmark = pytest.mark.skipif(not HAS_KERNELS, reason="this CPU has neither AVX2 nor VNNI")


@pytest.fixture(scope="module", autouse=True)
def _compiled() -> None:
    compile_kernels()


@pytest.mark.parametrize("rows", [1, 2, 3, 5, 8, 13, 40])
def test_rows_of_bytes_in_segments(rows: int) -> None:
    random = np.random.default_rng(rows)
    x = random.integers(0, 256, 3000).astype(np.uint8)
    segments, segment_step, quads, step = 3, 50, 7, 11
    depth = segments * quads * QUAD
    weight = random.integers(-LARGEST_WEIGHT, LARGEST_WEIGHT + 1, (PANEL, depth))
    panel = weight.reshape(PANEL, depth // QUAD, QUAD).transpose(1, 0, 2).astype(np.int8)
    y = np.zeros(rows * PANEL, np.int32)

    int8_product(rows, x, 4, step, segments, segment_step, quads, panel.ravel(), 0, y, 0)

    taps = [x[4 + m * step + s * segment_step :][: quads * QUAD] for m in range(rows) for s in range(segments)]
    gathered = np.array(taps, np.int64).reshape(rows, depth)
    np.testing.assert_array_equal(y.reshape(rows, PANEL), gathered @ weight.T)


@pytest.mark.parametrize("sign", [-1, 1])
def test_the_largest_products_do_not_overflow(sign: int) -> None:
    quads = 64
    panel = np.full(quads * PANEL * QUAD, sign * LARGEST_WEIGHT, np.int8)
    y = np.zeros(PANEL, np.int32)

    int8_product(1, np.full(quads * QUAD, 255, np.uint8), 0, 0, 1, 0, quads, panel, 0, y, 0)

    assert (y == sign * 255 * LARGEST_WEIGHT * quads * QUAD).all()


@pytest.mark.parametrize("rows", [1, 4, 9])
def test_rows_of_floats_that_overlap(rows: int) -> None:
    random = np.random.default_rng(rows)
    x, weight = random.normal(size=400).astype(np.float32), random.normal(size=(16, 251)).astype(np.float32)
    y = np.zeros((rows, 16), np.float32)

    float_product(rows, x, 0, 10, 251, float_panels(weight).ravel(), 0, y.ravel(), 0, 16)

    windows = np.lib.stride_tricks.sliding_window_view(x, 251)[::10][:rows]
    np.testing.assert_allclose(y, windows.astype(np.float64) @ weight.T, atol=1e-4)


def test_packed_weights_are_within_half_a_step() -> None:
    weight = np.random.default_rng(0).normal(size=(40, 24)).astype(np.float32)

    panels, scale, sums = int8_panels(weight)

    unpacked = panels.transpose(0, 2, 1, 3).reshape(len(scale), -1) * scale[:, None]
    assert (np.abs(unpacked[:40] - weight) <= scale[:40, None] * 0.5001).all()
    np.testing.assert_allclose(sums[:40], unpacked[:40].sum(axis=1), rtol=1e-4, atol=1e-5)
    assert not unpacked[40:].any()
