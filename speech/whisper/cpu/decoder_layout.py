"""The decoder's weights as its kernels read them, from the file that the export wrote."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from speech.whisper.cpu.panel_layout import QUAD

Array = NDArray[Any]


class DecoderLayers(NamedTuple):
    """Weights of all decoder layers: int8 panels (layers, panels, depth / 4, 64, 4), and of their columns the scales,
    sums and biases (layers, columns)."""

    self_qkv: Array
    self_qkv_scale: Array
    self_qkv_sum: Array
    self_qkv_bias: Array
    self_out: Array
    self_out_scale: Array
    self_out_sum: Array
    self_out_bias: Array
    cross_query: Array
    cross_query_scale: Array
    cross_query_sum: Array
    cross_query_bias: Array
    cross_out: Array
    cross_out_scale: Array
    cross_out_sum: Array
    cross_out_bias: Array
    mlp_in: Array
    mlp_in_scale: Array
    mlp_in_sum: Array
    mlp_in_bias: Array
    mlp_out: Array
    mlp_out_scale: Array
    mlp_out_sum: Array
    mlp_out_bias: Array
    norms: Array  # (layers, 3, 2, d): before self-attention, cross-attention, mlp; weight and bias
    final_norm: Array  # (2, d)
    head: Array  # int8 (panels, d / 4, 64, 4), the vocabulary padded to whole panels
    head_scale: Array  # (padded vocabulary,)
    head_sum: Array


def decoder_layers(arrays: Mapping[str, Array]) -> DecoderLayers:
    """arrays: as exported, where a panel lies row by row: (depth, 64)"""
    exported = {name: arrays[name] for name in DecoderLayers._fields if not name.endswith("_sum")}
    panels = {name: each for name, each in exported.items() if f"{name}_scale" in exported}
    # In one piece: numpy asks for large pages only for what is large, and all of it is read in every step.
    memory, start = np.empty(sum(each.size for each in panels.values()), np.int8), 0
    found = dict(exported)
    for name, rows in panels.items():
        *outer, depth, columns = rows.shape
        found[name] = memory[start : start + rows.size].reshape(*outer, depth // QUAD, columns, QUAD)
        found[name][:] = np.swapaxes(rows.reshape(*outer, depth // QUAD, QUAD, columns), -1, -2)
        found[f"{name}_sum"] = rows.sum(axis=-2, dtype=np.int32).reshape(exported[f"{name}_scale"].shape)
        start += rows.size
    return DecoderLayers(**found)
