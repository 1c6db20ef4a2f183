"""Liveness of a model: a real request to it, since Triton reports READY though its process is dead.

`python -m gateway.triton.probe HOST:PORT MODEL…` is the readiness check of a Triton in a container; where that one
speaks TLS, STT_TRITON_CERTIFICATE names the file of the authority behind its certificate.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from gateway.triton.client import NO_ACCESS_CONTROL, TritonAccess, TritonClient, TritonFailure, Value
from speech.audio import SAMPLE_RATE
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, Priority, Tensor

_TIMEOUT = 60.0  # seconds


class ModelDied(Exception):
    """The model's process is gone or hangs."""


def probe_inputs(model: str, seconds: float = 0.0) -> dict[Tensor, Value]:
    """Inputs that any Whisper or the diarizer answers: silence; with 0 seconds the request costs next to nothing."""
    silence = np.zeros(int(seconds * SAMPLE_RATE), dtype=np.int16)
    if model.startswith("whisper-"):
        return {AUDIO: silence, LANGUAGE: "en", PRIORITY: Priority.LIVE.value, CALLER: "probe"}
    return {AUDIO: silence[np.newaxis]}


async def check_model(
    url: str, model: str, seconds: float = 0.0, timeout: float = _TIMEOUT, access: TritonAccess = NO_ACCESS_CONTROL
) -> None:
    """Sends the model some seconds of silence and waits for its answer, for at most `timeout` seconds.

    raises: ModelDied; TritonFailure if the server itself is unavailable
    """
    client = TritonClient(url, access)
    try:
        await client.infer(model, probe_inputs(model, seconds), timeout)
    except TritonFailure as failure:
        if failure.process_died or not failure.unavailable:
            raise ModelDied(str(failure)) from failure
        raise
    finally:
        await client.close()


async def check_all(
    url: str, models: Sequence[str], timeout: float = _TIMEOUT, access: TritonAccess = NO_ACCESS_CONTROL
) -> None:
    """Raises as `check_model` if one of them does not answer."""
    checks = (check_model(url, model, timeout=timeout, access=access) for model in models)
    # None is cancelled when another fails: a call that is cancelled at its answer would stay in Triton.
    for problem in await asyncio.gather(*checks, return_exceptions=True):
        if isinstance(problem, BaseException):
            raise problem


def main(arguments: Sequence[str]) -> int:
    url, *models = arguments
    certificate = os.environ.get("STT_TRITON_CERTIFICATE")
    try:
        access = TritonAccess(certificate=Path(certificate).read_bytes()) if certificate else NO_ACCESS_CONTROL
        asyncio.run(check_all(url, models, access=access))
    except (ModelDied, TritonFailure, OSError) as problem:
        print(problem, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
