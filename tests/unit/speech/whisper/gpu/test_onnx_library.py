"""ONNX Runtime's sessions as the runner sees them, played here; the real one runs them in tests/integration/triton."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import onnxruntime
import pytest

from speech.whisper.engine import EngineError
from speech.whisper.gpu.device_memory import MemoryFull
from speech.whisper.gpu.onnx_library import CUDA, GraphSessions, OnnxLibrary, OnnxPass, SessionSettings, load_sessions


class Binding:
    def __init__(self) -> None:
        self.inputs: dict[str, tuple[object, ...]] = {}

    def bind_input(self, name: str, *place: object) -> None:
        self.inputs[name] = place

    bind_output = bind_input


class Session:
    def __init__(self, error: str = "") -> None:
        self.error = error
        self.bindings: list[Binding] = []
        self.runs: list[tuple[Binding, str]] = []  # and the number of the CUDA graph

    def io_binding(self) -> Binding:
        self.bindings.append(Binding())
        return self.bindings[-1]

    def get_providers(self) -> list[str]:
        return [CUDA]

    def get_inputs(self) -> list[Any]:
        return [SimpleNamespace(name="ids", type="tensor(int64)", shape=["batch", 1])]

    def get_outputs(self) -> list[Any]:
        return [SimpleNamespace(name="language", type="tensor(float)", shape=["batch", 99])]

    def run_with_iobinding(self, binding: Binding, options: Any) -> None:
        if self.error:
            raise RuntimeError(self.error)
        self.runs.append((binding, options.get_run_config_entry("gpu_graph_id")))


def library(step: Session, plain: Session) -> OnnxLibrary:
    return OnnxLibrary(GraphSessions(Session(), Session(), step, True, lambda: plain), "cuda")


def test_every_number_of_rows_is_a_cuda_graph_of_its_own() -> None:
    step, done = Session(), list[str]()
    opened = library(step, Session())

    launches = [opened.capture(opened.open_step(rows), lambda: done.append("fed")) for rows in (1, 2)]
    for launch in launches:
        launch.launch()

    assert opened.captured
    captured, replayed = [graph for _, graph in step.runs[:2]], [graph for _, graph in step.runs[2:]]
    assert captured == replayed
    assert len(set(captured)) == 2
    assert done == ["fed", "fed"], "nothing is fed while it is captured"


def test_steps_that_cannot_be_captured_run_in_another_session_bound_as_they_were(
    caplog: pytest.LogCaptureFixture,
) -> None:
    plain = Session()
    opened = library(Session("a node is on the CPU"), plain)
    step = opened.open_step(4)
    step.bind_input("ids", (4, 1), 1024)

    opened.capture(step, lambda: None).launch()

    assert not opened.captured
    assert "captured no CUDA graph of a step: ONNX Runtime failed: a node is on the CPU" in caplog.text
    assert plain.runs[0][0].inputs["ids"][-2:] == ((4, 1), 1024)


def test_memory_that_is_full_is_told_from_other_errors() -> None:
    for words, kind in (("Failed to allocate memory for requested buffer", MemoryFull), ("no kernel", EngineError)):
        with pytest.raises(EngineError) as raised:
            OnnxPass(Session(words), "cuda").enqueue()
        assert type(raised.value) is kind


def test_cuda_s_libraries_are_looked_for_in_python_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: [CUDA])
    monkeypatch.setattr(onnxruntime, "preload_dlls", lambda: asked.append("preloaded"), raising=False)

    def open_session(path: str, *_: object, **__: object) -> Session:
        asked.append(Path(path).name)
        return Session()

    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)

    sessions = load_sessions(Path("export"), SessionSettings(CUDA, 1))

    assert asked == ["preloaded", "encoder.onnx", "decoder.onnx", "step.onnx"]
    assert sessions.step_captures
