"""Does a model's process answer? Triton says READY of dead ones, so it is asked something."""

from __future__ import annotations

import numpy as np

from gateway.inference.triton import TritonFailure, TritonServer
from gateway.inference.triton import Value as TensorValue
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, Priority, Tensor

_TIMEOUT = 60.0  # seconds
_FIRST_TIMEOUT = 240.0  # of a real inference: the first one on a machine compiles


class ModelDied(Exception):
    """The model's process is gone or hangs."""


async def ask(url: str, model: str, seconds: float) -> None:
    """A real inference of some seconds of silence; with 0 seconds a question that costs next to nothing.

    raises: ModelDied; TritonFailure where the server itself is away
    """
    server = TritonServer(url)
    timeout = _FIRST_TIMEOUT if seconds else _TIMEOUT
    try:
        if model.startswith("whisper-"):
            await server.infer(model, _silence(seconds), timeout)
        else:
            await server.infer(model, {AUDIO: _samples(seconds)[np.newaxis]}, timeout)
    except TritonFailure as failure:
        if failure.process_died or not failure.away:
            raise ModelDied(str(failure)) from failure
        raise
    finally:
        await server.close()


def _silence(seconds: float) -> dict[Tensor, TensorValue]:
    return {AUDIO: _samples(seconds), LANGUAGE: "en", PRIORITY: Priority.LIVE.value, CALLER: "probe"}


def _samples(seconds: float) -> Pcm:
    return np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)
