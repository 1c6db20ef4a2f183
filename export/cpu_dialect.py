"""The dialect of ONNX Runtime on CPUs: 8-bit dense layers, fused attention."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.graph import Graph

CONTRIB = "com.microsoft"


class Float32Dialect:
    """Everything in float32."""

    opset = 21
    precision: type[np.floating[Any]] = np.float32

    def linear(
        self, graph: Graph, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str
    ) -> str:
        return graph.linear(source, weight, bias, name)

    def attention(self, graph: Graph, fused: str, heads: int) -> str:
        parts = graph.split(fused, 3)
        return graph.node("MultiHeadAttention", parts, domain=CONTRIB, num_heads=heads, scale=1.0)

    def gelu(self, graph: Graph, source: str) -> str:
        return graph.node("Gelu", [source], domain=CONTRIB)


class Int8Dialect(Float32Dialect):
    """Dense layers in 8 bits: weights per output channel, activations per call.

    A call holds one window, so that the range of its activations is its own. Weights use 7 of the 8
    bits: CPUs without dot products add pairs of products in 16 bits, which would overflow. Those CPUs
    are the ones that this graph serves; the others run the panels of packing.pack_encoder.
    """

    def linear(
        self, graph: Graph, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str
    ) -> str:
        scale = np.maximum(np.abs(weight).max(axis=1), 1e-8) / 63
        quantised = np.rint(weight / scale[:, None]).astype(np.int8)
        inputs = [
            source,
            graph.constant(f"{name}.weight", quantised.T),
            graph.constant(f"{name}.scale", scale),
            graph.constant(f"{name}.zero", np.zeros(len(scale), np.int8)),
            graph.constant(f"{name}.bias", bias),
        ]
        return graph.node("DynamicQuantizeMatMul", inputs, domain=CONTRIB)
