"""The gateway's client of the Whisper models: a window of speech → Triton → a WindowResult."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import replace

import grpc
import numpy as np

from gateway.errors import BadRequest, InternalError, ServiceError, Unavailable
from gateway.recognition.request import RecognitionRequest
from gateway.settings import StreamSettings, TritonSettings
from gateway.triton.client import TritonFailure, Value, read_element
from gateway.triton.fleet import Fleet
from gateway.triton.retry import RetryPolicy, infer
from speech.audio import Pcm
from speech.tensors import (
    AUDIO,
    CALLER,
    DRAFT,
    KEYTERMS,
    LANGUAGE,
    PRIORITY,
    PROMPT,
    REGIONS,
    RESULT,
    TASK,
    Priority,
    Task,
    Tensor,
    read_result,
)
from speech.transcript import WindowResult

LIVE_FAILURES = 10  # of one window, before its session is given up: some are other windows' fault

_log = logging.getLogger(__name__)


class TritonWhisper:
    """Sends windows to the fleet's Tritons; windows of files and of live sessions have a retry policy each."""

    def __init__(self, fleet: Fleet, policies: Mapping[Priority, RetryPolicy]) -> None:
        self._fleet = fleet
        self._policies = policies

    def is_ready(self, model: str) -> bool:
        """Whether some Triton accepts windows for this model now."""
        return self._fleet.serves(triton_name(model))

    async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        """Cancelling this cancels the work in Triton.

        pcm: int16 (n,), 16 kHz mono, n ≤ 480_000
        raises: BadRequest if the model rejects the window, Unavailable if the retry policy is exhausted
        """
        inputs, policy = write_window(pcm, request), self._policies[request.priority]
        try:
            outputs = await infer(self._fleet, triton_name(request.model), inputs, policy)
        except TritonFailure as failure:
            if request.regions and REGIONS.name in failure.message:  # a Triton of the version before
                return await self.recognize(pcm, replace(request, regions=()))
            if request.draft and DRAFT.name in failure.message:
                return await self.recognize(pcm, replace(request, draft=""))
            if request.keyterms and KEYTERMS.name in failure.message:
                prompt = " ".join(filter(None, [", ".join(request.keyterms), request.prompt]))
                return await self.recognize(pcm, replace(request, keyterms=(), prompt=prompt))
            raise _service_error(failure) from failure
        try:
            return read_result(read_element(outputs[RESULT.name]))
        except (KeyError, ValueError, TypeError) as problem:
            _log.exception("a result cannot be read", extra={"model": request.model})
            raise InternalError from problem


def retry_policies(triton: TritonSettings, stream: StreamSettings) -> dict[Priority, RetryPolicy]:
    """A live session cannot be sent again by its client, so its windows are retried for longer."""
    timeout = triton.timeout_seconds
    return {
        Priority.FILE: RetryPolicy(unavailable=triton.patience_seconds, timeout=timeout),
        Priority.LIVE: RetryPolicy(unavailable=stream.patience_seconds, timeout=timeout, failures=LIVE_FAILURES),
    }


def triton_name(model: str) -> str:
    return f"whisper-{model}"


def write_window(pcm: Pcm, request: RecognitionRequest) -> dict[Tensor, Value]:
    # Only where it is asked for: a Triton of the version before does not know the tensor.
    asked: dict[Tensor, Value] = {} if request.task is Task.TRANSCRIBE else {TASK: request.task.value}
    if request.keyterms:
        asked[KEYTERMS] = "\n".join(request.keyterms)
    if request.draft:
        asked[DRAFT] = request.draft
    inputs: dict[Tensor, Value] = {
        AUDIO: pcm,
        LANGUAGE: request.language or ",".join(request.languages),
        PROMPT: request.prompt,
        PRIORITY: request.priority.value,
        CALLER: request.caller,
        **asked,
    }
    if request.regions:
        inputs[REGIONS] = np.array(request.regions, dtype=np.int32).reshape(-1)
    return inputs


def _service_error(failure: TritonFailure) -> ServiceError:
    """What the caller is told."""
    match failure.code:
        case grpc.StatusCode.INVALID_ARGUMENT:
            return BadRequest(failure.message)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return Unavailable("The speech engine is too busy to answer in time; try again later.", retry_after=30)
        case grpc.StatusCode.UNAVAILABLE | grpc.StatusCode.NOT_FOUND:
            return Unavailable("The speech engine is away for now; try again soon.", retry_after=10)
        case _:
            return Unavailable("The speech engine failed on this recording again and again; try it later.")
