"""Whisper's text decoder on a CPU: all rows of a step go through the layers together, on a few threads.

Weights and the audio's keys and values are 8-bit panels, activations 16 bits (see int16_kernels), everything between
float32. The threads share one step by heads and by panels and meet at barriers, so weights are read from memory once a
step, however many sequences are alive. A sequence's audio is read where it lies: no copies, no padding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.attention_kernels import append_key_value, cross_attention, self_attention
from speech.whisper.cpu.cache_kernels import KvCache, blocks_of
from speech.whisper.cpu.decoder_layout import DecoderLayers
from speech.whisper.cpu.float_kernels import MAX_ROWS, REASSOCIATE, barrier, fast_gelu
from speech.whisper.cpu.int8_kernels import ACTIVATION
from speech.whisper.cpu.int16_kernels import quantise, wide_product
from speech.whisper.cpu.panel_layout import PANEL, QUAD
from speech.whisper.engine import Dimensions

Array = NDArray[Any]


class DecoderWorkspace(NamedTuple):
    """One pass: at most 8 rows, each one token of one slot, and the memory that they are computed in."""

    slots: Array  # int64 (rows,)
    positions: Array  # int64 (rows,)
    hidden: Array  # float32 (8, d), in: embedding + position; out: before the final norm
    normed: Array  # float32 (threads, 8, d)
    whole: Array  # ACTIVATION (threads, 8 · 8 d): a dense layer's activations, the row's low bytes behind its high ones
    scales: Array  # float32 (threads, 8)
    projected: Array  # float32 (8, 3 d)
    attended: Array  # float32 (8, d)
    wide: Array  # float32 (8, 4 d)
    scores: Array  # float32 (threads, frames or positions, in whole blocks)
    weights: Array  # ACTIVATION (threads, twice as many)
    counters: Array  # int64 (1,), zero


def new_decoder_workspace(dimensions: Dimensions, threads: int) -> DecoderWorkspace:
    d = dimensions.n_text_state
    longest = blocks_of(max(dimensions.n_audio_ctx, dimensions.n_text_ctx)) * PANEL
    return DecoderWorkspace(
        slots=np.zeros(MAX_ROWS, np.int64),
        positions=np.zeros(MAX_ROWS, np.int64),
        hidden=np.zeros((MAX_ROWS, d), np.float32),
        normed=np.zeros((threads, MAX_ROWS, d), np.float32),
        whole=np.zeros((threads, MAX_ROWS * 8 * d), ACTIVATION),
        scales=np.zeros((threads, MAX_ROWS), np.float32),
        projected=np.zeros((MAX_ROWS, 3 * d), np.float32),
        attended=np.zeros((MAX_ROWS, d), np.float32),
        wide=np.zeros((MAX_ROWS, 4 * d), np.float32),
        scores=np.zeros((threads, longest), np.float32),
        weights=np.zeros((threads, 2 * longest), ACTIVATION),
        counters=np.zeros(1, np.int64),
    )


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _layer_norm(source, rows, norm, target):
    d = source.shape[1]
    for m in range(rows):
        total = np.float32(0)
        for c in range(d):
            total += source[m, c]
        mean = total / np.float32(d)
        squares = np.float32(0)
        for c in range(d):
            squares += (source[m, c] - mean) ** 2
        scale = np.float32(1) / np.sqrt(squares / np.float32(d) + np.float32(1e-5))
        for c in range(d):
            target[m, c] = (source[m, c] - mean) * scale * norm[0, c] + norm[1, c]


@njit(nogil=True, error_model="numpy")
def _quantise_rows(rows, source, target, scales):
    depth = source.shape[1]
    for m in range(rows):
        scales[m] = quantise(source[m], depth, target[2 * depth * m : 2 * depth * (m + 1)])


@njit(nogil=True, error_model="numpy")
def _product(rows, source, weight, sums, panel, target, at, step):
    depth = QUAD * weight.shape[1]
    wide_product(rows, source, 0, 2 * depth, depth, weight.ravel(), panel * depth * PANEL, depth // QUAD,
                 sums[panel * PANEL : (panel + 1) * PANEL], target, at, step)  # fmt: skip


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _dense(rows, source, scales, dense, panel, target):
    """target[:, panel] = source @ weight[panel] · scale + bias. source, scales: of `_quantise_rows`"""
    weight, scale, sums, bias = dense
    first = panel * PANEL
    _product(rows, source, weight, sums, panel, target.ravel(), first, target.shape[1])
    for m in range(rows):
        for c in range(first, first + PANEL):
            target[m, c] = target[m, c] * (scales[m] * scale[c]) + bias[c]


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _dense_add(rows, source, scales, dense, panel, tile, target):
    """target[:, panel] += source @ weight[panel] · scale + bias."""
    weight, scale, sums, bias = dense
    first = panel * PANEL
    _product(rows, source, weight, sums, panel, tile, 0, PANEL)
    for m in range(rows):
        for c in range(PANEL):
            at = first + c
            target[m, at] += tile[m * PANEL + c] * (scales[m] * scale[at]) + bias[at]


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _gelu(rows, panel, target):
    for m in range(rows):
        for c in range(panel * PANEL, (panel + 1) * PANEL):
            target[m, c] = fast_gelu(target[m, c])


@njit(nogil=True, cache=True, error_model="numpy")
def run_layers(
    thread: int, threads: int, count: int, layers: DecoderLayers, cache: KvCache, rows: DecoderWorkspace
) -> None:
    """Takes `count` ≤ 8 rows through every layer: one thread's part. All threads run it at once.

    rows.hidden is read and written; the caches take the rows' keys, values and alignment weights.
    """
    heads = rows.hidden.shape[1] // PANEL
    normed, scores, weights = rows.normed[thread], rows.scores[thread], rows.weights[thread]
    whole, scales = rows.whole[thread], rows.scales[thread]
    tile = np.empty(MAX_ROWS * PANEL, np.float32)
    phase = 0
    for layer in range(len(layers.norms)):
        dense = (layers.self_qkv[layer], layers.self_qkv_scale[layer], layers.self_qkv_sum[layer],
                 layers.self_qkv_bias[layer])  # fmt: skip
        _layer_norm(rows.hidden, count, layers.norms[layer, 0], normed)
        _quantise_rows(count, normed, whole, scales)
        for head in range(thread, heads, threads):
            for part in range(3):
                _dense(count, whole, scales, dense, part * heads + head, rows.projected)
            for m in range(count):
                append_key_value(layer, head, m, cache, rows)
            for m in range(count):
                self_attention(layer, head, m, cache, rows, scores)
        phase += 1
        barrier(rows.counters, threads, phase)
        dense = (layers.self_out[layer], layers.self_out_scale[layer], layers.self_out_sum[layer],
                 layers.self_out_bias[layer])  # fmt: skip
        _quantise_rows(count, rows.attended, whole, scales)
        for panel in range(thread, heads, threads):
            _dense_add(count, whole, scales, dense, panel, tile, rows.hidden)
        phase += 1
        barrier(rows.counters, threads, phase)
        dense = (layers.cross_query[layer], layers.cross_query_scale[layer], layers.cross_query_sum[layer],
                 layers.cross_query_bias[layer])  # fmt: skip
        _layer_norm(rows.hidden, count, layers.norms[layer, 1], normed)
        _quantise_rows(count, normed, whole, scales)
        for head in range(thread, heads, threads):
            _dense(count, whole, scales, dense, head, rows.projected)
            for m in range(count):
                cross_attention(layer, head, m, cache, rows, scores, weights)
        phase += 1
        barrier(rows.counters, threads, phase)
        dense = (layers.cross_out[layer], layers.cross_out_scale[layer], layers.cross_out_sum[layer],
                 layers.cross_out_bias[layer])  # fmt: skip
        _quantise_rows(count, rows.attended, whole, scales)
        for panel in range(thread, heads, threads):
            _dense_add(count, whole, scales, dense, panel, tile, rows.hidden)
        phase += 1
        barrier(rows.counters, threads, phase)
        dense = (layers.mlp_in[layer], layers.mlp_in_scale[layer], layers.mlp_in_sum[layer],
                 layers.mlp_in_bias[layer])  # fmt: skip
        _layer_norm(rows.hidden, count, layers.norms[layer, 2], normed)
        _quantise_rows(count, normed, whole, scales)
        for panel in range(thread, 4 * heads, threads):
            _dense(count, whole, scales, dense, panel, rows.wide)
            _gelu(count, panel, rows.wide)
        phase += 1
        barrier(rows.counters, threads, phase)
        dense = (layers.mlp_out[layer], layers.mlp_out_scale[layer], layers.mlp_out_sum[layer],
                 layers.mlp_out_bias[layer])  # fmt: skip
        _quantise_rows(count, rows.wide, whole, scales)
        for panel in range(thread, heads, threads):
            _dense_add(count, whole, scales, dense, panel, tile, rows.hidden)
        phase += 1
        barrier(rows.counters, threads, phase)


@njit(nogil=True, cache=True, error_model="numpy", fastmath=REASSOCIATE)
def run_head(
    thread: int, threads: int, count: int, layers: DecoderLayers, rows: DecoderWorkspace, logits: Array
) -> None:
    """logits (8, padded vocabulary) of `count` rows: one thread's panels. rows.normed[0] takes the final norm."""
    normed, whole, scales = rows.normed[thread], rows.whole[thread], rows.scales[thread]
    _layer_norm(rows.hidden, count, layers.final_norm, normed)
    _quantise_rows(count, normed, whole, scales)
    flat, columns = logits.ravel(), logits.shape[1]
    for panel in range(thread, layers.head.shape[0], threads):
        first = panel * PANEL
        _product(count, whole, layers.head, layers.head_sum, panel, flat, first, columns)
        for m in range(count):
            for c in range(first, first + PANEL):
                logits[m, c] *= scales[m] * layers.head_scale[c]
