"""The decoder's attention: of one row and one head, over the text so far and over the audio."""

from __future__ import annotations

import numpy as np
from numba import njit

from speech.whisper.cpu.float_kernels import REASSOCIATE, fast_exp, float_row_product, largest
from speech.whisper.cpu.int8_kernels import HAS_VNNI
from speech.whisper.cpu.int16_kernels import quantise, softmax, wide_product
from speech.whisper.cpu.panel_layout import LANES, PANEL, QUAD

F = np.float32
UNSEEN = F(-1e30)  # a score without weight
NO_SUMS = np.zeros(PANEL, np.int32)  # for activations without a zero point


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _softmax(scores, length):
    """In place over the first `length`."""
    whole = length // LANES * LANES
    peak = largest(scores, whole) if whole else scores[0]
    for i in range(whole, length):
        peak = max(peak, scores[i])
    total = F(0)
    for i in range(length):
        scores[i] = fast_exp(scores[i] - peak)
        total += scores[i]
    inverse = F(1) / total
    for i in range(length):
        scores[i] *= inverse


@njit(nogil=True, error_model="numpy")
def append_key_value(layer, head, m, cache, rows):
    slot, position = rows.slots[m], rows.positions[m]
    d = rows.hidden.shape[1]
    keys = cache.self_keys[slot, layer, head, position // PANEL]
    values = cache.self_values[slot, layer, head, position]
    for c in range(PANEL):
        keys[c, position % PANEL] = rows.projected[m, d + head * PANEL + c]
        values[c] = rows.projected[m, 2 * d + head * PANEL + c]


@njit(nogil=True, error_model="numpy")
def self_attention(layer, head, m, cache, rows, scores):
    """The keys and values of all rows of the pass are in the cache already. scores: float32, of whole blocks"""
    slot, length = rows.slots[m], rows.positions[m] + 1
    keys, values = cache.self_keys[slot, layer, head].ravel(), cache.self_values[slot, layer, head].ravel()
    first = head * PANEL
    for block in range((length + PANEL - 1) // PANEL):
        float_row_product(rows.projected[m], first, 0, keys, block * PANEL * PANEL, PANEL, scores, block * PANEL, 0)
    _softmax(scores, length)
    float_row_product(scores, 0, 0, values, 0, length, rows.attended[m], first, 0)


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def cross_attention(layer, head, m, cache, rows, scores, weights):
    """scores: float32, of whole blocks; weights: ACTIVATION, twice as many"""
    slot = rows.slots[m]
    frames, start = cache.frames[slot], cache.first_frames[slot]
    first = head * PANEL
    scale = quantise(rows.projected[m, first : first + PANEL], PANEL, weights)
    keys, sums = cache.cross_keys[slot, layer, head].ravel(), cache.cross_key_sums[slot, layer, head]
    for block in range((frames + PANEL - 1) // PANEL):
        at = block * PANEL
        wide_product(1, weights, 0, 0, PANEL, keys, at * PANEL, PANEL // QUAD, sums[at : at + PANEL], scores, at, 0)
    scales = cache.cross_key_scales[slot, layer, head]
    for frame in range(frames):
        scores[frame] *= scale * scales[frame]
    scores[:start] = UNSEEN
    depth = (frames + QUAD - 1) // QUAD * QUAD
    total = softmax(scores, frames, depth, weights)
    inverse = F(1) / total
    head_row = cache.alignment_rows[layer, head]
    if head_row >= 0:
        kept = cache.alignment[slot, head_row, rows.positions[m]]
        for frame in range(frames):
            whole = np.int32(weights[frame])
            if HAS_VNNI:
                whole = np.int32(np.int32(whole << np.int32(8)) + np.int32(weights[depth + frame]))
            kept[frame] = F(whole) * inverse
    target = rows.attended[m]
    values = cache.cross_values[slot, layer, head].ravel()
    wide_product(1, weights, 0, 0, depth, values, 0, depth // QUAD, NO_SUMS, target, first, 0)
    for c in range(PANEL):
        target[first + c] *= inverse * cache.cross_value_scales[slot, layer, head, c]
