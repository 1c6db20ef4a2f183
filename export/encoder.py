"""Whisper's encoder as a graph, with the keys and values of every decoder layer's cross-attention folded in."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from export.graph import FLOAT, UINT8, Graph
from export.log_mel import log_mel_nodes
from export.weights import Tensors, Weights
from speech.whisper.engine import HEAD_SIZE, Dimensions


class Dialect(Protocol):
    """How one runtime wants the costly layers written."""

    opset: int
    precision: type[np.floating[Any]]

    def linear(
        self, graph: Graph, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str
    ) -> str:
        """A dense layer; the weight is (out, in)."""

    def attention(self, graph: Graph, fused: str, heads: int) -> str:
        """Softmax attention over query, key and value that lie side by side: (b, n, 3 d) → (b, n, d)."""

    def gelu(self, graph: Graph, source: str) -> str:
        """The exact GELU."""


def encoder_graph(weights: Weights, dialect: Dialect) -> Graph:
    """mel (b, n_mels, 2 frames) → cross (b, frames, layers, 2, d): key and value of each decoder layer.

    The key bias that Whisper does not have is zero. Keys carry the attention's scale 1/√64 already.
    """
    dimensions, tensors = weights.dimensions, weights.tensors
    graph = Graph("encoder", dialect.precision)
    mel = graph.input("mel", graph.element, ["batch", dimensions.n_mels, "mel_frames"])
    hidden = _encode(graph, dialect, weights, mel)
    weight, bias = cross_projection(tensors, dimensions)
    cross = dialect.linear(graph, hidden, weight, bias, "cross")
    graph.output(cross, "cross", graph.element, ["batch", "frames", len(bias)])
    return graph


def audio_encoder_graph(weights: Weights, dialect: Dialect) -> Graph:
    """audio (b, 640 frames) uint8: samples of 16 bits, low byte first, zeros where they end → for each decoder layer l
    cross_key_<l>, cross_value_<l> (b, heads, frames, 64), the keys scaled by 1/√64. At most 1500 frames.

    Each layer's part is laid out as the decoder graph reads it, by a projection of its own.
    """
    dimensions, tensors = weights.dimensions, weights.tensors
    graph = Graph("encoder", dialect.precision)
    audio = graph.input("audio", UINT8, ["batch", "bytes"])
    hidden = _encode(graph, dialect, weights, log_mel_nodes(graph, _samples(graph, audio), dimensions.n_mels))
    shape: list[int | str] = ["batch", dimensions.n_text_head, "frames", HEAD_SIZE]
    matrices, biases = (np.split(part, 2 * dimensions.n_text_layer) for part in cross_projection(tensors, dimensions))
    for index, (weight, bias) in enumerate(zip(matrices, biases, strict=True)):
        name = f"cross_{('key', 'value')[index % 2]}_{index // 2}"
        projected = dialect.linear(graph, hidden, weight, bias, name)
        graph.output(graph.split_heads(projected), name, graph.element, shape)
    return graph


def _samples(graph: Graph, audio: str) -> str:
    """Bytes of 16-bit samples → float32 in [−1, 1), so that half as much crosses the bus. TensorRT takes no integers of
    16 bits.
    """
    parts = graph.node("Reshape", [graph.node("Cast", [audio], to=FLOAT), graph.integers(0, -1, 2)])
    weighted = graph.node("Mul", [parts, graph.exact("byte_values", np.array([1.0, 256.0]))])
    unsigned = graph.node("ReduceSum", [weighted, graph.integers(2)], keepdims=0)
    negative = graph.node(
        "Cast", [graph.node("Greater", [unsigned, graph.exact("largest", np.array(32767.0))])], to=FLOAT
    )
    signed = graph.node("Sub", [unsigned, graph.node("Mul", [negative, graph.exact("range_16", np.array(65536.0))])])
    return graph.node("Mul", [signed, graph.exact("unit_16", np.array(1 / 32768))])


def _encode(graph: Graph, dialect: Dialect, weights: Weights, mel: str) -> str:
    """(b, n_mels, 2 frames) → (b, frames, d)"""
    dimensions, tensors = weights.dimensions, weights.tensors
    hidden = _convolutions(graph, dialect, tensors, mel)
    for layer in range(dimensions.n_audio_layer):
        hidden = _block(graph, dialect, tensors, (hidden, f"encoder.blocks.{layer}", dimensions.n_audio_head))
    return _norm(graph, tensors, hidden, "encoder.ln_post")


def _convolutions(graph: Graph, dialect: Dialect, tensors: Tensors, mel: str) -> str:
    """Two convolutions, the second halving the frames, and the positions: (b, frames, d)."""
    hidden = mel
    for name, stride in (("encoder.conv1", 1), ("encoder.conv2", 2)):
        kernel = graph.constant(f"{name}.weight", tensors[f"{name}.weight"])
        bias = graph.constant(f"{name}.bias", tensors[f"{name}.bias"])
        hidden = graph.node("Conv", [hidden, kernel, bias], kernel_shape=[3], pads=[1, 1], strides=[stride])
        hidden = dialect.gelu(graph, hidden)
    hidden = graph.node("Transpose", [hidden], perm=[0, 2, 1])
    table = graph.constant("encoder.positional_embedding", tensors["encoder.positional_embedding"])
    frames = graph.node("Shape", [hidden], start=1, end=2)
    positions = graph.node("Slice", [table, graph.integers(0), frames, graph.integers(0)])
    return graph.node("Add", [hidden, positions])


def _block(graph: Graph, dialect: Dialect, tensors: Tensors, place: tuple[str, str, int]) -> str:
    hidden, name, heads = place
    normed = _norm(graph, tensors, hidden, f"{name}.attn_ln")
    weight, bias = fused_projection(tensors, f"{name}.attn")
    fused = dialect.linear(graph, normed, weight, bias, f"{name}.attn.fused")
    attended = dialect.attention(graph, fused, heads)
    hidden = graph.node("Add", [hidden, _linear(graph, dialect, tensors, attended, f"{name}.attn.out")])
    normed = _norm(graph, tensors, hidden, f"{name}.mlp_ln")
    wide = dialect.gelu(graph, _linear(graph, dialect, tensors, normed, f"{name}.mlp.0"))
    return graph.node("Add", [hidden, _linear(graph, dialect, tensors, wide, f"{name}.mlp.2")])


def _norm(graph: Graph, tensors: Tensors, source: str, name: str) -> str:
    return graph.layer_norm(source, tensors[f"{name}.weight"], tensors[f"{name}.bias"], name)


def _linear(graph: Graph, dialect: Dialect, tensors: Tensors, source: str, name: str) -> str:
    return dialect.linear(graph, source, tensors[f"{name}.weight"], tensors[f"{name}.bias"], name)


def fused_projection(tensors: Tensors, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Query, key and value of one attention in one dense layer; the query carries the scale 1/√64."""
    scale = np.float32(HEAD_SIZE**-0.5)
    query, key, value = (tensors[f"{name}.{part}.weight"] for part in ("query", "key", "value"))
    query_bias, value_bias = tensors[f"{name}.query.bias"] * scale, tensors[f"{name}.value.bias"]
    bias = np.concatenate([query_bias, np.zeros_like(value_bias), value_bias])
    return np.concatenate([query * scale, key, value]), bias


def cross_projection(tensors: Tensors, dimensions: Dimensions) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keys and values of every decoder layer in one dense layer; the keys carry the scale 1/√64."""
    names = [f"decoder.blocks.{layer}.cross_attn" for layer in range(dimensions.n_text_layer)]
    scale = np.float32(HEAD_SIZE**-0.5)
    parts = [(tensors[f"{name}.key.weight"] * scale, tensors[f"{name}.value.weight"]) for name in names]
    weight = np.concatenate([matrix for pair in parts for matrix in pair])
    nothing = np.zeros(dimensions.n_text_state, np.float32)
    bias = np.concatenate([part for name in names for part in (nothing, tensors[f"{name}.value.bias"])])
    return weight, bias
