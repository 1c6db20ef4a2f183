"""Attention as TensorRT's own operator; tests/integration/export shows what its parser makes of it."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest

from export.graph import FLOAT, INT64, Graph, save_graph
from export.tensorrt_dialect import tensorrt_dialect


def attention(path: Path, bounds: list[str], scale: float = 1.0) -> Path:
    graph = Graph("step")
    names = [graph.input(name, FLOAT, ["batch", 1, 1, 64]) for name in ("query", "key", "value")]
    graph.input("length", INT64, ["batch"])
    graph.output(graph.node("Attention", [*names, *bounds], scale=scale), "attended", FLOAT, ["batch", 1, 1, 64])
    save_graph(graph.model(24), path)
    return path


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [([], []), (["length"], ["length"]), (["", "", "", "length"], ["", "", "length"])],
    ids=["everything", "a mask", "lengths"],
)
def test_what_is_attended_to_stands_where_tensorrt_reads_it(
    bounds: list[str], expected: list[str], tmp_path: Path
) -> None:
    with tensorrt_dialect(attention(tmp_path / "step.onnx", bounds)) as own:
        model = onnx.load(str(own))

    node = next(each for each in model.graph.node if each.op_type == "TRT_Attention")
    assert list(node.input) == ["query", "key", "value", *expected]
    assert node.domain in {each.domain for each in model.opset_import}
    assert {each.name for each in node.attribute} == {"TRT_decomposable"}, "no scale, which keys would be multiplied by"
    assert [path.name for path in tmp_path.iterdir()] == ["step.onnx"], "what was made for the parser stays nowhere"


def test_attention_that_scales_is_none_of_ours(tmp_path: Path) -> None:
    with (
        pytest.raises(ValueError, match="attention that scales"),
        tensorrt_dialect(attention(tmp_path / "step.onnx", [], scale=0.5)),
    ):
        pass
