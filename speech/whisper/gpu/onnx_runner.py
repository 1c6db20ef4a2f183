"""The graphs in ONNX Runtime: its CUDA provider where TensorRT is missing, its CPU provider in tests.

Every pass is bound to the slots' own memory: caches are written in place, and only tokens cross the bus.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speech.audio import Samples
from speech.whisper.engine import CompletedStep, EngineError, Step
from speech.whisper.gpu.artifacts import DECODER_GRAPH, ENCODER_GRAPH, PREFILL_ROWS
from speech.whisper.gpu.runner import WINDOW, DecoderBatch, Floats, PrefillOutput, PromptBatch, fill_windows
from speech.whisper.gpu.slot_kv_cache import ELEMENT, SlotKvCache

CUDA = "CUDAExecutionProvider"
CUDA_OPTIONS = {
    "arena_extend_strategy": "kSameAsRequested",  # memory stays what was planned for
    "cudnn_conv_algo_search": "HEURISTIC",  # the exhaustive search would run again for every batch size
    "use_tf32": "0",  # the spectrum and the probabilities are in float32 for a reason
}


@dataclass(frozen=True, slots=True)
class Sessions:
    encoder: Any
    decoder: Any


def load_sessions(folder: Path, provider: str, threads: int = 0) -> Sessions:
    """Both graphs, their weights in the provider's memory.

    threads: of ONNX Runtime on the CPU, 0 for its own choice
    raises: EngineError if the provider is missing or a graph cannot be loaded
    """
    if provider not in onnxruntime.get_available_providers():
        raise EngineError(
            f"this ONNX Runtime has no {provider}: install `onnxruntime-gpu` in place of `onnxruntime` "
            f"(it has {', '.join(onnxruntime.get_available_providers())})"
        )
    return Sessions(*(_session(folder / name, provider, threads) for name in (ENCODER_GRAPH, DECODER_GRAPH)))


def _session(path: Path, provider: str, threads: int) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    own = (provider, CUDA_OPTIONS) if provider == CUDA else provider
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[own])
    except Exception as error:
        raise EngineError(f"{path} cannot be loaded: {error}") from error
    if session.get_providers()[0] != provider:  # it falls back in silence
        raise EngineError(f"ONNX Runtime could not start its {provider}: is there a GPU with a driver and cuDNN?")
    return session


class OnnxRunner:
    """Runner over a store that lies in the sessions' own memory."""

    lookahead = 0
    prefill_batch = PREFILL_ROWS

    def __init__(self, sessions: Sessions, store: SlotKvCache) -> None:
        self.slots = store.slots
        self.encode_batch = store.encode_batch
        self._sessions = sessions
        self._store = store
        told = {output.name: output.shape for output in sessions.decoder.get_outputs()}
        self._languages = int(told["language"][1])  # English-only vocabularies have them too
        self._audio = np.zeros((store.encode_batch, WINDOW), np.float32)
        self._last = np.zeros((store.slots, 1), np.int64)  # the token that each slot's next step is fed with

    def encode(self, slots: Sequence[int], audio: Sequence[Samples]) -> None:
        count = len(slots)
        fill_windows(self._audio[:count], audio)
        binding = self._sessions.encoder.io_binding()
        binding.bind_cpu_input("audio", self._audio[:count])
        for name, address in self._store.encoded.items():
            self._bind_output(binding, name, (count, *self._store.shapes[name]), address)
        self._run(self._sessions.encoder, binding)
        self._store.adopt(slots)
        self._store.memory.wait()

    def prefill(self, prompts: PromptBatch) -> PrefillOutput:
        count = len(prompts.ids)
        nobody = DecoderBatch(
            prompts.position, *(np.zeros(count, kind) for kind in (bool, bool, np.float32, np.float32))
        )
        heard = PrefillOutput(np.zeros((count, self._languages), np.float32), np.zeros(count, np.float32))
        binding = self._bind(prompts.first, prompts.ids, prompts.at, nobody)
        _receive(binding, "language", heard.language)
        _receive(binding, "no_speech", heard.no_speech)
        self._run(self._sessions.decoder, binding)
        self._last[prompts.first : prompts.first + count, 0] = prompts.last
        return heard

    def step(self, rows: DecoderBatch) -> CompletedStep:
        count = len(rows)
        tokens, logprobs = np.zeros((count, 1), np.int64), np.zeros(count, np.float32)
        binding = self._bind(0, self._last[:count], np.zeros(count, np.int64), rows)
        _receive(binding, "token", tokens)
        _receive(binding, "logprob", logprobs)
        self._run(self._sessions.decoder, binding)
        self._last[:count] = tokens
        return CompletedStep(Step(tokens[:, 0].astype(np.int32), logprobs))

    def alignment(self, slot: int, first: int, last: int) -> Floats:
        return self._store.alignment(slot, first, last)

    def close(self) -> None:
        self._store.memory.close()

    def _bind(self, first: int, ids: NDArray[np.int64], at: NDArray[np.int64], rows: DecoderBatch) -> Any:
        """A pass of the decoder over consecutive slots."""
        binding = self._sessions.decoder.io_binding()
        inputs = {"ids": ids, "at": at} | {name: getattr(rows, name) for name in DecoderBatch.__slots__}
        for name, values in inputs.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(values))
        device = self._store.memory.device
        for name, address, written in self._store.addresses(first):
            shape = (len(ids), *self._store.shapes[name])
            binding.bind_input(name, device, 0, ELEMENT, shape, address)
            if written:
                self._bind_output(binding, f"new_{name}", shape, address)
        return binding

    def _bind_output(self, binding: Any, name: str, shape: tuple[int, ...], address: int) -> None:
        binding.bind_output(name, self._store.memory.device, 0, ELEMENT, shape, address)

    @staticmethod
    def _run(session: Any, binding: Any) -> None:
        try:
            session.run_with_iobinding(binding)
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {error}") from error


def _receive(binding: Any, name: str, target: NDArray[Any]) -> None:
    """Has an output written to the host."""
    binding.bind_output(name, "cpu", 0, target.dtype, target.shape, target.ctypes.data)
