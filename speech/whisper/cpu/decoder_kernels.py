"""Whisper's text decoder on a CPU: all rows of a step go through the layers together, on a few threads.

Weights and the audio's keys and values are 8-bit panels (see kernels), sums are float32. The threads
share one step by heads and by panels and meet at barriers, so weights are read from memory once a step,
however many sequences are alive. A sequence's audio is read where it lies: no copies, no padding.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.float_kernels import (
    MAX_ROWS,
    REASSOCIATE,
    barrier,
    fast_exp,
    fast_gelu,
    largest,
    panel_product,
)
from speech.whisper.cpu.panel_layout import LANES, PANEL
from speech.whisper.engine import Dimensions

Array = NDArray[Any]


class DecoderLayers(NamedTuple):
    """Weights of all decoder layers: int8 panels (layers, panels, depth, 64), scales, biases (layers, columns)."""

    self_qkv: Array
    self_qkv_scale: Array
    self_qkv_bias: Array
    self_out: Array
    self_out_scale: Array
    self_out_bias: Array
    cross_query: Array
    cross_query_scale: Array
    cross_query_bias: Array
    cross_out: Array
    cross_out_scale: Array
    cross_out_bias: Array
    mlp_in: Array
    mlp_in_scale: Array
    mlp_in_bias: Array
    mlp_out: Array
    mlp_out_scale: Array
    mlp_out_bias: Array
    norms: Array  # (layers, 3, 2, d): before self-attention, cross-attention, mlp; weight and bias
    final_norm: Array  # (2, d)
    head: Array  # int8 (panels, d, 64), the vocabulary padded to whole panels
    head_scale: Array  # (padded vocabulary,)


class KvCache(NamedTuple):
    """Keys, values and alignment weights of every slot, in blocks of 64 positions: unused memory is never touched."""

    self_keys: Array  # float32 (slots, layers, heads, blocks, 64 channels, 64 positions)
    self_values: Array  # float32 (slots, layers, heads, positions, 64)
    cross_keys: Array  # int8 (slots, layers, heads, blocks, 64 channels, 64 frames)
    cross_key_scales: Array  # float32 (slots, layers, heads, frames)
    cross_values: Array  # int8 (slots, layers, heads, frames, 64)
    cross_value_scales: Array  # float32 (slots, layers, heads, 64)
    frames: Array  # int64 (slots,): encoder frames that a slot holds
    first_frames: Array  # int64 (slots,): the first that is attended to
    alignment: Array  # float32 (slots, alignment heads, positions, frames)
    alignment_rows: Array  # int64 (layers, heads): index of an alignment head, or -1


class DecoderWorkspace(NamedTuple):
    """One pass: at most 8 rows, each one token of one slot, and the memory that they are computed in."""

    slots: Array  # int64 (rows,)
    positions: Array  # int64 (rows,)
    hidden: Array  # float32 (8, d), in: embedding + position; out: before the final norm
    normed: Array  # float32 (threads, 8, d)
    projected: Array  # float32 (8, 3 d)
    attended: Array  # float32 (8, d)
    wide: Array  # float32 (8, 4 d)
    scores: Array  # float32 (threads, frames or positions, in whole blocks)
    counters: Array  # int64 (1,), zero


def new_kv_cache(dimensions: Dimensions, slots: int, alignment_heads: tuple[tuple[int, int], ...]) -> KvCache:
    """Empty slots. The system gives memory only as slots are used."""
    layers, heads = dimensions.n_text_layer, dimensions.n_text_head
    blocks = _blocks(dimensions.n_audio_ctx)
    positions = _blocks(dimensions.n_text_ctx) * PANEL
    rows = np.full((layers, heads), -1, np.int64)
    for index, (layer, head) in enumerate(alignment_heads):
        rows[layer, head] = index
    place = (slots, layers, heads)
    return KvCache(
        self_keys=np.zeros((*place, _blocks(dimensions.n_text_ctx), PANEL, PANEL), np.float32),
        self_values=np.zeros((*place, positions, PANEL), np.float32),
        cross_keys=np.zeros((*place, blocks, PANEL, PANEL), np.int8),
        cross_key_scales=np.zeros((*place, blocks * PANEL), np.float32),
        cross_values=np.zeros((*place, blocks * PANEL, PANEL), np.int8),
        cross_value_scales=np.zeros((*place, PANEL), np.float32),
        frames=np.zeros(slots, np.int64),
        first_frames=np.zeros(slots, np.int64),
        alignment=np.zeros((slots, len(alignment_heads), dimensions.n_text_ctx, dimensions.n_audio_ctx), np.float32),
        alignment_rows=rows,
    )


def new_decoder_workspace(dimensions: Dimensions, threads: int) -> DecoderWorkspace:
    d = dimensions.n_text_state
    return DecoderWorkspace(
        slots=np.zeros(MAX_ROWS, np.int64),
        positions=np.zeros(MAX_ROWS, np.int64),
        hidden=np.zeros((MAX_ROWS, d), np.float32),
        normed=np.zeros((threads, MAX_ROWS, d), np.float32),
        projected=np.zeros((MAX_ROWS, 3 * d), np.float32),
        attended=np.zeros((MAX_ROWS, d), np.float32),
        wide=np.zeros((MAX_ROWS, 4 * d), np.float32),
        scores=np.zeros((threads, _blocks(max(dimensions.n_audio_ctx, dimensions.n_text_ctx)) * PANEL), np.float32),
        counters=np.zeros(1, np.int64),
    )


def _blocks(length: int) -> int:
    return -(-length // PANEL)


@njit(nogil=True, cache=True, error_model="numpy")
def quantise_cross(cache: KvCache, slot: int, cross: Array, layer: int) -> None:
    """Quantises one layer of the encoder's cross (frames, layers, 2, d) into a slot.

    Keys take a scale per frame and head, values one per channel, so each is a panel with column scales.
    """
    frames, _, _, d = cross.shape
    keys, key_scales = cache.cross_keys[slot, layer], cache.cross_key_scales[slot, layer]
    values, value_scales = cache.cross_values[slot, layer], cache.cross_value_scales[slot, layer]
    for head in range(d // PANEL):
        first = head * PANEL
        largest = np.zeros(PANEL, np.float32)
        for frame in range(frames):
            for c in range(PANEL):
                largest[c] = max(largest[c], abs(cross[frame, layer, 1, first + c]))
        for c in range(PANEL):
            value_scales[head, c] = max(largest[c], np.float32(1e-12)) / np.float32(127)
        inverse = np.float32(1) / value_scales[head]
        for frame in range(frames):
            for c in range(PANEL):
                values[head, frame, c] = np.int8(np.rint(cross[frame, layer, 1, first + c] * inverse[c]))
            peak = np.float32(1e-12)
            for c in range(PANEL):
                peak = max(peak, abs(cross[frame, layer, 0, first + c]))
            key_scales[head, frame] = peak / np.float32(127)
            step = np.float32(127) / peak
            block, column = frame // PANEL, frame % PANEL
            for c in range(PANEL):
                keys[head, block, c, column] = np.int8(np.rint(cross[frame, layer, 0, first + c] * step))


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
def _dense(rows, source, weight, scale, bias, panel, target):
    """target[:, panel] = source @ weight[panel] · scale + bias."""
    depth, columns = weight.shape[1], target.shape[1]
    first = panel * PANEL
    flat = target.ravel()
    panel_product(rows, source.ravel(), 0, depth, weight.ravel(), panel * depth * PANEL, depth, flat, first, columns)
    for m in range(rows):
        for c in range(first, first + PANEL):
            target[m, c] = target[m, c] * scale[c] + bias[c]


@njit(nogil=True, error_model="numpy")
def _dense_add(rows, source, weight, scale, bias, panel, tile, target):
    """target[:, panel] += source @ weight[panel] · scale + bias."""
    depth = weight.shape[1]
    first = panel * PANEL
    panel_product(rows, source.ravel(), 0, depth, weight.ravel(), panel * depth * PANEL, depth, tile, 0, PANEL)
    for m in range(rows):
        for c in range(PANEL):
            at = first + c
            target[m, at] += tile[m * PANEL + c] * scale[at] + bias[at]


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def _softmax(scores, length):
    """In place over the first `length`."""
    whole = length // LANES * LANES
    peak = largest(scores, whole) if whole else scores[0]
    for i in range(whole, length):
        peak = max(peak, scores[i])
    for i in range(length):
        scores[i] = fast_exp(scores[i] - peak)
    total = np.float32(0)
    for i in range(length):
        total += scores[i]
    inverse = np.float32(1) / total
    for i in range(length):
        scores[i] *= inverse


@njit(nogil=True, error_model="numpy")
def _self_attention(layer, head, m, cache, rows, scores):
    """One row, one head. The keys and values of all rows of the pass are in the cache already."""
    slot, length = rows.slots[m], rows.positions[m] + 1
    keys, values = cache.self_keys[slot, layer, head], cache.self_values[slot, layer, head]
    first = head * PANEL
    for block in range((length + PANEL - 1) // PANEL):
        part = scores[block * PANEL : (block + 1) * PANEL]
        part[:] = np.float32(0)
        for c in range(PANEL):
            query = rows.projected[m, first + c]
            for i in range(PANEL):
                part[i] += query * keys[block, c, i]
    _softmax(scores, length)
    target = rows.attended[m, first : first + PANEL]
    target[:] = np.float32(0)
    for i in range(length):
        weight = scores[i]
        for c in range(PANEL):
            target[c] += weight * values[i, c]


@njit(nogil=True, error_model="numpy")
def _append_key_value(layer, head, m, cache, rows):
    slot, position = rows.slots[m], rows.positions[m]
    d = rows.hidden.shape[1]
    keys = cache.self_keys[slot, layer, head, position // PANEL]
    values = cache.self_values[slot, layer, head, position]
    for c in range(PANEL):
        keys[c, position % PANEL] = rows.projected[m, d + head * PANEL + c]
        values[c] = rows.projected[m, 2 * d + head * PANEL + c]


@njit(nogil=True, error_model="numpy")
def _cross_attention(layer, head, m, cache, rows, scores):
    slot = rows.slots[m]
    frames, start = cache.frames[slot], cache.first_frames[slot]
    keys, scales = cache.cross_keys[slot, layer, head].ravel(), cache.cross_key_scales[slot, layer, head]
    query = rows.projected[m]
    first = head * PANEL
    for block in range((frames + PANEL - 1) // PANEL):
        panel_product(1, query, first, 0, keys, block * PANEL * PANEL, PANEL, scores, block * PANEL, 0)
    for frame in range(frames):
        scores[frame] *= scales[frame]
    _softmax(scores[start:], frames - start)
    scores[:start] = np.float32(0)
    head_row = cache.alignment_rows[layer, head]
    if head_row >= 0:
        cache.alignment[slot, head_row, rows.positions[m], :frames] = scores[:frames]
    target = rows.attended[m]
    values = cache.cross_values[slot, layer, head].ravel()
    panel_product(1, scores, 0, 0, values, 0, frames, target, first, 0)
    for c in range(PANEL):
        target[first + c] *= cache.cross_value_scales[slot, layer, head, c]


@njit(nogil=True, cache=True, error_model="numpy")
def run_layers(
    thread: int, threads: int, count: int, layers: DecoderLayers, cache: KvCache, rows: DecoderWorkspace
) -> None:
    """Takes `count` ≤ 8 rows through every layer: one thread's part. All threads run it at once.

    rows.hidden is read and written; the caches take the rows' keys, values and alignment weights.
    """
    heads = rows.hidden.shape[1] // PANEL
    normed, scores = rows.normed[thread], rows.scores[thread]
    tile = np.empty(MAX_ROWS * PANEL, np.float32)
    phase = 0
    for layer in range(len(layers.norms)):
        _layer_norm(rows.hidden, count, layers.norms[layer, 0], normed)
        for head in range(thread, heads, threads):
            for part in range(3):
                _dense(count, normed, layers.self_qkv[layer], layers.self_qkv_scale[layer],
                       layers.self_qkv_bias[layer], part * heads + head, rows.projected)  # fmt: skip
            for m in range(count):
                _append_key_value(layer, head, m, cache, rows)
            for m in range(count):
                _self_attention(layer, head, m, cache, rows, scores)
        phase += 1
        barrier(rows.counters, threads, phase)
        for panel in range(thread, heads, threads):
            _dense_add(count, rows.attended, layers.self_out[layer], layers.self_out_scale[layer],
                       layers.self_out_bias[layer], panel, tile, rows.hidden)  # fmt: skip
        phase += 1
        barrier(rows.counters, threads, phase)
        _layer_norm(rows.hidden, count, layers.norms[layer, 1], normed)
        for head in range(thread, heads, threads):
            _dense(count, normed, layers.cross_query[layer], layers.cross_query_scale[layer],
                   layers.cross_query_bias[layer], head, rows.projected)  # fmt: skip
            for m in range(count):
                _cross_attention(layer, head, m, cache, rows, scores)
        phase += 1
        barrier(rows.counters, threads, phase)
        for panel in range(thread, heads, threads):
            _dense_add(count, rows.attended, layers.cross_out[layer], layers.cross_out_scale[layer],
                       layers.cross_out_bias[layer], panel, tile, rows.hidden)  # fmt: skip
        phase += 1
        barrier(rows.counters, threads, phase)
        _layer_norm(rows.hidden, count, layers.norms[layer, 2], normed)
        for panel in range(thread, 4 * heads, threads):
            _dense(count, normed, layers.mlp_in[layer], layers.mlp_in_scale[layer],
                   layers.mlp_in_bias[layer], panel, rows.wide)  # fmt: skip
            for m in range(count):
                for c in range(panel * PANEL, (panel + 1) * PANEL):
                    rows.wide[m, c] = fast_gelu(rows.wide[m, c])
        phase += 1
        barrier(rows.counters, threads, phase)
        for panel in range(thread, heads, threads):
            _dense_add(count, rows.wide, layers.mlp_out[layer], layers.mlp_out_scale[layer],
                       layers.mlp_out_bias[layer], panel, tile, rows.hidden)  # fmt: skip
        phase += 1
        barrier(rows.counters, threads, phase)


@njit(nogil=True, cache=True, error_model="numpy")
def run_head(
    thread: int, threads: int, count: int, layers: DecoderLayers, rows: DecoderWorkspace, logits: Array
) -> None:
    """logits (8, padded vocabulary) of `count` rows: one thread's panels. rows.normed[0] takes the final norm."""
    normed = rows.normed[thread]
    _layer_norm(rows.hidden, count, layers.final_norm, normed)
    depth, columns = layers.head.shape[1], logits.shape[1]
    source, head, flat = normed.ravel(), layers.head.ravel(), logits.ravel()
    for panel in range(thread, layers.head.shape[0], threads):
        first = panel * PANEL
        panel_product(count, source, 0, depth, head, first * depth, depth, flat, first, columns)
        for m in range(count):
            for c in range(first, first + PANEL):
                logits[m, c] *= layers.head_scale[c]


CANDIDATES = 8  # tokens whose logits are computed again exactly
MARGIN = np.float32(1.0)  # logits: far more than 8-bit weights can be wrong by


@njit(nogil=True, cache=True, error_model="numpy", fastmath=REASSOCIATE)
def run_selection(
    thread: int, threads: int, logits: Array, masks: Array, kinds: Array, chosen: Array, sums: Array
) -> None:
    """The best tokens of each row, and how much all tokens weigh: rows thread, thread + threads, …

    logits: float32 (8, padded), to which the row of masks (kinds, padded) that `kinds` (rows,) names is added
    chosen: int64 (8, candidates): those within the margin of the best, best first, then -1
    sums: float32 (8,), log Σ exp(logit)
    """
    for m in range(thread, len(kinds), threads):
        row, mask = logits[m], masks[kinds[m]]
        for i in range(len(row)):
            row[i] += mask[i]
        peak = largest(row, len(row))
        total = np.float32(0)
        for i in range(len(row)):
            total += fast_exp(row[i] - peak)
        sums[m] = peak + np.log(total)
        best = chosen[m]
        best[:] = -1
        least = peak - MARGIN
        for block in range(0, len(row), PANEL):
            if largest(row[block : block + PANEL], PANEL) >= least:
                for i in range(block, block + PANEL):
                    if row[i] >= least:
                        _insert(best, row, i)


@njit(nogil=True)
def _insert(best, row, index):
    """Keeps `best` in falling order of row[·]; what falls off its end is lost."""
    for place in range(len(best)):
        if best[place] < 0 or row[index] > row[best[place]]:
            best[place], index = index, best[place]
            if index < 0:
                return
