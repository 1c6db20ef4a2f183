"""Layers of both networks: rows to 8 bits, and products with panels in between.

A quantised number q stands for q · step + offset. Each kernel compiles for itself and takes about a second, so layers
are put together from a few general ones.
"""

from __future__ import annotations

import numpy as np
from numba import types

from speech.diarization.cpu.dot_kernels import (
    BYTE_ARRAY,
    BYTE_ROWS,
    FLOAT_ARRAY,
    FLOAT_ROWS,
    WHOLE,
    float_product,
    int8_product,
    kernel,
)
from speech.diarization.cpu.panel_layout import FLOAT_PANEL, PANEL, QUAD
from speech.whisper.cpu.float_kernels import REASSOCIATE, largest

F = np.float32
BLOCK = 40  # rows whose sums are kept at once: a multiple of what one product takes
TINY = F(1e-12)
LARGEST = F(255)

INT8_PANELS, FLOAT_PANELS = types.int8[:, :, :, ::1], types.float32[:, :, ::1]
_INT8_LAYER = types.void(
    BYTE_ARRAY, WHOLE, WHOLE, WHOLE, WHOLE, FLOAT_ARRAY, FLOAT_ARRAY, INT8_PANELS, FLOAT_ROWS, FLOAT_ARRAY, FLOAT_ROWS
)


@kernel(types.float32(FLOAT_ROWS, types.float32, BYTE_ROWS, WHOLE, WHOLE), fastmath=REASSOCIATE)
def quantise_positive(source, peak, target, row, column):
    """ReLU of rows (rows, n) in 8 bits of one range, 0 to peak, into target from a row and column; returns the step."""
    step = max(peak, TINY) / LARGEST
    scale = F(1) / step
    for m in range(source.shape[0]):
        for c in range(source.shape[1]):
            value = source[m, c]
            value = value if value > F(0) else F(0)
            target[row + m, column + c] = np.uint8(np.int32(value * scale + F(0.5)))
    return step


@kernel(types.void(FLOAT_ROWS, FLOAT_ROWS, FLOAT_ARRAY, BYTE_ROWS, FLOAT_ARRAY), fastmath=REASSOCIATE)
def normalise_rows(source, norm, line, target, steps):
    """Batch normalisation and ReLU of rows (rows, ≥ n), in 8 bits with a step for each.

    norm: (2, n), n a multiple of 16; line: (n,)
    """
    n = norm.shape[1]
    for m in range(source.shape[0]):
        for c in range(n):
            value = source[m, c] * norm[0, c] + norm[1, c]
            line[c] = value if value > F(0) else F(0)
        peak = max(largest(line, n), TINY)
        steps[m] = peak / LARGEST
        scale = LARGEST / peak
        for c in range(n):
            target[m, c] = np.uint8(np.int32(line[c] * scale + F(0.5)))


@kernel(types.void(FLOAT_ROWS, BYTE_ROWS, FLOAT_ARRAY, FLOAT_ARRAY), fastmath=REASSOCIATE)
def quantise_rows(source, target, steps, offsets):
    """Rows (rows, n) of any sign, each in 8 bits of its own range."""
    for m in range(source.shape[0]):
        low = F(0)
        high = F(0)
        for c in range(source.shape[1]):
            value = source[m, c]
            low = value if value < low else low
            high = value if value > high else high
        step = max(high - low, TINY) / LARGEST
        scale = F(1) / step
        for c in range(source.shape[1]):
            target[m, c] = np.uint8(np.int32((source[m, c] - low) * scale + F(0.5)))
        steps[m] = step
        offsets[m] = low


@kernel(_INT8_LAYER, fastmath=REASSOCIATE)
def int8_layer(x, x_at, x_step, segments, segment_step, steps, offsets, weight, scale, bias, target):
    """target (rows, columns) = rows of uint8 x by int8 panels.

    x: flat, row m from x_at + m · x_step, in segments as in int8_product; steps: of each row; offsets: likewise, or
    none; weight: (panels, quads, 32, 4); scale: (2, columns), of the weights, and their sums by scale
    """
    rows, quads = target.shape[0], weight.shape[1]
    flat = weight.ravel()
    tile = np.empty(BLOCK * PANEL, np.int32)
    for first in range(0, rows, BLOCK):
        count = min(BLOCK, rows - first)
        for panel in range(weight.shape[0]):
            at = panel * PANEL
            int8_product(count, x, x_at + first * x_step, x_step, segments, segment_step, quads // segments,
                         flat, at * quads * QUAD, tile, 0)  # fmt: skip
            for m in range(count):
                step = steps[first + m]
                offset = offsets[first + m] if len(offsets) else F(0)
                for c in range(PANEL):
                    shift = offset * scale[1, at + c] + bias[at + c]
                    target[first + m, at + c] = F(tile[m * PANEL + c]) * (step * scale[0, at + c]) + shift


@kernel(types.void(FLOAT_ARRAY, WHOLE, FLOAT_PANELS, FLOAT_ROWS))
def float_layer(x, x_step, weight, target):
    """target (rows, columns) = rows of float32 x, flat and `x_step` apart, by float panels (panels, depth, 16)."""
    rows, width = target.shape
    depth = weight.shape[1]
    flat_w, flat_target = weight.ravel(), target.ravel()
    for first in range(0, rows, BLOCK):
        count = min(BLOCK, rows - first)
        for panel in range(weight.shape[0]):
            float_product(count, x, first * x_step, x_step, depth, flat_w, panel * depth * FLOAT_PANEL,
                          flat_target, first * width + panel * FLOAT_PANEL, width)  # fmt: skip
