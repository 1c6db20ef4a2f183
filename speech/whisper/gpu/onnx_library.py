"""The graphs in ONNX Runtime: its CUDA provider on a GPU, its CPU provider in tests.

On a GPU all sessions run on the stream of the memory that they are bound to, without waiting for their end, and
a step is one of ONNX Runtime's own CUDA graphs for each number of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import (
    CONTEXTS,
    DECODER_GRAPH,
    DRAFT_ROWS,
    ENCODE_BATCH,
    ENCODER_GRAPH,
    MOST_SLOTS,
    PREFILL_ROWS,
    STEP_GRAPH,
)
from speech.whisper.gpu.device_memory import MemoryFull
from speech.whisper.gpu.library import DirectLaunch, GraphPass, Launch

CUDA = "CUDAExecutionProvider"
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",  # memory stays within the plan
    "cudnn_conv_algo_search": "HEURISTIC",  # the exhaustive search would run again for every batch size
    "use_tf32": "0",  # the spectrum and the probabilities are in float32 for a reason
}
CAPTURE = {"enable_cuda_graph": "1"}
KINDS: dict[str, type[np.generic]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(int32)": np.int32,
    "tensor(int64)": np.int64,
    "tensor(bool)": np.bool_,
    "tensor(uint8)": np.uint8,
}

log = logging.getLogger(__name__)
_graph_numbers = count(1)  # never used twice: a graph holds the addresses that it was captured with


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """Where the sessions run."""

    provider: str
    stream: int = 0  # address of the CUDA stream that the decoder runs on
    encoder_stream: int = 0
    threads: int = 0  # of ONNX Runtime on the CPU, 0 for its own choice


@dataclass(frozen=True, slots=True)
class GraphSessions:
    encoder: Any
    decoder: Any
    step: Any
    step_captures: bool
    open_plain_step: Callable[[], Any]  # the step's session without CUDA graphs


def check_provider(provider: str) -> None:
    """Raises EngineError if this ONNX Runtime lacks it."""
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"this ONNX Runtime has no {provider}: install `onnxruntime-gpu` in place of `onnxruntime` "
            f"(it has {', '.join(onnxruntime.get_available_providers())})"
        )


def load_sessions(folder: Path, options: SessionSettings) -> GraphSessions:
    """All graphs, their weights in the provider's memory.

    raises: EngineError if the provider is missing or a graph cannot be loaded
    """
    check_provider(options.provider)
    if options.provider == CUDA:
        _preload_libraries()
    encoder = _session(folder / ENCODER_GRAPH, replace(options, stream=options.encoder_stream))
    decoder = _session(folder / DECODER_GRAPH, options)

    def open_plain_step() -> Any:
        return _session(folder / STEP_GRAPH, options)

    if options.provider != CUDA:
        return GraphSessions(encoder, decoder, open_plain_step(), False, open_plain_step)
    try:
        step = _session(folder / STEP_GRAPH, options, CAPTURE)
    except EngineError as error:
        log.warning("no CUDA graph of a step: %s", error)
        return GraphSessions(encoder, decoder, open_plain_step(), False, open_plain_step)
    return GraphSessions(encoder, decoder, step, True, open_plain_step)


def _preload_libraries() -> None:
    """Finds CUDA's libraries in Python packages, where they are not the system's."""
    preload = getattr(onnxruntime, "preload_dlls", None)
    if preload is not None:
        preload()


def _session(path: Path, options: SessionSettings, more: dict[str, str] | None = None) -> Any:
    chosen = onnxruntime.SessionOptions()
    chosen.intra_op_num_threads = options.threads
    chosen.log_severity_level = 3
    own: Any = options.provider
    if options.provider == CUDA:
        stream = {"user_compute_stream": str(options.stream)} if options.stream else {}
        own = (CUDA, CUDA_OPTIONS | stream | (more or {}))
    try:
        session = onnxruntime.InferenceSession(str(path), chosen, providers=[own])
    except Exception as error:
        raise EngineError(f"{path} cannot be loaded: {error}") from error
    if session.get_providers()[0] != options.provider:  # it falls back in silence
        raise EngineError(
            f"ONNX Runtime could not start its {options.provider}: is there a GPU with a driver, and are cuBLAS, "
            "cuRAND and cuDNN installed (nvidia-cublas, nvidia-curand, nvidia-cudnn-cu13)?"
        )
    return session


class OnnxLibrary:
    """GraphLibrary over sessions that run in one memory."""

    contexts: tuple[int, ...] = CONTEXTS
    encode_batch = ENCODE_BATCH
    step_rows = MOST_SLOTS
    prefill_rows = PREFILL_ROWS
    draft_rows = DRAFT_ROWS

    def __init__(self, sessions: GraphSessions, device: str) -> None:
        """device: of the memory that passes are bound to, as ONNX Runtime calls it"""
        self._sessions: GraphSessions | None = sessions
        self._device = device
        self._steps: list[OnnxPass] = []
        shapes = {output.name: output.shape for output in sessions.decoder.get_outputs()}
        self.languages = int(shapes["language"][1])
        self.captured = self.thread_bound = sessions.step_captures

    @property
    def _open(self) -> GraphSessions:
        assert self._sessions is not None, "the library is closed"
        return self._sessions

    def open_encoder(self, windows: int, context: int) -> OnnxPass:
        return OnnxPass(self._open.encoder, self._device)

    def open_prefill(self) -> OnnxPass:
        return OnnxPass(self._open.decoder, self._device)

    open_draft = open_prefill

    def open_step(self, rows: int) -> OnnxPass:
        self._steps.append(OnnxPass(self._open.step, self._device, graph=next(_graph_numbers)))
        return self._steps[-1]

    def capture(self, step: GraphPass, after: Callable[[], None]) -> Launch:
        """ONNX Runtime captures a step when it first runs, by itself, and from then on replays it."""
        if self.captured:
            try:
                step.enqueue()
            except EngineError as error:
                log.warning("ONNX Runtime captured no CUDA graph of a step: %s", error)
                self.captured = self.thread_bound = False
                plain = self._open.open_plain_step()
                for opened in self._steps:
                    opened.move_to(plain)
        return DirectLaunch(step.enqueue, after)

    def close(self) -> None:
        self._steps.clear()
        self._sessions = None


class OnnxPass:
    """GraphPass of a session. graph: number of its CUDA graph, if the session captures any"""

    def __init__(self, session: Any, device: str, graph: int = 0) -> None:
        self._device = device
        self._inputs: dict[str, tuple[tuple[int, ...], int]] = {}
        self._outputs: dict[str, tuple[tuple[int, ...], int]] = {}
        self._options = onnxruntime.RunOptions()
        if device != "cpu":
            self._options.add_run_config_entry("disable_synchronize_execution_providers", "1")
        if graph:
            self._options.add_run_config_entry("gpu_graph_id", str(graph))
        self._adopt(session)

    def _adopt(self, session: Any) -> None:
        self._session = session
        self._binding = session.io_binding()
        self._kinds = {put.name: KINDS[put.type] for put in (*session.get_inputs(), *session.get_outputs())}

    def move_to(self, session: Any) -> None:
        """Runs another session of the same graph from now on."""
        self._adopt(session)
        for name, (shape, address) in self._inputs.items():
            self.bind_input(name, shape, address)
        for name, (shape, address) in self._outputs.items():
            self.bind_output(name, shape, address)

    def bind_input(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._inputs[name] = shape, address
        self._binding.bind_input(name, self._device, 0, self._kinds[name], shape, address)

    def bind_output(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._outputs[name] = shape, address
        self._binding.bind_output(name, self._device, 0, self._kinds[name], shape, address)

    def enqueue(self) -> None:
        try:
            self._session.run_with_iobinding(self._binding, self._options)
        except Exception as error:
            kind = MemoryFull if "allocate memory" in str(error) else EngineError
            raise kind(f"ONNX Runtime failed: {error}") from error
