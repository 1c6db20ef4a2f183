"""What a slot of the decoder holds, and how the encoder's keys and values come into it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.float_kernels import REASSOCIATE, largest_magnitude
from speech.whisper.cpu.panel_layout import PANEL, QUAD
from speech.whisper.engine import Dimensions

Array = NDArray[Any]
F = np.float32
TINY = F(1e-12)
ROUNDING = F(128.5)  # makes truncation round, since no number is below -128


class KvCache(NamedTuple):
    """Keys, values and alignment weights of every slot, in blocks of 64 positions: unused memory is never touched."""

    self_keys: Array  # float32 (slots, layers, heads, blocks, 64 channels, 64 positions)
    self_values: Array  # float32 (slots, layers, heads, positions, 64)
    cross_keys: Array  # int8 (slots, layers, heads, blocks, 16, 64 frames, 4 channels)
    cross_key_scales: Array  # float32 (slots, layers, heads, frames)
    cross_key_sums: Array  # int32 (slots, layers, heads, frames)
    cross_values: Array  # int8 (slots, layers, heads, frames / 4, 64 channels, 4 frames)
    cross_value_scales: Array  # float32 (slots, layers, heads, 64)
    frames: Array  # int64 (slots,): encoder frames that a slot holds
    first_frames: Array  # int64 (slots,): the first that is attended to
    alignment: Array  # float32 (slots, alignment heads, positions, frames)
    alignment_rows: Array  # int64 (layers, heads): index of an alignment head, or -1


def new_kv_cache(dimensions: Dimensions, slots: int, alignment_heads: tuple[tuple[int, int], ...]) -> KvCache:
    """Empty slots. The system gives memory only as slots are used.

    What each step reads whole, and nothing reads before it is written, is not filled with zeros: numpy asks for large
    pages for it, from which it is read twice as fast.
    """
    layers, heads = dimensions.n_text_layer, dimensions.n_text_head
    blocks = blocks_of(dimensions.n_audio_ctx)
    positions = blocks_of(dimensions.n_text_ctx) * PANEL
    rows = np.full((layers, heads), -1, np.int64)
    for index, (layer, head) in enumerate(alignment_heads):
        rows[layer, head] = index
    place = (slots, layers, heads)
    return KvCache(
        self_keys=np.zeros((*place, blocks_of(dimensions.n_text_ctx), PANEL, PANEL), F),
        self_values=np.zeros((*place, positions, PANEL), F),
        cross_keys=np.empty((*place, blocks, PANEL // QUAD, PANEL, QUAD), np.int8),
        cross_key_scales=np.zeros((*place, blocks * PANEL), F),
        cross_key_sums=np.zeros((*place, blocks * PANEL), np.int32),
        cross_values=np.empty((*place, blocks * PANEL // QUAD, PANEL, QUAD), np.int8),
        cross_value_scales=np.zeros((*place, PANEL), F),
        frames=np.zeros(slots, np.int64),
        first_frames=np.zeros(slots, np.int64),
        alignment=np.zeros((slots, len(alignment_heads), dimensions.n_text_ctx, dimensions.n_audio_ctx), F),
        alignment_rows=rows,
    )


def blocks_of(length: int) -> int:
    return -(-length // PANEL)


@njit(inline="always", nogil=True)
def _rounded(value):
    return np.int32(np.int32(value + ROUNDING) - np.int32(128))


@njit(inline="always", nogil=True)
def _packed(a, b, c, d):
    """Four whole numbers of 8 bits in one of 32."""
    byte = np.int32(255)
    low = np.int32(np.int32(a & byte) | np.int32(np.int32(b & byte) << np.int32(8)))
    high = np.int32(np.int32(np.int32(c & byte) << np.int32(16)) | np.int32(d << np.int32(24)))
    return np.int32(low | high)


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def quantise_key(frame, key, keys, scales, sums):
    """One frame's key of a head, float32 (64,), into int8 (blocks, 16, 64, 4) with its scale and sum."""
    peak = max(largest_magnitude(key, PANEL), TINY)
    step = F(127) / peak
    scales[frame] = peak / F(127)
    quads = keys[frame // PANEL].view(np.int32)
    column = frame % PANEL
    total = np.int32(0)
    for quad in range(PANEL // QUAD):
        at = quad * QUAD
        a, b = _rounded(key[at] * step), _rounded(key[at + 1] * step)
        c, d = _rounded(key[at + 2] * step), _rounded(key[at + 3] * step)
        total = np.int32(total + np.int32(np.int32(a + b) + np.int32(c + d)))
        quads[quad, column, 0] = _packed(a, b, c, d)
    sums[frame] = total


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def quantise_values(source, first, frames, values, scales):
    """A head's values, source[:frames, first : first + 64], into int8 (frames / 4, 64, 4), a scale per channel.

    Frames that the last four lack are zeros.
    """
    peaks = np.full(PANEL, TINY, F)
    for frame in range(frames):
        for c in range(PANEL):
            peaks[c] = max(peaks[c], abs(source[frame, first + c]))
    steps = F(127) / peaks
    for c in range(PANEL):
        scales[c] = peaks[c] / F(127)
    quads = values.view(np.int32)
    for quad in range(frames // QUAD):
        at = quad * QUAD
        for c in range(PANEL):
            quads[quad, c, 0] = _packed(
                _rounded(source[at, first + c] * steps[c]),
                _rounded(source[at + 1, first + c] * steps[c]),
                _rounded(source[at + 2, first + c] * steps[c]),
                _rounded(source[at + 3, first + c] * steps[c]),
            )
    whole = frames // QUAD
    for i in range(QUAD if whole * QUAD < frames else 0):
        frame = whole * QUAD + i
        for c in range(PANEL):
            values[whole, c, i] = np.int8(_rounded(source[frame, first + c] * steps[c])) if frame < frames else 0


@njit(nogil=True, cache=True, error_model="numpy")
def quantise_cross(cache: KvCache, slot: int, cross: Array, layer: int) -> None:
    """Quantises one layer of the encoder's cross (frames, layers, 2, d) into a slot.

    Keys take a scale per frame and head, values one per channel, so each is a panel with column scales.
    """
    frames, _, _, d = cross.shape
    values = np.ascontiguousarray(cross[:, layer, 1])
    for head in range(d // PANEL):
        first = head * PANEL
        keys, scales = cache.cross_keys[slot, layer, head], cache.cross_key_scales[slot, layer, head]
        for frame in range(frames):
            key = cross[frame, layer, 0, first : first + PANEL]
            quantise_key(frame, key, keys, scales, cache.cross_key_sums[slot, layer, head])
        quantise_values(values, first, frames, cache.cross_values[slot, layer, head],
                        cache.cross_value_scales[slot, layer, head])  # fmt: skip
