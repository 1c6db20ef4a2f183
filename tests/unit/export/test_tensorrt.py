"""What an export for TensorRT asks of the machine. Plans are compiled in tests/integration/export."""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from export import tensorrt
from export.__main__ import main
from export.quantization import check_card
from export.tensorrt import CompileError, PlanRequest, Profile
from speech.whisper.manifest import Compiled


def test_a_profile_opens_the_batch_and_the_tokens() -> None:
    prompts = Profile((1, 4, 16), (1, 8, 448))

    assert list(tensorrt.ranges("ids", (-1, -1), prompts)) == [(1, 1), (4, 8), (16, 448)]
    assert list(tensorrt.ranges("self_key_0", (-1, 8, 448, 64), prompts))[2] == (16, 8, 448, 64)
    assert list(tensorrt.ranges("at", (-1,), prompts)) == [(1,), (4,), (16,)]


def test_a_draft_of_one_row_asks_for_many_tokens() -> None:
    assert list(tensorrt.ranges("ids", (-1, -1), tensorrt.DRAFTS)) == [(1, 1), (1, 32), (1, 448)]
    assert list(tensorrt.ranges("bias_token", (-1, 512), tensorrt.DRAFTS)) == [(1, 512), (32, 512), (64, 512)]
    assert list(tensorrt.ranges("position", (-1,), tensorrt.DRAFTS)) == [(1,), (1,), (1,)]


def test_without_tensorrt_the_export_says_what_it_needs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    assert main(["whisper", "--target", "tensorrt", "--repository", str(tmp_path)]) == 1

    assert "docker compose -f docker/compose.gpu.yaml run --rm export" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_an_older_tensorrt_is_not_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    older = ModuleType("tensorrt")
    older.__dict__["__version__"] = "10.15.1"
    monkeypatch.setitem(sys.modules, "tensorrt", older)

    with pytest.raises(CompileError, match=r"Here: TensorRT 10\.15\.1"):
        tensorrt.load_tensorrt()


class FakeTensorRt:
    """Builds a plan that is its graph's bytes, and keeps timings as text."""

    def __init__(self) -> None:
        self.begun: list[bytes] = []  # what timing caches were made of
        self.fails = False

    def create_timing_cache(self, blob: bytes) -> SimpleNamespace:
        self.begun.append(blob)
        return SimpleNamespace(blob=blob, serialize=lambda: b"learned here")

    def set_timing_cache(self, cache: SimpleNamespace, ignore_mismatch: bool) -> bool:
        assert not ignore_mismatch
        return cache.blob in (b"", b"learned here")

    def build(self, config: object) -> bytes:
        if self.fails:
            raise CompileError("TensorRT built no plan")
        return b"a plan"

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        compiler = SimpleNamespace(configure=lambda profiles: self, build=self.build)
        here = Compiled("11.4.0.106", "8.0", "NVIDIA A100-SXM4-80GB MIG 2g.20gb", 28)
        monkeypatch.setattr(tensorrt, "Compiler", lambda trt, graph: compiler)
        monkeypatch.setattr(tensorrt, "load_tensorrt", lambda: (ModuleType("tensorrt"), here))
        monkeypatch.setattr(tensorrt, "progress_monitor", lambda trt: None)


@pytest.mark.parametrize("kept", [None, b"learned here", b"of another card"])
@pytest.mark.parametrize("fails", [False, True])
def test_timings_are_those_of_the_card_and_kept_whatever_comes_of_the_build(
    kept: bytes | None, fails: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trt = FakeTensorRt()
    trt.fails = fails
    trt.install(monkeypatch)
    file = tmp_path / "timings" / "tensorrt-11.4.0.106-NVIDIA-A100-SXM4-80GB-MIG-2g-20gb-28.timings"
    if kept is not None:
        file.parent.mkdir()
        file.write_bytes(kept)

    with pytest.raises(CompileError) if fails else nullcontext():
        tensorrt.CardCompiler(file.parent).compile(
            PlanRequest(tmp_path / "step.onnx", tmp_path / "step.plan", tensorrt.STEP_PROFILES)
        )

    assert trt.begun == {None: [b""], b"learned here": [kept], b"of another card": [kept, b""]}[kept]
    assert file.read_bytes() == b"learned here"
    assert (tmp_path / "step.plan").exists() is not fails


def test_float8_needs_a_card_that_has_it() -> None:
    check_card("float8", Compiled("11.4.0", "8.9"))
    check_card("float8", Compiled("11.4.0", "10.0"))
    check_card("int8", Compiled("11.4.0", "8.0"))
    with pytest.raises(CompileError, match=r"needs a card of compute capability 8\.9 or later; this one has 8\.0"):
        check_card("float8", Compiled("11.4.0", "8.0"))
