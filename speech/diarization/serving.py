"""The diarizer behind Triton's Python backend: chunks of several requests share the networks' batches.

The backend's module is passed in (`backend`, triton_python_backend_utils): it exists only inside Triton.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, InvalidAudio, Samples, to_samples
from speech.diarization.networks import Execution, Networks, no_speech
from speech.diarization.windows import CHUNK, FRAMES, LocalSpeech
from speech.parent_watchdog import end_process, exit_with_parent
from speech.tensors import ACTIVITY, AUDIO, PIECES, VOICES

log = logging.getLogger(__name__)


def read_execution(parameters: Mapping[str, Mapping[str, str]], environment: Mapping[str, str]) -> Execution:
    """From config.pbtxt's parameters; DIARIZER_<NAME> in the environment overrides them. raises: ValueError"""

    def setting(name: str, default: str) -> str:
        given = parameters.get(name, {}).get("string_value", "")
        return environment.get(f"DIARIZER_{name.upper()}") or given or default

    return Execution(setting("execution", "auto"), int(setting("threads", "2")))


def read_chunk(tensor: NDArray[np.int16]) -> Samples:
    """AUDIO of one request → samples; none at all is a liveness probe. raises: InvalidAudio"""
    if tensor.dtype != np.int16 or tensor.ndim != 2 or tensor.shape[0] != 1:
        raise InvalidAudio(f"AUDIO is int16 of shape (1, n), not {tensor.dtype} of shape {tensor.shape}")
    if tensor.shape[1] > CHUNK:
        raise InvalidAudio(f"AUDIO holds at most {CHUNK} samples, not {tensor.shape[1]}")
    return to_samples(tensor[0])


class DiarizerAdapter:
    """One loaded Triton model."""

    def __init__(self, backend: Any, networks: Networks, on_device_lost: Callable[[], None] = end_process) -> None:
        """on_device_lost: called when the networks fail on silence too, as when a GPU is lost"""
        self._backend = backend
        self._networks = networks
        self._on_device_lost = on_device_lost

    @classmethod
    def open(cls, backend: Any, args: Mapping[str, str]) -> DiarizerAdapter:
        exit_with_parent()
        config = json.loads(args["model_config"])
        execution = read_execution(config.get("parameters", {}), os.environ)
        folder = Path(args["model_repository"]) / args["model_version"]
        return cls(backend, Networks(folder, execution))

    def answer(self, requests: Sequence[Any]) -> list[Any]:
        """One response per request; a bad or cancelled one fails alone."""
        chunks: list[Samples | Any] = []
        for request in requests:
            try:
                if request.is_cancelled():
                    chunks.append(self._failure("cancelled", self._backend.TritonError.CANCELLED))
                    continue
                tensor = self._backend.get_input_tensor_by_name(request, AUDIO.name).as_numpy()
                chunks.append(read_chunk(tensor))
            except InvalidAudio as problem:
                chunks.append(self._failure(str(problem), self._backend.TritonError.INVALID_ARG))
        spoken = [chunk for chunk in chunks if isinstance(chunk, np.ndarray) and len(chunk)]
        outputs = iter(self._run(spoken))
        return [self._answer_one(chunk, outputs) for chunk in chunks]

    def _run(self, chunks: Sequence[Samples]) -> Sequence[LocalSpeech | None]:
        """None for a chunk on which the networks fail; the others of the batch are run again, each alone."""
        try:
            return self._networks.run(chunks)
        except Exception:
            log.exception("the networks failed on %d chunks", len(chunks))
        outputs = [self._run_one(chunk) for chunk in chunks]
        if all(each is None for each in outputs) and self._run_one(np.zeros(SAMPLE_RATE, np.float32)) is None:
            self._on_device_lost()
        return outputs

    def _run_one(self, chunk: Samples) -> LocalSpeech | None:
        try:
            return self._networks.run([chunk])[0]
        except Exception:
            log.exception("the networks failed on a chunk of %d samples", len(chunk))
            return None

    def _answer_one(self, chunk: Samples | Any, outputs: Iterator[LocalSpeech | None]) -> Any:
        if not isinstance(chunk, np.ndarray):
            return chunk  # the failure that it already is
        if not len(chunk):
            return self._response(no_speech(np.zeros((0, FRAMES), np.uint8)))
        output = next(outputs)
        if output is None:
            return self._failure("the diarizer failed on this chunk", self._backend.TritonError.INTERNAL)
        return self._response(output)

    def _response(self, speech: LocalSpeech) -> Any:
        tensor = self._backend.Tensor
        tensors = [
            tensor(ACTIVITY.name, speech.activity[np.newaxis]),
            tensor(PIECES.name, speech.pieces[np.newaxis]),
            tensor(VOICES.name, speech.vectors[np.newaxis].astype(np.float16)),
        ]
        return self._backend.InferenceResponse(output_tensors=tensors)

    def _failure(self, message: str, code: Any) -> Any:
        return self._backend.InferenceResponse(error=self._backend.TritonError(message, code))
