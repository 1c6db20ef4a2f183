"""Plans of TensorRT for RTX, on a card of this test's: opened as they must be for steps to be captured."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from speech.whisper.engine import GREEDY, EngineError, read_prompts
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.factory import EngineLimits, open_rtx
from speech.whisper.manifest import Compiled, InvalidManifest, write_manifest
from speech.whisper.serving import ServingOptions, open_engine
from tests.unit.speech.whisper.gpu.fake_gpu import KERNELS, RTX_VERSION, FakeGpu
from tests.unit.speech.whisper.gpu.toy_decoder import HEARD, START, manifest, said

PROMPT = [START, 3, 6]
BUILT = Compiled(RTX_VERSION, "8.0")
CACHE = "kernels.rtx-cache"


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return FakeGpu().install(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    toy = replace(manifest(), target="tensorrt-rtx", tensorrt=BUILT, precision={"encoder": "float16"})
    write_manifest(toy, tmp_path)
    for name in ("encoder", "decoder", "step"):
        (tmp_path / f"{name}.plan").write_bytes(name.encode())
    return tmp_path


def spoken(engine: GraphEngine) -> list[int]:
    engine.encode([2], [np.full(4, 2, np.int16)], [HEARD])
    read_prompts(engine, [2], [PROMPT])
    return [int(engine.step([2], [GREEDY]).result().tokens[0]) for _ in range(3)]


def test_its_plans_are_served_by_the_runner_of_tensorrt(gpu: FakeGpu, folder: Path) -> None:
    engine = open_engine(folder, ServingOptions(slots=5))

    assert isinstance(engine, GraphEngine)
    assert engine.captured
    assert spoken(engine) == said(2, PROMPT, 3)


def test_contexts_compile_all_kernels_at_once_and_capture_nothing_themselves(gpu: FakeGpu, folder: Path) -> None:
    open_rtx(folder, EngineLimits())

    assert {
        (each.dynamic_shapes_kernel_specialization_strategy, each.cuda_graph_strategy, each.allocation)
        for each in gpu.rtx_configurations
    } == {("eager", "disabled", "user managed")}
    assert len({id(each.cache) for each in gpu.rtx_configurations}) == 1


def test_what_was_compiled_is_kept_for_the_next_start(gpu: FakeGpu, folder: Path) -> None:
    (folder / CACHE).write_bytes(b"of another card")
    open_rtx(folder, EngineLimits()).close()
    kept = (folder / CACHE).read_bytes()
    open_rtx(folder, EngineLimits())

    assert kept == KERNELS
    assert gpu.rtx_configurations[-1].cache is not None
    assert gpu.rtx_configurations[-1].cache.known == kept


def test_a_folder_that_is_only_read_costs_the_next_start_its_time(
    gpu: FakeGpu, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / CACHE).with_suffix(".partial").mkdir()  # as good as a folder in which nothing can be written

    assert spoken(open_rtx(folder, EngineLimits())) == said(2, PROMPT, 3)
    assert "the next start compiles its kernels again" in caplog.text


def test_steps_that_cannot_be_captured_run_without(
    gpu: FakeGpu, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.capturable = False

    engine = open_rtx(folder, EngineLimits())

    assert not engine.captured
    assert spoken(engine) == said(2, PROMPT, 3)
    assert "TensorRT-RTX's step cannot be captured as a CUDA graph" in caplog.text


def test_a_plan_for_another_card_is_refused_with_the_reason(gpu: FakeGpu, folder: Path) -> None:
    (folder / "step.plan").write_bytes(b"of another card")

    with pytest.raises(EngineError, match=r"refuses .*step\.plan: UNSUPPORTED_CC"):
        open_rtx(folder, EngineLimits())


def test_plans_of_another_version_are_refused_with_the_command_that_rebuilds(gpu: FakeGpu, folder: Path) -> None:
    stale = replace(BUILT, version="1.6.0")
    write_manifest(replace(manifest(), target="tensorrt-rtx", tensorrt=stale, precision={"encoder": "float16"}), folder)

    with pytest.raises(InvalidManifest, match=r"--target tensorrt-rtx --compute-capability 8\.0`"):
        open_rtx(folder, EngineLimits())


def test_without_it_onnx_runtime_is_asked(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
    monkeypatch.delitem(sys.modules, "speech.whisper.gpu.rtx_runtime", raising=False)

    with pytest.raises(EngineError, match="CUDAExecutionProvider"):
        open_rtx(folder, EngineLimits())

    assert "TensorRT-RTX is missing" in caplog.text
