"""What an export for TensorRT for RTX asks of the machine: no GPU. Plans are compiled in tests/integration/export."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from export.__main__ import main
from export.rtx import RtxCompiler
from export.tensorrt import CompileError
from speech.whisper.engine import EngineError
from speech.whisper.gpu import cuda
from speech.whisper.gpu.cuda import CudaCard


def test_a_compute_capability_is_named_where_there_is_no_card(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_card() -> CudaCard:
        raise EngineError("CUDA finds no GPU")

    monkeypatch.setattr(cuda, "find_card", no_card)

    assert main(["whisper", "--target", "tensorrt-rtx", "--repository", str(tmp_path)]) == 1
    assert "--compute-capability 8.0" in capsys.readouterr().err
    assert RtxCompiler("12.0").here.compute_capability == "12.0"


def test_the_card_here_is_compiled_for_unless_another_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cuda, "find_card", lambda: CudaCard("NVIDIA L4", "8.9", 58))

    assert RtxCompiler(None).here.compute_capability == "8.9"
    assert RtxCompiler("8.6").here.compute_capability == "8.6"


def test_a_card_that_it_does_not_know_is_told_with_those_that_it_does() -> None:
    with pytest.raises(CompileError, match=r"7\.5, 8\.0, 8\.6, 8\.9, 12\.0, 12\.1, not 9\.0"):
        RtxCompiler("9.0")


def test_without_it_the_export_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)

    with pytest.raises(CompileError, match=r"pip install \.\[rtx\]"):
        RtxCompiler("8.0")


def test_another_target_compiles_for_no_card_that_is_named(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    asked = ["whisper", "--target", "cuda", "--compute-capability", "8.0", "--repository", str(tmp_path)]

    assert main(asked) == 1
    assert "is for --target tensorrt-rtx" in capsys.readouterr().err
