"""The dialect of GPUs: float16 in ONNX's own operators, for TensorRT and ONNX Runtime's CUDA provider."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.graph import Graph
from export.weights import HEAD_SIZE


class Half:
    """What GPUs compute in, and the published weights' own precision: nothing is lost."""

    opset = 24
    precision: type[np.floating[Any]] = np.float16

    def linear(
        self, graph: Graph, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str
    ) -> str:
        return graph.linear(source, weight, bias, name)

    def attention(self, graph: Graph, fused: str, heads: int) -> str:
        parts = [split_heads(graph, part) for part in graph.split(fused, 3)]
        return join_heads(graph, graph.node("Attention", parts, scale=1.0))

    def gelu(self, graph: Graph, source: str) -> str:
        return graph.node("Gelu", [source])


def split_heads(graph: Graph, source: str) -> str:
    """(b, n, d) → (b, heads, n, 64)"""
    parts = graph.node("Reshape", [source, graph.integers(0, 0, -1, HEAD_SIZE)])
    return graph.node("Transpose", [parts], perm=[0, 2, 1, 3])


def join_heads(graph: Graph, source: str) -> str:
    """(b, heads, n, 64) → (b, n, d)"""
    return graph.node("Reshape", [graph.node("Transpose", [source], perm=[0, 2, 1, 3]), graph.integers(0, 0, -1)])
