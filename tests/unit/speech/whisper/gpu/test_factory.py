"""Which library runs an export for GPUs, and what is said where none can."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import MOST_SLOTS
from speech.whisper.gpu.factory import EngineLimits, MemoryBudget, open_tensorrt, slots_that_fit
from speech.whisper.manifest import RANDOM, Compiled, InvalidManifest, Source, write_manifest
from speech.whisper.serving import ServingOptions, open_engine, open_for_timing
from tests.unit.speech.whisper.gpu.fake_gpu import Error, FakeGpu
from tests.unit.speech.whisper.gpu.toy_decoder import manifest


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_manifest(replace(manifest(), target="cuda", precision={"encoder": "float16"}), tmp_path)
    return tmp_path


def test_another_library_than_torch_is_told_which_there_are(folder: Path) -> None:
    with pytest.raises(EngineError, match="only torch, for a GPU's target"):
        open_for_timing(folder, ServingOptions(library="jax"))


def test_without_torch_the_error_says_what_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    monkeypatch.delitem(sys.modules, "speech.whisper.gpu.torch_library", raising=False)

    with pytest.raises(EngineError, match="needs the packages torch and onnx"):
        open_for_timing(folder, ServingOptions(library="torch"))


def test_without_the_cuda_provider_the_error_says_what_to_install(folder: Path) -> None:
    with pytest.raises(EngineError, match="no CUDAExecutionProvider: install `onnxruntime-gpu`"):
        open_engine(folder, ServingOptions())


def test_without_tensorrt_onnx_runtime_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", None)

    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        open_tensorrt(folder, EngineLimits())

    assert "TensorRT is missing" in caplog.text


def test_the_target_tensorrt_is_served_by_its_plans(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGpu().install(monkeypatch)
    compiled = Compiled("11.4.0.106", "8.0")
    write_manifest(replace(manifest(), tensorrt=compiled, precision={"encoder": "float16"}), folder)
    for name in ("encoder", "decoder", "step"):
        (folder / f"{name}.plan").write_bytes(name.encode())

    assert open_engine(folder, ServingOptions(slots=5)).slots == 5


def test_a_thread_that_is_busy_with_python_gives_way_to_the_engine_s_soon(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeGpu().install(monkeypatch)
    compiled = Compiled("11.4.0.106", "8.0")
    write_manifest(replace(manifest(), tensorrt=compiled, precision={"encoder": "float16"}), folder)
    for name in ("encoder", "decoder", "step"):
        (folder / f"{name}.plan").write_bytes(name.encode())
    before = sys.getswitchinterval()

    try:
        open_tensorrt(folder, EngineLimits())
        assert sys.getswitchinterval() == pytest.approx(1e-4)
    finally:
        sys.setswitchinterval(before)


def test_without_a_gpu_the_error_says_so(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = FakeGpu().install(monkeypatch)
    gpu.failing, gpu.error = "cudaGetDeviceCount", Error.cudaErrorNoDevice

    with pytest.raises(EngineError, match="CUDA finds no GPU"):
        open_tensorrt(folder, EngineLimits())


def test_without_cudas_bindings_the_error_names_them(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGpu().install(monkeypatch)
    monkeypatch.setitem(sys.modules, "cuda.bindings", None)

    with pytest.raises(EngineError, match="cuda-bindings"):
        open_tensorrt(folder, EngineLimits())


def test_a_target_of_the_future_is_refused(folder: Path) -> None:
    write_manifest(replace(manifest(), target="openvino"), folder)

    with pytest.raises(InvalidManifest, match="cpu, cuda, tensorrt"):
        open_engine(folder, ServingOptions())


def test_random_numbers_are_timed_and_never_served(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    FakeGpu().install(monkeypatch)
    noise = Source("noise in the shape of toy", RANDOM, "none", "0" * 64)
    compiled = Compiled("11.4.0.106", "8.0")
    write_manifest(replace(manifest(), source=noise, tensorrt=compiled, precision={"encoder": "float16"}), folder)
    for name in ("encoder", "decoder", "step"):
        (folder / f"{name}.plan").write_bytes(name.encode())

    with pytest.raises(InvalidManifest, match="cannot be served: run `python -m export whisper --model toy"):
        open_engine(folder, ServingOptions())

    assert open_for_timing(folder, ServingOptions(slots=5)).slots == 5


@pytest.mark.parametrize(("asked", "slots"), [(0, 64), (3, 3), (200, 200), (1000, 256)])
def test_more_rows_than_usual_are_there_for_who_asks(asked: int, slots: int) -> None:
    budget = MemoryBudget(free=2**40, fixed=0, slot=2**20)

    assert slots_that_fit(manifest(), EngineLimits(asked), budget, MOST_SLOTS) == slots
