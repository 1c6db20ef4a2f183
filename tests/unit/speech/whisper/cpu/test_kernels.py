"""Compiled kernels against numpy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.cache_kernels import quantise_key, quantise_values
from speech.whisper.cpu.float_kernels import (
    fast_exp,
    fast_gelu,
    float_row_product,
    largest,
    largest_magnitude,
    panel_product,
)
from speech.whisper.cpu.int8_kernels import ACTIVATION, HAS_KERNELS, MAX_ROWS, begin_products, end_products, panel_dot
from speech.whisper.cpu.int16_kernels import quantise, softmax, wide_product

DEPTH = 36
DOT_DEPTH = 128


@njit(error_model="numpy")
def exponentials(x, y):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        y[i] = fast_exp(x[i])


@njit(error_model="numpy")
def gelus(x, y):  # type: ignore[no-untyped-def]
    for i in range(len(x)):
        y[i] = fast_gelu(x[i])


@njit
def peaks(x, n):  # type: ignore[no-untyped-def]
    return largest(x, n), largest_magnitude(x, n)


@njit
def product(rows, x, w, y):  # type: ignore[no-untyped-def]
    panel_product(rows, x.ravel(), 0, x.shape[1], w.ravel(), 0, w.shape[0], y.ravel(), 0, 64)


def test_exponential_is_exact_to_seven_digits() -> None:
    x = np.linspace(-80, 80, 5001).astype(np.float32)
    y = np.empty_like(x)

    exponentials(x, y)

    np.testing.assert_allclose(y, np.exp(x.astype(np.float64)), rtol=3e-7)


def test_gelu_is_exact_to_six_digits() -> None:
    x = np.linspace(-9, 9, 2001).astype(np.float32)
    y = np.empty_like(x)

    gelus(x, y)

    exact = [v * 0.5 * (1 + math.erf(v / math.sqrt(2))) for v in x.astype(np.float64)]
    np.testing.assert_allclose(y, exact, atol=1e-6)


@pytest.mark.parametrize("n", [16, 48, 64, 80, 1488])
def test_the_largest_is_found_wherever_it_is(n: int) -> None:
    x = np.random.default_rng(n).standard_normal(1500).astype(np.float32)

    assert peaks(x, n) == (x[:n].max(), np.abs(x[:n]).max())


@pytest.mark.parametrize("rows", range(1, 9))
def test_a_panel_product_equals_numpy_and_rows_do_not_touch_each_other(rows: int) -> None:
    random = np.random.default_rng(rows)
    x = random.standard_normal((8, DEPTH)).astype(np.float32)
    w = random.integers(-127, 128, (DEPTH, 64)).astype(np.int8)
    y, alone = np.zeros((8, 64), np.float32), np.zeros((8, 64), np.float32)

    product(rows, x, w, y)
    product(1, x, w, alone)

    np.testing.assert_allclose(y[:rows], x[:rows] @ w.astype(np.float32), rtol=1e-4, atol=1e-3)
    np.testing.assert_array_equal(y[0], alone[0])
    assert not y[rows:].any()


@pytest.mark.skipif(not HAS_KERNELS, reason="this CPU has neither VNNI nor AVX2")
@pytest.mark.parametrize("rows", range(1, 7))
def test_a_panel_of_dot_products_is_exact(rows: int) -> None:
    random = np.random.default_rng(rows)
    x = random.integers(0, 256, (MAX_ROWS, DOT_DEPTH)).astype(ACTIVATION)
    w = random.integers(-127, 128, (DOT_DEPTH, 64)).astype(np.int8)
    quads = np.ascontiguousarray(w.reshape(DOT_DEPTH // 4, 4, 64).transpose(0, 2, 1))
    y = np.zeros((MAX_ROWS, 64), np.int32)

    @njit
    def dot(x, w, y):  # type: ignore[no-untyped-def]
        begin_products()
        panel_dot(rows, x.ravel(), 0, DOT_DEPTH, w.ravel(), 0, DOT_DEPTH // 4, y.ravel(), 0)
        end_products()

    dot(x, quads, y)

    np.testing.assert_array_equal(y[:rows], x[:rows].astype(np.int32) @ w.astype(np.int32))


Array = NDArray[Any]


def quads_of(w: Array) -> Array:
    return np.ascontiguousarray(w.reshape(len(w) // 4, 4, 64).transpose(0, 2, 1))


def panel_of(w: Array) -> tuple[Array, Array]:
    return quads_of(w), w.sum(axis=0, dtype=np.int32)


@njit
def wide(x, activations, scales, panel, y):  # type: ignore[no-untyped-def]
    rows, depth = x.shape
    w, sums = panel
    for m in range(rows):
        scales[m] = quantise(x[m], depth, activations[m])
    wide_product(rows, activations.ravel(), 0, 2 * depth, depth, w.ravel(), 0, depth // 4, sums, y.ravel(), 0, 64)


@pytest.mark.parametrize("rows", range(1, 9))
@pytest.mark.parametrize("depth", [64, 512, 5120])  # a head, a layer, the greatest of large-v3
def test_a_product_of_16_bits_is_nearly_that_of_floats(rows: int, depth: int) -> None:
    random = np.random.default_rng(depth + rows)
    x = random.standard_normal((rows, depth)).astype(np.float32)
    w = random.integers(-127, 128, (depth, 64)).astype(np.int8)
    activations, scales = np.zeros((rows, 2 * depth), ACTIVATION), np.zeros(rows, np.float32)
    y, alone = np.zeros((8, 64), np.float32), np.zeros((8, 64), np.float32)

    wide(x, activations, scales, panel_of(w), y)
    wide(x[-1:], activations, np.zeros(1, np.float32), panel_of(w), alone)

    exact = x.astype(np.float64) @ w
    np.testing.assert_allclose(y[:rows] * scales[:, None], exact, atol=2e-3 * exact.std())
    np.testing.assert_array_equal(y[rows - 1], alone[0])
    assert not y[rows:].any()


@pytest.mark.parametrize("depth", [64, 512, 5120])
def test_the_largest_activations_of_16_bits_do_not_overflow(depth: int) -> None:
    x, w = np.ones((2, depth), np.float32), np.full((depth, 64), 127, np.int8)
    x[1] = -1
    activations, scales, y = (
        np.zeros((2, 2 * depth), ACTIVATION),
        np.zeros(2, np.float32),
        np.zeros((2, 64), np.float32),
    )

    wide(x, activations, scales, panel_of(w), y)

    np.testing.assert_allclose(y * scales[:, None], [[127 * depth] * 64, [-127 * depth] * 64], rtol=1e-4)


@njit
def attended(scores, frames, weights, values, y):  # type: ignore[no-untyped-def]
    depth = (frames + 3) // 4 * 4
    total = softmax(scores, frames, depth, weights)
    wide_product(1, weights, 0, 0, depth, values.ravel(), 0, depth // 4, np.zeros(64, np.int32), y, 0, 64)
    return total


@pytest.mark.parametrize("frames", [1, 5, 16, 767, 1500])
def test_a_softmax_of_16_bits_weighs_values_as_one_of_floats(frames: int) -> None:
    random = np.random.default_rng(frames)
    scores = (4 * random.standard_normal(1536)).astype(np.float32)
    values = random.integers(-127, 128, (1536, 64)).astype(np.int8)
    weights, y = np.full(3072, 77, ACTIVATION), np.zeros(64, np.float32)

    total = attended(scores, frames, weights, quads_of(values), y)

    exact = np.exp(scores[:frames].astype(np.float64) - scores[:frames].max())
    np.testing.assert_allclose(y / total, exact @ values[:frames] / exact.sum(), atol=0.3)


def test_equal_scores_of_a_whole_window_do_not_overflow() -> None:
    values, y = np.full((1536, 64), -127, np.int8), np.zeros(64, np.float32)

    total = attended(np.ones(1536, np.float32), 1500, np.zeros(3072, ACTIVATION), quads_of(values), y)

    np.testing.assert_allclose(y / total, -127, rtol=1e-5)


def test_a_row_times_floats_equals_numpy() -> None:
    random = np.random.default_rng(1)
    x, w = random.standard_normal(DEPTH).astype(np.float32), random.standard_normal((DEPTH, 64)).astype(np.float32)
    y = np.zeros(64, np.float32)

    @njit
    def run(x, w, y):  # type: ignore[no-untyped-def]
        float_row_product(x, 0, 0, w.ravel(), 0, len(x), y, 0, 0)

    run(x, w, y)

    np.testing.assert_allclose(y, x @ w, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("frames", [1, 64, 131])
def test_keys_and_values_lie_in_quads_of_8_bits(frames: int) -> None:
    random = np.random.default_rng(frames)
    source = random.standard_normal((frames, 128)).astype(np.float32)
    blocks = -(-frames // 64)
    keys, values = np.zeros((blocks, 16, 64, 4), np.int8), np.full((blocks * 16, 64, 4), 99, np.int8)
    key_scales, sums = np.zeros(blocks * 64, np.float32), np.zeros(blocks * 64, np.int32)
    value_scales = np.zeros(64, np.float32)

    @njit
    def run(source, for_keys, for_values):  # type: ignore[no-untyped-def]
        for frame in range(len(source)):
            quantise_key(frame, source[frame, 64:], *for_keys)
        quantise_values(source, 64, len(source), *for_values)

    run(source, (keys, key_scales, sums), (values, value_scales))

    whole = keys.transpose(0, 2, 1, 3).reshape(-1, 64)[:frames]
    half = np.abs(source[:, 64:]).max() / 253
    np.testing.assert_allclose(whole * key_scales[:frames, None], source[:, 64:], atol=half)
    np.testing.assert_array_equal(sums[:frames], whole.sum(axis=1, dtype=np.int32))
    by_frame = values.transpose(0, 2, 1).reshape(-1, 64)
    np.testing.assert_allclose(by_frame[:frames] * value_scales, source[:, 64:], atol=half)
    assert not by_frame[frames : -(-frames // 4) * 4].any()
