"""Decoder weights as the CPU's kernels read them: 8-bit panels of 64 columns."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.encoder import cross_projection, fused_projection
from export.weights import Tensors, Weights
from speech.whisper.cpu.panel_layout import PANEL, QUAD

Array = NDArray[Any]


def pack_decoder(weights: Weights) -> dict[str, Array]:
    """The arrays of speech.whisper.cpu.decoder_kernels.DecoderLayers, stacked over the layers, and the embeddings."""
    tensors = weights.tensors
    layers = [_layer(tensors, f"decoder.blocks.{index}") for index in range(weights.dimensions.n_text_layer)]
    arrays = _stacked(layers)
    embedding = tensors["decoder.token_embedding.weight"]
    head, scale, _ = pack(embedding, np.zeros(len(embedding), np.float32))
    arrays |= {"head": head, "head_scale": scale, "final_norm": _norm(tensors, "decoder.ln")}
    arrays["embedding"] = embedding.astype(np.float16)
    arrays["positions"] = tensors["decoder.positional_embedding"]
    return arrays


def _layer(tensors: Tensors, name: str) -> dict[str, Array]:
    dense = {
        "self_qkv": fused_projection(tensors, f"{name}.attn"),
        "self_out": _linear(tensors, f"{name}.attn.out"),
        "cross_query": _linear(tensors, f"{name}.cross_attn.query"),
        "cross_out": _linear(tensors, f"{name}.cross_attn.out"),
        "mlp_in": _linear(tensors, f"{name}.mlp.0"),
        "mlp_out": _linear(tensors, f"{name}.mlp.2"),
    }
    arrays = {}
    for part, (weight, bias) in dense.items():
        arrays[part], arrays[f"{part}_scale"], arrays[f"{part}_bias"] = pack(weight, bias)
    norms = [_norm(tensors, f"{name}.{part}") for part in ("attn_ln", "cross_attn_ln", "mlp_ln")]
    return arrays | {"norms": np.stack(norms)}


def _linear(tensors: Tensors, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return tensors[f"{name}.weight"], tensors[f"{name}.bias"]


def _norm(tensors: Tensors, name: str) -> NDArray[np.float32]:
    return np.stack([tensors[f"{name}.weight"], tensors[f"{name}.bias"]])


def pack(weight: NDArray[np.float32], bias: NDArray[np.float32]) -> tuple[Array, Array, Array]:
    """(out, in) → int8 panels (⌈out / 64⌉, in, 64), scale and bias (out, padded with zeros to whole panels)."""
    columns, depth = weight.shape
    panels = -(-columns // PANEL)
    scale = np.zeros(panels * PANEL, np.float32)
    scale[:columns] = np.maximum(np.abs(weight).max(axis=1), 1e-8) / 127
    whole = np.zeros((panels * PANEL, depth), np.int8)
    whole[:columns] = np.rint(weight / scale[:columns, None])
    padded = np.zeros(panels * PANEL, np.float32)
    padded[:columns] = bias
    return np.ascontiguousarray(whole.reshape(panels, PANEL, depth).transpose(0, 2, 1)), scale, padded


def pack_encoder(weights: Weights) -> dict[str, Array]:
    """The arrays of speech.whisper.cpu.encoder_kernels.EncoderLayers."""
    tensors, dimensions = weights.tensors, weights.dimensions
    arrays: dict[str, Array] = {}
    for part in ("conv1", "conv2"):
        kernel = tensors[f"encoder.{part}.weight"]  # (out, in, 3) → (out, 3 · in), the order of rows in time
        flat = kernel.transpose(0, 2, 1).reshape(len(kernel), -1)
        packed = pack(flat, tensors[f"encoder.{part}.bias"])
        arrays |= dict(zip((part, f"{part}_scale", f"{part}_bias"), packed, strict=True))
    layers = [_encoder_layer(tensors, f"encoder.blocks.{index}") for index in range(dimensions.n_audio_layer)]
    weight, bias = cross_projection(tensors, dimensions)
    shape = (dimensions.n_text_layer, 2 * dimensions.n_text_state, -1)
    cross = [_named("cross", *pair) for pair in zip(weight.reshape(shape), bias.reshape(shape[:2]), strict=True)]
    arrays |= _stacked(layers) | _stacked(cross)
    arrays["positions"] = tensors["encoder.positional_embedding"]
    return arrays | {"final_norm": _norm(tensors, "encoder.ln_post")}


def _encoder_layer(tensors: Tensors, name: str) -> dict[str, Array]:
    return {
        **_named("qkv", *fused_projection(tensors, f"{name}.attn")),
        **_named("out", *_linear(tensors, f"{name}.attn.out")),
        **_named("mlp_in", *_linear(tensors, f"{name}.mlp.0")),
        **_named("mlp_out", *_linear(tensors, f"{name}.mlp.2")),
        "norms": np.stack([_norm(tensors, f"{name}.attn_ln"), _norm(tensors, f"{name}.mlp_ln")]),
    }


def _named(part: str, weight: NDArray[np.float32], bias: NDArray[np.float32]) -> dict[str, Array]:
    """Panels for dot products: (out / 64, in / 4, 64, 4), with the columns' scales, sums and biases."""
    packed, scale, bias = pack(weight, bias)
    panels, depth, _ = packed.shape
    quads = packed.reshape(panels, depth // QUAD, QUAD, PANEL).transpose(0, 1, 3, 2)
    sums = packed.sum(axis=1, dtype=np.int32).ravel()
    return {part: np.ascontiguousarray(quads), f"{part}_scale": scale, f"{part}_sum": sums, f"{part}_bias": bias}


def _stacked(layers: list[dict[str, Array]]) -> dict[str, Array]:
    return {name: np.stack([layer[name] for layer in layers]) for name in layers[0]}
