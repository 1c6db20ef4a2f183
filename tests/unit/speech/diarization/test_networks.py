"""Which runtime the networks are opened in."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.diarizer import OPSET
from export.graph import FLOAT, Graph
from speech.diarization.cpu.dot_kernels import HAS_KERNELS
from speech.diarization.networks import GRAPHS, Execution, Networks, open_runtime
from speech.diarization.onnx_networks import OnnxNetworks


def test_a_cpu_runs_the_compiled_kernels_unless_it_is_told_otherwise() -> None:
    assert Execution("cpu").compiled() is HAS_KERNELS
    assert not Execution("onnx").compiled()
    assert not Execution("cuda").compiled()


@pytest.mark.parametrize("provider", ["onnx", "cpu", "cuda"])
def test_a_missing_export_is_named_with_the_command_that_makes_it(tmp_path: Path, provider: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"segmentation\.onnx is missing; run: python -m export diarizer"):
        Networks(tmp_path, Execution(provider))


@pytest.mark.skipif(not HAS_KERNELS, reason="this CPU runs the graphs")
def test_an_export_of_before_the_kernels_runs_its_graphs_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in GRAPHS:
        (tmp_path / f"{name}.onnx").write_bytes(sum_graph())

    assert isinstance(open_runtime(tmp_path, Execution("cpu")), OnnxNetworks)
    assert "panels.npz is missing" in caplog.text


def sum_graph() -> bytes:
    """The smallest graph that ONNX Runtime opens."""
    graph = Graph("sum")
    source = graph.input("input", FLOAT, ["n"])
    graph.output(graph.node("Add", [source, source]), "output", FLOAT, ["n"])
    return bytes(graph.model(OPSET).SerializeToString())
