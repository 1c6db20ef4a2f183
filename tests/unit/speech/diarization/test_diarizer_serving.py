from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from speech.audio import Samples
from speech.diarization.networks import no_speech
from speech.diarization.serving import DiarizerAdapter
from speech.diarization.windows import FRAMES, LocalSpeech


class Networks:
    """Fail on every call with a chunk of a length that they do not bear."""

    def __init__(self, unbearable: set[int]) -> None:
        self.unbearable = unbearable

    def run(self, chunks: Sequence[Samples]) -> list[LocalSpeech]:
        if any(len(chunk) in self.unbearable for chunk in chunks):
            raise RuntimeError("CUDA error 700")
        return [no_speech(np.zeros((1, FRAMES), np.uint8)) for _ in chunks]


class Failure(str):
    INTERNAL = CANCELLED = INVALID_ARG = 0

    def __new__(cls, message: str, code: int) -> Failure:
        return super().__new__(cls, message)


def ask(networks: Networks, *lengths: int) -> tuple[list[bool], list[str]]:
    """Which requests got an answer, and what happened to the process."""
    losses: list[str] = []
    backend = SimpleNamespace(
        Tensor=lambda name, array: array,
        TritonError=Failure,
        InferenceResponse=lambda output_tensors=None, error=None: error,
        get_input_tensor_by_name=lambda request, name: request.tensor,
    )
    adapter = DiarizerAdapter(backend, networks, on_device_lost=lambda: losses.append("ended"))  # type: ignore[arg-type]
    return [error is None for error in adapter.answer([request(length) for length in lengths])], losses


def request(length: int) -> Any:
    tensor = SimpleNamespace(as_numpy=lambda: np.zeros((1, length), np.int16))
    return SimpleNamespace(is_cancelled=lambda: False, tensor=tensor)


def test_a_chunk_on_which_the_networks_fail_fails_alone() -> None:
    assert ask(Networks({700}), 500, 700, 0, 900) == ([True, False, True, True], [])
    assert ask(Networks({700}), 700) == ([False], [])


def test_networks_that_fail_on_everything_end_the_process() -> None:
    assert ask(Networks({500, 16_000}), 500) == ([False], ["ended"])
