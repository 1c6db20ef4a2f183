"""Whisper's encoder in 8 bits: from log-mel to a slot's cross-attention in one pass.

Every dense layer and the attention multiply 8 bits by 8 bits; each row of activations has a scale of its
own, so a window's result depends on nothing but the window. Threads take blocks of rows as they come
and carry each through a whole layer while it is in the core's cache; they meet only where attention
needs the keys and values of all rows.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.cache_kernels import TINY, KvCache, quantise_key, quantise_values
from speech.whisper.cpu.float_kernels import MAX_ROWS as FLOAT_ROWS
from speech.whisper.cpu.float_kernels import (
    REASSOCIATE,
    atomic_add,
    barrier,
    fast_gelu,
    float_from_bits,
    largest,
    largest_magnitude,
    panel_product,
)
from speech.whisper.cpu.int8_kernels import (
    ACTIVATION,
    MAX_ROWS,
    QUADS_AT_ONCE,
    ZERO_POINT,
    begin_products,
    end_products,
    panel_dot,
)
from speech.whisper.cpu.panel_layout import LANES, PANEL, QUAD
from speech.whisper.engine import Dimensions

Array = NDArray[Any]
BLOCK = 96  # rows that a thread takes at once; a multiple of MAX_ROWS
OFFSET = np.int32(128 - ZERO_POINT)  # activations are rounded around 128, where none is negative
F = np.float32
LOG2_E = F(1.4426950408889634)
LOG2_LARGEST = F(np.log2(254.9))  # the largest softmax weight in 8 bits
LEAST_POWER = F(-20)
P1, P2, P3 = F(0.69328293), F(0.24221096), F(0.05500893)  # 2^x - 1 on [-0.5, 0.5], relative error 1e-4


class EncoderLayers(NamedTuple):
    """Weights of the encoder and of the decoder's cross projections.

    Dense weights are int8 panels (layers, panels, depth / 4, 64, 4) with scale, column sum and bias
    (layers, columns); convolutions are panels of speech.whisper.cpu.float_kernels with scale and bias (columns,).
    """

    conv1: Array
    conv1_scale: Array
    conv1_bias: Array
    conv2: Array
    conv2_scale: Array
    conv2_bias: Array
    positions: Array  # float32 (1500, d)
    qkv: Array
    qkv_scale: Array
    qkv_sum: Array
    qkv_bias: Array
    out: Array
    out_scale: Array
    out_sum: Array
    out_bias: Array
    mlp_in: Array
    mlp_in_scale: Array
    mlp_in_sum: Array
    mlp_in_bias: Array
    mlp_out: Array
    mlp_out_scale: Array
    mlp_out_sum: Array
    mlp_out_bias: Array
    cross: Array  # one "layer" a decoder layer: keys, then values
    cross_scale: Array
    cross_sum: Array
    cross_bias: Array
    norms: Array  # float32 (layers, 2, 2, d): before attention, before mlp; weight and bias
    final_norm: Array  # float32 (2, d)


class EncoderWorkspace(NamedTuple):
    """The memory that one window is encoded in; shared by the threads but for what has a thread axis."""

    hidden: Array  # float32 (frames, d)
    queries: Array  # ACTIVATION (frames, d)
    query_scales: Array  # float32 (frames, heads)
    keys: Array  # int8 (2, heads, blocks, 16, 64, 4): double-buffered, a layer writes while the one before is read
    key_scales: Array  # float32 (2, heads, frames)
    key_sums: Array  # int32 (2, heads, frames)
    raw_values: Array  # float32 (frames, d)
    values: Array  # int8 (heads, frames / 4, 64, 4)
    value_scales: Array  # float32 (heads, 64)
    normed: Array  # ACTIVATION (frames, d)
    normed_scales: Array  # float32 (frames,)
    small: Array  # ACTIVATION (threads, 96, 4 d)
    small_scales: Array  # float32 (threads, 96)
    wide: Array  # float32 (threads, 96, 4 d)
    conv: Array  # float32 (threads, 2 · 96 + 1, d)
    scores: Array  # float32 (threads, 6, frames)
    weights: Array  # ACTIVATION, 0 to 255 (threads, 6, frames)
    counters: Array  # int64: the barrier, then one claim per stage; zeros


def new_encoder_workspace(dimensions: Dimensions, threads: int) -> EncoderWorkspace:
    d, heads = dimensions.n_audio_state, dimensions.n_audio_head
    blocks = -(-dimensions.n_audio_ctx // PANEL)
    frames = blocks * PANEL
    stages = 1 + 2 * (dimensions.n_audio_layer + 1) + 2 * dimensions.n_text_layer
    return EncoderWorkspace(
        hidden=np.zeros((frames, d), F),
        queries=np.zeros((frames, d), ACTIVATION),
        query_scales=np.zeros((frames, heads), F),
        keys=np.zeros((2, heads, blocks, PANEL // QUAD, PANEL, QUAD), np.int8),
        key_scales=np.zeros((2, heads, frames), F),
        key_sums=np.zeros((2, heads, frames), np.int32),
        raw_values=np.zeros((frames, d), F),
        values=np.zeros((heads, frames // QUAD, PANEL, QUAD), np.int8),
        value_scales=np.zeros((heads, PANEL), F),
        normed=np.zeros((frames, d), ACTIVATION),
        normed_scales=np.zeros(frames, F),
        small=np.zeros((threads, BLOCK, 4 * d), ACTIVATION),
        small_scales=np.zeros((threads, BLOCK), F),
        wide=np.zeros((threads, BLOCK, 4 * d), F),
        conv=np.zeros((threads, 2 * BLOCK + 1, d), F),
        scores=np.zeros((threads, MAX_ROWS, frames), F),
        weights=np.zeros((threads, MAX_ROWS, frames), ACTIVATION),
        counters=np.zeros(1 + stages, np.int64),
    )


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _quantise_row(source, target):
    """8 bits around the zero point; returns the scale."""
    peak = max(largest_magnitude(source, len(source)), TINY)
    step = F(127) / peak
    for c in range(len(source)):
        target[c] = ACTIVATION(np.int32(np.int32(source[c] * step + F(128.5)) - OFFSET))
    return peak / F(127)


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _norm_row(source, norm, target):
    d = len(source)
    total = F(0)
    squares = F(0)
    for c in range(d):
        total += source[c]
    mean = total / F(d)
    for c in range(d):
        squares += (source[c] - mean) * (source[c] - mean)
    scale = F(1) / np.sqrt(squares / F(d) + F(1e-5))
    for c in range(d):
        target[c] = (source[c] - mean) * scale * norm[0, c] + norm[1, c]


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _dense(rows, x, scales, dense, panel, tile, y):
    """y[:rows, :64] = one panel of a dense layer over rows of activations x (rows, ≥ depth)."""
    weight, weight_scale, weight_sum, bias = dense
    quads, first = weight.shape[1], panel * PANEL
    step = x.shape[1]
    flat_x, flat_w = x.ravel(), weight.ravel()
    for m in range(0, rows, MAX_ROWS):
        count = min(MAX_ROWS, rows - m)
        panel_dot(count, flat_x, m * step, step, flat_w, panel * quads * PANEL * QUAD, quads, tile, 0)
        for i in range(count):
            scale = scales[m + i]
            for c in range(PANEL):
                whole = np.int32(tile[i * PANEL + c] - np.int32(ZERO_POINT * weight_sum[first + c]))
                y[m + i, c] = F(whole) * (scale * weight_scale[first + c]) + bias[first + c]


@njit(nogil=True, error_model="numpy")
def _convolve(thread, first, rows, frames, mel, layers, workspace):
    """hidden[first : first + rows] from log-mel (2 frames + 3, n_mels): two rows of zeros, mel, one of zeros."""
    mels, d = mel.shape[1], workspace.hidden.shape[1]
    once, flat_once, flat_mel = workspace.conv[thread], workspace.conv[thread].ravel(), mel.ravel()
    start, count = 2 * first - 1, 2 * rows + 1  # rows of the first convolution that the second sees
    for panel in range(d // PANEL):
        for m in range(0, count, FLOAT_ROWS):
            panel_product(min(FLOAT_ROWS, count - m), flat_mel, (m + start + 1) * mels, mels, layers.conv1.ravel(),
                          panel * 3 * mels * PANEL, 3 * mels, flat_once, m * d + panel * PANEL, d)  # fmt: skip
    for m in range(count):
        for c in range(d):
            once[m, c] = fast_gelu(once[m, c] * layers.conv1_scale[c] + layers.conv1_bias[c])
    if start < 0:
        once[0] = F(0)  # before the first row lies padding
    target = workspace.hidden.ravel()
    for panel in range(d // PANEL):
        for m in range(0, rows, FLOAT_ROWS):
            panel_product(min(FLOAT_ROWS, rows - m), flat_once, 2 * m * d, 2 * d, layers.conv2.ravel(),
                          panel * 3 * d * PANEL, 3 * d, target, (first + m) * d + panel * PANEL, d)  # fmt: skip
    for m in range(first, first + rows):
        for c in range(d):
            value = fast_gelu(workspace.hidden[m, c] * layers.conv2_scale[c] + layers.conv2_bias[c])
            workspace.hidden[m, c] = value + layers.positions[m, c]


@njit(nogil=True, error_model="numpy")
def _project_qkv(thread, first, rows, layer, layers, workspace, tile, y):
    """Norm, then queries, keys and raw values of a block of rows."""
    d, heads = workspace.hidden.shape[1], workspace.hidden.shape[1] // PANEL
    x, scales, line = workspace.small[thread], workspace.small_scales[thread], workspace.wide[thread, 0]
    for m in range(rows):
        _norm_row(workspace.hidden[first + m], layers.norms[layer, 0], line[:d])
        scales[m] = _quantise_row(line[:d], x[m, :d])
    dense = (layers.qkv[layer], layers.qkv_scale[layer], layers.qkv_sum[layer], layers.qkv_bias[layer])
    buffer = layer % 2
    for head in range(heads):
        own = slice(head * PANEL, (head + 1) * PANEL)
        _dense(rows, x, scales, dense, head, tile, y)
        for m in range(rows):
            workspace.query_scales[first + m, head] = _quantise_row(y[m], workspace.queries[first + m, own])
        _dense(rows, x, scales, dense, heads + head, tile, y)
        for m in range(rows):
            quantise_key(first + m, y[m], workspace.keys[buffer, head], workspace.key_scales[buffer, head],
                         workspace.key_sums[buffer, head])  # fmt: skip
        _dense(rows, x, scales, dense, 2 * heads + head, tile, y)
        for m in range(rows):
            workspace.raw_values[first + m, own] = y[m]


@njit(nogil=True, error_model="numpy")
def _self_attention(thread, first, rows, frames, buffer, workspace, tile):
    """Attention of a block of rows over all frames; the result replaces the block's queries' place in `wide`."""
    d, padded = workspace.hidden.shape[1], workspace.scores.shape[2]
    scores, weights, target = workspace.scores[thread], workspace.weights[thread], workspace.wide[thread]
    queries, flat_weights = workspace.queries.ravel(), weights.ravel()
    quads = (frames + QUAD * QUADS_AT_ONCE - 1) // (QUAD * QUADS_AT_ONCE) * QUADS_AT_ONCE
    weights[:, frames : quads * QUAD] = 0
    for head in range(d // PANEL):
        keys, values = workspace.keys[buffer, head].ravel(), workspace.values[head].ravel()
        key_scales, key_sums = workspace.key_scales[buffer, head], workspace.key_sums[buffer, head]
        for m in range(0, rows, MAX_ROWS):
            count = min(MAX_ROWS, rows - m)
            for block in range((frames + PANEL - 1) // PANEL):
                at = block * PANEL
                panel_dot(count, queries, (first + m) * d + head * PANEL, d, keys, at * PANEL, PANEL // QUAD, tile, 0)
                for i in range(count):
                    scale = workspace.query_scales[first + m + i, head]
                    for c in range(PANEL):
                        whole = np.int32(tile[i * PANEL + c] - np.int32(ZERO_POINT * key_sums[at + c]))
                        scores[i, at + c] = F(whole) * (scale * key_scales[at + c])
            for i in range(count):
                workspace.small_scales[thread, i] = _softmax_bytes(scores[i], weights[i], frames)
            panel_dot(count, flat_weights, 0, padded, values, 0, quads, tile, 0)
            for i in range(count):
                scale = workspace.small_scales[thread, i]
                for c in range(PANEL):
                    value = F(tile[i * PANEL + c]) * (scale * workspace.value_scales[head, c])
                    target[m + i, head * PANEL + c] = value


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _softmax_bytes(scores, weights, frames):
    """Softmax in 8 bits: e^(score - best) · 255; returns what makes the weights sum to one."""
    whole = frames // LANES * LANES
    peak = largest(scores, whole) if whole else scores[0]
    for i in range(whole, frames):
        peak = max(peak, scores[i])
    shift = peak * LOG2_E - LOG2_LARGEST
    total = np.int32(0)
    for i in range(frames):
        power = max(scores[i] * LOG2_E - shift, LEAST_POWER)
        exponent = np.int32(np.int32(power + F(64.5)) - np.int32(64))  # numba widens every sum to 64 bits
        rest = power - F(exponent)
        series = ((P3 * rest + P2) * rest + P1) * rest + F(1)
        bits = np.int32(np.int32(exponent + np.int32(127)) << np.int32(23))
        size = np.int32(series * float_from_bits(bits) + F(0.5))
        total = np.int32(total + size)
        weights[i] = ACTIVATION(size)
    return F(1) / F(total)


@njit(nogil=True, error_model="numpy")
def _mlp_block(thread, first, rows, layer, layers, workspace, tile, y):
    """What follows attention in a layer, for a block of rows: output projection, norm, MLP."""
    hidden, wide = workspace.hidden, workspace.wide[thread]
    d = hidden.shape[1]
    x, scales = workspace.small[thread], workspace.small_scales[thread]
    for m in range(rows):
        scales[m] = _quantise_row(wide[m, :d], x[m, :d])
    dense = (layers.out[layer], layers.out_scale[layer], layers.out_sum[layer], layers.out_bias[layer])
    for panel in range(d // PANEL):
        _dense(rows, x, scales, dense, panel, tile, y)
        _add_residual(hidden, first, rows, panel, y)
    for m in range(rows):
        _norm_row(hidden[first + m], layers.norms[layer, 1], wide[m, :d])
        scales[m] = _quantise_row(wide[m, :d], x[m, :d])
    dense = (layers.mlp_in[layer], layers.mlp_in_scale[layer], layers.mlp_in_sum[layer], layers.mlp_in_bias[layer])
    for panel in range(4 * d // PANEL):
        _dense(rows, x, scales, dense, panel, tile, y)
        for m in range(rows):
            for c in range(PANEL):
                wide[m, panel * PANEL + c] = fast_gelu(y[m, c])
    for m in range(rows):
        scales[m] = _quantise_row(wide[m], x[m])
    dense = (layers.mlp_out[layer], layers.mlp_out_scale[layer], layers.mlp_out_sum[layer], layers.mlp_out_bias[layer])
    for panel in range(d // PANEL):
        _dense(rows, x, scales, dense, panel, tile, y)
        _add_residual(hidden, first, rows, panel, y)


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _add_residual(hidden, first, rows, panel, y):
    for m in range(rows):
        for c in range(PANEL):
            hidden[first + m, panel * PANEL + c] += y[m, c]


@njit(nogil=True, error_model="numpy")
def _final_norm(first, rows, layers, workspace, line):
    """The final norm, in 8 bits: the decoder's cross projections read it."""
    d = workspace.hidden.shape[1]
    for m in range(first, first + rows):
        _norm_row(workspace.hidden[m], layers.final_norm, line[:d])
        workspace.normed_scales[m] = _quantise_row(line[:d], workspace.normed[m])


@njit(nogil=True, error_model="numpy")
def _project_cross(first, rows, layer, layers, workspace, tile, y, slot, cache):
    """One decoder layer's keys into the slot, its raw values for `quantise_values`."""
    heads = layers.cross.shape[1] // 2
    dense = (layers.cross[layer], layers.cross_scale[layer], layers.cross_sum[layer], layers.cross_bias[layer])
    x, scales = workspace.normed[first : first + rows], workspace.normed_scales[first : first + rows]
    for head in range(heads):
        _dense(rows, x, scales, dense, head, tile, y)
        keys, key_scales = cache.cross_keys[slot, layer, head], cache.cross_key_scales[slot, layer, head]
        key_sums = cache.cross_key_sums[slot, layer, head]
        for m in range(rows):
            quantise_key(first + m, y[m], keys, key_scales, key_sums)
        _dense(rows, x, scales, dense, heads + head, tile, y)
        for m in range(rows):
            workspace.raw_values[first + m, head * PANEL : (head + 1) * PANEL] = y[m]


@njit(nogil=True, cache=True, error_model="numpy")
def run_encoder(
    thread: int, threads: int, mel: Array, layers: EncoderLayers, workspace: EncoderWorkspace, slot: int, cache: KvCache
) -> None:
    """Encodes one window into a slot's cross-attention: one thread's part. All threads run it at once.

    mel: float32 (2 frames + 3, n_mels), two rows of zeros, log-mel, one row of zeros
    workspace.counters is zero at the start; cache.frames[slot] is the caller's to set
    """
    frames = (len(mel) - 3) // 2
    depth = len(layers.norms)
    heads = workspace.hidden.shape[1] // PANEL
    tile, y = np.empty(MAX_ROWS * PANEL, np.int32), np.empty((BLOCK, PANEL), F)
    stage, phase = 1, 0
    begin_products()
    for layer in range(depth + 1):  # what lies before, between and after the layers' attention
        while True:
            first = BLOCK * atomic_add(workspace.counters, stage, 1)
            if first >= frames:
                break
            rows = min(BLOCK, frames - first)
            if layer == 0:
                _convolve(thread, first, rows, frames, mel, layers, workspace)
            else:
                _self_attention(thread, first, rows, frames, (layer - 1) % 2, workspace, tile)
                _mlp_block(thread, first, rows, layer - 1, layers, workspace, tile, y)
            if layer < depth:
                _project_qkv(thread, first, rows, layer, layers, workspace, tile, y)
            else:
                _final_norm(first, rows, layers, workspace, workspace.wide[thread, 0])
        stage += 1
        phase += 1
        barrier(workspace.counters, threads, phase)
        if layer < depth:
            while True:
                head = atomic_add(workspace.counters, stage, 1)
                if head >= heads:
                    break
                quantise_values(workspace.raw_values, head * PANEL, frames, workspace.values[head],
                                workspace.value_scales[head])  # fmt: skip
            stage += 1
            phase += 1
            barrier(workspace.counters, threads, phase)
    for layer in range(len(layers.cross)):
        while True:
            first = BLOCK * atomic_add(workspace.counters, stage, 1)
            if first >= frames:
                break
            _project_cross(first, min(BLOCK, frames - first), layer, layers, workspace, tile, y, slot, cache)
        stage += 1
        phase += 1
        barrier(workspace.counters, threads, phase)
        while True:
            head = atomic_add(workspace.counters, stage, 1)
            if head >= heads:
                break
            quantise_values(workspace.raw_values, head * PANEL, frames, cache.cross_values[slot, layer, head],
                            cache.cross_value_scales[slot, layer, head])  # fmt: skip
        stage += 1
        phase += 1
        barrier(workspace.counters, threads, phase)
    end_products()
