"""Compiled kernels against numpy."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numba import njit

from speech.whisper.cpu.float_kernels import fast_exp, fast_gelu, largest, largest_magnitude, panel_product
from speech.whisper.cpu.int8_kernels import ACTIVATION, HAS_KERNELS, MAX_ROWS, begin_products, end_products, panel_dot

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
