"""The graphs for GPUs as TensorRT wants their attention written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx

TRT_DOMAIN = "trt"  # of operators that TensorRT has and ONNX has not
ONNX_ATTENTION_INPUTS = 7


@contextmanager
def tensorrt_dialect(graph: Path) -> Iterator[Path]:
    """The graph with TensorRT's own attention, beside the original, whose file of weights it has.

    ONNX's loses the lengths of keys in TensorRT's parser without a word, and multiplies queries and keys by the root of
    its scale even where that is one: every key would be read, written and read again.
    """
    model = onnx.load(str(graph), load_external_data=False)
    for node in model.graph.node:
        if node.op_type == "Attention" and not node.domain:
            _own_attention(node)
    if not any(each.domain == TRT_DOMAIN for each in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(TRT_DOMAIN, 1))
    own = graph.with_name(f"{graph.stem}.tensorrt.onnx")
    try:
        own.write_bytes(model.SerializeToString())
        yield own
    finally:
        own.unlink(missing_ok=True)


def _own_attention(node: onnx.NodeProto) -> None:
    """query, key, value, mask, queries' lengths, keys' lengths; without a kernel for them, of several parts."""
    inputs = [*node.input, *[""] * (ONNX_ATTENTION_INPUTS - len(node.input))]
    query, key, value, mask, past_key, past_value, lengths = inputs
    scale = next((each.f for each in node.attribute if each.name == "scale"), None)
    if scale != 1.0 or past_key or past_value:
        raise ValueError(f"{node.name}: attention that scales, or has a past, is not one of a Whisper's graphs")
    own = [query, key, value, mask, "", lengths]
    while not own[-1]:
        own.pop()
    del node.input[:], node.attribute[:]
    node.input.extend(own)
    node.op_type, node.domain = "TRT_Attention", TRT_DOMAIN
    node.attribute.append(onnx.helper.make_attribute("TRT_decomposable", 1))
