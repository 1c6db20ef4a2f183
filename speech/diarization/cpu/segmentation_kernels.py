"""The segmentation's layers: SincNet's front over a chunk, its windows, and the bidirectional LSTM.

Windows overlap; the first convolution is linear, so it runs once over a chunk, and each window's normalisation of its
samples is applied to what comes out. Behind it every window is on its own.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from speech.diarization.cpu.dot_kernels import FLOAT_ARRAY, FLOAT_ROWS, int8_product, kernel
from speech.diarization.cpu.layer_kernels import INT8_PANELS
from speech.diarization.cpu.panel_layout import PANEL, QUAD
from speech.whisper.cpu.float_kernels import REASSOCIATE

F = np.float32
POOL = 3
LEAK = F(0.01)
NORM_EPSILON = 1e-5
UNIT_STEP = F(1 / 127)  # of a number between -1 and 1
UNIT_ZERO = np.uint8(128)
FLAT = F(4.97)  # beyond it the hyperbolic tangent is one
_LSTM = types.void(
    types.uint8[:, :, ::1], FLOAT_ARRAY, FLOAT_ARRAY, INT8_PANELS, INT8_PANELS, FLOAT_ROWS, FLOAT_ARRAY, types.boolean,
    types.uint8[:, :, ::1],
)  # fmt: skip
GATES = 4  # input, forget, cell, output


@kernel(types.void(FLOAT_ROWS, types.float32, FLOAT_ARRAY, FLOAT_ROWS), fastmath=REASSOCIATE)
def pool_filters(filtered, factor, shift, pooled):
    """max of three |factor · filtered + shift|: (≥ 3 n, channels) → (n, channels)"""
    for n in range(len(pooled)):
        for c in range(pooled.shape[1]):
            a = abs(filtered[POOL * n, c] * factor + shift[c])
            b = abs(filtered[POOL * n + 1, c] * factor + shift[c])
            d = abs(filtered[POOL * n + 2, c] * factor + shift[c])
            a = a if a > b else b
            pooled[n, c] = a if a > d else d


@kernel(types.void(FLOAT_ROWS, FLOAT_ARRAY, FLOAT_ROWS), fastmath=REASSOCIATE)
def pool_taps(filtered, bias, pooled):
    """max of three numbers and their bias: (≥ 3 n, ≥ channels) → (n, channels)"""
    for n in range(len(pooled)):
        for c in range(pooled.shape[1]):
            a, b, d = filtered[POOL * n, c], filtered[POOL * n + 1, c], filtered[POOL * n + 2, c]
            a = a if a > b else b
            pooled[n, c] = (a if a > d else d) + bias[c]


@kernel(types.void(FLOAT_ROWS, FLOAT_ARRAY, FLOAT_ARRAY), fastmath=REASSOCIATE)
def normalise_window(values, weight, bias):
    """Instance norm and leaky ReLU of a window (n, channels), in place."""
    count, channels = values.shape
    total, squares = np.zeros(channels), np.zeros(channels)
    factor, shift = np.empty(channels, F), np.empty(channels, F)
    for n in range(count):
        for c in range(channels):
            value = np.float64(values[n, c])
            total[c] += value
            squares[c] += value * value
    for c in range(channels):
        mean = total[c] / count
        factor[c] = weight[c] / np.sqrt(max(squares[c] / count - mean * mean, 0.0) + NORM_EPSILON)
        shift[c] = bias[c] - mean * factor[c]
    for n in range(count):
        for c in range(channels):
            value = values[n, c] * factor[c] + shift[c]
            values[n, c] = value if value > F(0) else value * LEAK


@njit(inline="always", nogil=True)
def _tanh(x):
    """Within 1e-4. source: Lambert's continued fraction, seven levels"""
    x = x if x < FLAT else FLAT
    x = x if x > -FLAT else -FLAT
    s = x * x
    above = ((s + F(378)) * s + F(17325)) * s + F(135135)
    below = ((F(28) * s + F(3150)) * s + F(62370)) * s + F(135135)
    return x * above / below


@njit(inline="always", nogil=True)
def _sigmoid(x):
    return F(0.5) + F(0.5) * _tanh(F(0.5) * x)


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _gate_sums(driven, recurrent, scales, steps, offsets, bias, first, sums):
    """A gate of 32 units: sums (windows, 32) of what drives it, from the input's and the state's products."""
    for m in range(len(steps)):
        step, offset = steps[m], offsets[m]
        for c in range(PANEL):
            at = first + c
            sums[m, c] = (F(driven[m * PANEL + c]) * (step * scales[0, at]) + offset * scales[1, at]
                          + F(recurrent[m * PANEL + c]) * scales[2, at] + bias[at])  # fmt: skip


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _update(sums, cell, states, first, step):
    """32 units: their gates (4, windows, 32) → cell and hidden state (windows, 32), this in 8 bits.

    states: flat, the first window's from `first`, the next `step` further
    """
    for m in range(len(cell)):
        at = first + m * step
        for c in range(PANEL):
            state = _sigmoid(sums[1, m, c]) * cell[m, c] + _sigmoid(sums[0, m, c]) * _tanh(sums[2, m, c])
            cell[m, c] = state
            value = _sigmoid(sums[3, m, c]) * _tanh(state)
            states[at + c] = np.uint8(np.int32(value * F(127) + F(128.5)))


@kernel(_LSTM)
def run_lstm(x, steps, offsets, driving, recurrence, scales, bias, backwards, states):
    """One direction of a layer over all windows at once.

    x: uint8 (frames, windows, width), with each window's steps and offsets; states: uint8 (frames, windows, 256), of
    which the direction fills its half: steps of 1 / 127 around 128
    driving, recurrence: int8 panels; a block of 32 units has four of them, one a gate
    scales: (3, 512): the input's weights, their sums by scale, the state's weights by 1 / 127
    bias: (512,), less what the state's zero of 128 adds
    """
    frames, windows, width = x.shape
    hidden = recurrence.shape[1] * QUAD
    flat_x, flat_states, flat_driving, flat_recurrence = x.ravel(), states.ravel(), driving.ravel(), recurrence.ravel()
    driven, recurrent = np.empty(windows * PANEL, np.int32), np.empty(windows * PANEL, np.int32)
    sums, cell = np.empty((GATES, windows, PANEL), F), np.zeros((hidden // PANEL, windows, PANEL), F)
    half = hidden if backwards else 0
    row = states.shape[2]
    rest = np.empty(windows * row, np.uint8)
    for i in range(len(rest)):
        rest[i] = UNIT_ZERO
    for count in range(frames):
        frame = frames - 1 - count if backwards else count
        before = frame + 1 if backwards else frame - 1
        for block in range(hidden // PANEL):
            for gate in range(GATES):
                panel = block * GATES + gate
                int8_product(windows, flat_x, frame * windows * width, width, 1, 0, driving.shape[1],
                             flat_driving, panel * driving.shape[1] * PANEL * QUAD, driven, 0)  # fmt: skip
                if count:
                    int8_product(windows, flat_states, before * windows * row + half, row, 1, 0, hidden // QUAD,
                                 flat_recurrence, panel * hidden * PANEL, recurrent, 0)  # fmt: skip
                else:
                    int8_product(windows, rest, 0, row, 1, 0, hidden // QUAD,
                                 flat_recurrence, panel * hidden * PANEL, recurrent, 0)  # fmt: skip
                _gate_sums(driven, recurrent, scales, steps, offsets, bias, panel * PANEL, sums[gate])
            first = frame * windows * row + half + block * PANEL
            _update(sums, cell[block], flat_states, first, row)
