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
    "arena_extend_strategy": "kSameAsRequested",  # memory stays within the plan
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
    """Runner over a KV cache that lies in the sessions' own memory."""

    lookahead = 0
    prefill_batch = PREFILL_ROWS

    def __init__(self, sessions: Sessions, kv_cache: SlotKvCache) -> None:
        self.slots = kv_cache.slots
        self.encode_batch = kv_cache.encode_batch
        self._sessions = sessions
        self._kv_cache = kv_cache
        shapes = {output.name: output.shape for output in sessions.decoder.get_outputs()}
        self._languages = int(shapes["language"][1])  # English-only vocabularies have them too
        self._audio = np.zeros((kv_cache.encode_batch, WINDOW), np.float32)
        self._last = np.zeros((kv_cache.slots, 1), np.int64)  # the token that each slot's next step is fed with

    def encode(self, slots: Sequence[int], audio: Sequence[Samples]) -> None:
        count = len(slots)
        fill_windows(self._audio[:count], audio)
        binding = self._sessions.encoder.io_binding()
        binding.bind_cpu_input("audio", self._audio[:count])
        for name, address in self._kv_cache.encoded.items():
            self._bind_output(binding, name, (count, *self._kv_cache.shapes[name]), address)
        self._run(self._sessions.encoder, binding)
        self._kv_cache.store_encoded(slots)
        self._kv_cache.memory.wait()

    def prefill(self, prompts: PromptBatch) -> PrefillOutput:
        count = len(prompts.ids)
        inactive = DecoderBatch(
            prompts.position, *(np.zeros(count, kind) for kind in (bool, bool, np.float32, np.float32))
        )
        output = PrefillOutput(np.zeros((count, self._languages), np.float32), np.zeros(count, np.float32))
        binding = self._bind(prompts.first, prompts.ids, prompts.at, inactive)
        _bind_to_host(binding, "language", output.language)
        _bind_to_host(binding, "no_speech", output.no_speech)
        self._run(self._sessions.decoder, binding)
        self._last[prompts.first : prompts.first + count, 0] = prompts.last
        return output

    def step(self, rows: DecoderBatch) -> CompletedStep:
        count = len(rows)
        tokens, logprobs = np.zeros((count, 1), np.int64), np.zeros(count, np.float32)
        binding = self._bind(0, self._last[:count], np.zeros(count, np.int64), rows)
        _bind_to_host(binding, "token", tokens)
        _bind_to_host(binding, "logprob", logprobs)
        self._run(self._sessions.decoder, binding)
        self._last[:count] = tokens
        return CompletedStep(Step(tokens[:, 0].astype(np.int32), logprobs))

    def alignment(self, slot: int, first: int, last: int) -> Floats:
        return self._kv_cache.alignment(slot, first, last)

    def close(self) -> None:
        self._kv_cache.memory.close()

    def _bind(self, first: int, ids: NDArray[np.int64], at: NDArray[np.int64], rows: DecoderBatch) -> Any:
        """A pass of the decoder over consecutive slots."""
        binding = self._sessions.decoder.io_binding()
        inputs = {"ids": ids, "at": at} | {name: getattr(rows, name) for name in DecoderBatch.__slots__}
        for name, values in inputs.items():
            binding.bind_cpu_input(name, np.ascontiguousarray(values))
        device = self._kv_cache.memory.device
        for name, address, written in self._kv_cache.addresses(first):
            shape = (len(ids), *self._kv_cache.shapes[name])
            binding.bind_input(name, device, 0, ELEMENT, shape, address)
            if written:
                self._bind_output(binding, f"new_{name}", shape, address)
        return binding

    def _bind_output(self, binding: Any, name: str, shape: tuple[int, ...], address: int) -> None:
        binding.bind_output(name, self._kv_cache.memory.device, 0, ELEMENT, shape, address)

    @staticmethod
    def _run(session: Any, binding: Any) -> None:
        try:
            session.run_with_iobinding(binding)
        except Exception as error:
            raise EngineError(f"ONNX Runtime failed: {error}") from error


def _bind_to_host(binding: Any, name: str, target: NDArray[Any]) -> None:
    """Has an output written to the host."""
    binding.bind_output(name, "cpu", 0, target.dtype, target.shape, target.ctypes.data)
