"""The dialect of GPUs: float16 in ONNX's own operators, for TensorRT and ONNX Runtime's CUDA provider."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.graph import Graph


class Float16Dialect:
    """What GPUs compute in, and the published weights' own precision: nothing is lost."""

    opset = 24
    precision: type[np.floating[Any]] = np.float16

    def linear(
        self, graph: Graph, source: str, weight: NDArray[np.float32], bias: NDArray[np.float32], name: str
    ) -> str:
        return graph.linear(source, weight, bias, name)

    def attention(self, graph: Graph, fused: str, heads: int) -> str:
        parts = [graph.split_heads(part) for part in graph.split(fused, 3)]
        return graph.join_heads(graph.node("Attention", parts, scale=1.0))

    def gelu(self, graph: Graph, source: str) -> str:
        return graph.node("Gelu", [source])
