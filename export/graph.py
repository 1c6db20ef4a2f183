"""A graph under construction: names, constants and the few layers that Whisper is made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper

from speech.whisper.engine import HEAD_SIZE

IR_VERSION = 10
LAYER_NORM_EPSILON = 1e-5
EXTERNAL_DATA_FROM = 1 << 10  # bytes: larger tensors lie beside a large model's graph
SINGLE_FILE_LIMIT = 1 << 27  # bytes of weights in a graph's own file: no two graphs can share those


class Graph:
    """Nodes in the order in which they run. Every method returns the name of its result."""

    def __init__(
        self,
        name: str,
        precision: type[np.floating[Any]] = np.float32,
        constants: dict[str, onnx.TensorProto] | None = None,
    ) -> None:
        """constants: of another graph of the same weights, so that none is held twice"""
        self.name = name
        self.precision = np.dtype(precision)
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {} if constants is None else constants
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []

    @property
    def element(self) -> int:
        return int(helper.np_dtype_to_tensor_dtype(self.precision))

    def input(self, name: str, element: int, shape: Sequence[int | str]) -> str:
        self.inputs.append(helper.make_tensor_value_info(name, element, list(shape)))
        return name

    def output(self, source: str, name: str, element: int, shape: Sequence[int | str]) -> None:
        if source != name:
            self.node("Identity", [source], name=name)
        self.outputs.append(helper.make_tensor_value_info(name, element, list(shape)))

    def constant(self, name: str, value: NDArray[Any]) -> str:
        """Holds an array under its name; floats take the graph's precision."""
        if name not in self.constants:
            array = np.ascontiguousarray(value, self.precision if value.dtype.kind == "f" else None)
            self.constants[name] = onnx.numpy_helper.from_array(array.reshape(value.shape), name)
        return name

    def exact(self, name: str, value: NDArray[Any]) -> str:
        """Holds floats in float32, whatever the graph's precision."""
        self.constants.setdefault(name, onnx.numpy_helper.from_array(np.asarray(value, np.float32), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant("int64_" + "_".join(map(str, values)), np.array(values, np.int64))

    def node(self, kind: str, inputs: Sequence[str], *, name: str = "", domain: str = "", **attributes: Any) -> str:
        name = name or f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], name=name, domain=domain, **attributes))
        return name

    def nodes_of(self, kind: str, inputs: Sequence[str], outputs: int, **attributes: Any) -> list[str]:
        """A node with several outputs."""
        names = [f"{kind.lower()}_{len(self.nodes)}_{index}" for index in range(outputs)]
        self.nodes.append(helper.make_node(kind, list(inputs), names, name=names[0], **attributes))
        return names

    def conv(self, source: str, weight: NDArray[Any], bias: NDArray[Any] | None, name: str, **attributes: Any) -> str:
        """A convolution over one or two axes; the weight is (out, in, …)."""
        inputs = [source, self.constant(f"{name}.weight", weight)]
        if bias is not None:
            inputs.append(self.constant(f"{name}.bias", bias))
        return self.node("Conv", inputs, kernel_shape=list(weight.shape[2:]), **attributes)

    def split(self, source: str, parts: int) -> list[str]:
        """Equal parts of the last axis."""
        return self.nodes_of("Split", [source], outputs=parts, axis=-1, num_outputs=parts)

    def slice(self, source: str, start: int, end: int, axis: int) -> str:
        return self.node("Slice", [source, self.integers(start), self.integers(end), self.integers(axis)])

    def layer_norm(self, source: str, weight: NDArray[Any], bias: NDArray[Any], name: str) -> str:
        scale, shift = self.constant(f"{name}.weight", weight), self.constant(f"{name}.bias", bias)
        return self.node("LayerNormalization", [source, scale, shift], epsilon=LAYER_NORM_EPSILON)

    def linear(self, source: str, weight: NDArray[Any], bias: NDArray[Any] | None, name: str) -> str:
        """source @ weight.T + bias, the weight as PyTorch stores it: (out, in)."""
        product = self.node("MatMul", [source, self.constant(f"{name}.weight", weight.T)])
        if bias is None:
            return product
        return self.node("Add", [product, self.constant(f"{name}.bias", bias)])

    def split_heads(self, source: str) -> str:
        """(b, n, d) → (b, heads, n, 64)"""
        parts = self.node("Reshape", [source, self.integers(0, 0, -1, HEAD_SIZE)])
        return self.node("Transpose", [parts], perm=[0, 2, 1, 3])

    def join_heads(self, source: str) -> str:
        """(b, heads, n, 64) → (b, n, d)"""
        return self.node("Reshape", [self.node("Transpose", [source], perm=[0, 2, 1, 3]), self.integers(0, 0, -1)])

    def model(self, opset: int) -> onnx.ModelProto:
        used = {name for node in self.nodes for name in node.input}
        constants = [constant for name, constant in self.constants.items() if name in used]
        graph = helper.make_graph(self.nodes, self.name, self.inputs, self.outputs, constants)
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid("com.microsoft", 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name="stt")


def save_graph(model: onnx.ModelProto, path: Path) -> None:
    """Writes the graph; a large one keeps its weights in <name>.data beside it."""
    large = sum(map(_stored_bytes, model.graph.initializer)) > SINGLE_FILE_LIMIT
    onnx.save_model(
        model,
        str(path),
        save_as_external_data=large,
        location=f"{path.name}.data" if large else None,
        size_threshold=EXTERNAL_DATA_FROM,
    )


def _stored_bytes(constant: onnx.TensorProto) -> int:
    """In the graph's own file: none, if another one has them."""
    if constant.data_location == TensorProto.EXTERNAL:
        return 0
    size: int = math.prod(constant.dims) * helper.tensor_dtype_to_np_dtype(constant.data_type).itemsize
    return size


def share_weights(model: onnx.ModelProto, beside: Path) -> None:
    """Has a graph read from the file of weights of another one in its folder what both hold under the same name."""
    stored = onnx.load(str(beside), load_external_data=False).graph.initializer
    external = {each.name: each for each in stored if each.data_location == TensorProto.EXTERNAL}
    for constant in model.graph.initializer:
        if constant.name in external:
            constant.CopyFrom(external[constant.name])


FLOAT = int(TensorProto.FLOAT)
INT32 = int(TensorProto.INT32)
INT64 = int(TensorProto.INT64)
BOOL = int(TensorProto.BOOL)
UINT8 = int(TensorProto.UINT8)
