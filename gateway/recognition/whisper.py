"""The gateway's client of the Whisper models: a window of speech → Triton → a WindowResult."""

from __future__ import annotations

import logging
import math
import time

import grpc

from gateway.errors import BadRequest, InternalError, Unavailable
from gateway.recognition.request import RecognitionRequest
from gateway.settings import TritonSettings
from gateway.triton.client import TritonClient, TritonFailure, Value, read_element
from gateway.triton.fleet import Fleet
from speech.audio import Pcm
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, PROMPT, RESULT, Tensor, read_result
from speech.transcript import WindowResult

MAX_FAILURES = 2  # of one window, before it is given up

_log = logging.getLogger(__name__)


class TritonWhisper:
    """Sends windows to the fleet's Tritons, excludes those that fail, retries a window elsewhere or later.

    Recognition is idempotent, so a window may be retried.
    """

    def __init__(self, fleet: Fleet, settings: TritonSettings) -> None:
        self._fleet = fleet
        self._settings = settings

    def is_ready(self, model: str) -> bool:
        """Whether some Triton accepts windows for this model now."""
        return self._fleet.serves(triton_name(model))

    async def recognize(self, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        """Cancelling this cancels the work in Triton.

        pcm: int16 (n,), 16 kHz mono, n ≤ 480_000
        raises: BadRequest if the model rejects the window, Unavailable if no Triton answers in time
        """
        model = triton_name(request.model)
        attempts = Attempts(self._settings.patience_seconds)
        while attempts.left:
            client = await self._client_for(model)
            try:
                return await self._infer(client, pcm, request)
            except TritonFailure as failure:
                _log.warning("a window failed: %s", failure, extra={"triton": client.url, "model": model})
                self._judge(client, model, failure)
                attempts.count(failure)
        raise Unavailable("The speech engine failed on this recording again and again; try it later.")

    async def _client_for(self, model: str) -> TritonClient:
        try:
            return await self._fleet.client_for(model, self._settings.patience_seconds)
        except TimeoutError:
            raise Unavailable("The speech engine is away for now; try again soon.", retry_after=10) from None

    async def _infer(self, client: TritonClient, pcm: Pcm, request: RecognitionRequest) -> WindowResult:
        inputs = write_window(pcm, request)
        outputs = await client.infer(triton_name(request.model), inputs, self._settings.timeout_seconds)
        try:
            return read_result(read_element(outputs[RESULT.name]))
        except (KeyError, ValueError, TypeError) as problem:
            _log.exception("a result cannot be read", extra={"triton": client.url})
            raise InternalError from problem

    def _judge(self, client: TritonClient, model: str, failure: TritonFailure) -> None:
        """Returns if the window should be retried; raises what the caller is told if not."""
        if failure.code is grpc.StatusCode.INVALID_ARGUMENT:
            raise BadRequest(failure.message)
        if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = "The speech engine is too busy to answer in time; try again later."
            raise Unavailable(message, retry_after=30)
        if failure.unavailable:
            self._fleet.exclude(client, model, failure)


class Attempts:
    """How often one window is tried. Tritons that reject it cost time alone, failures are counted."""

    def __init__(self, patience: float) -> None:
        self._patience = patience  # seconds of rejections
        self._failures = 0
        self._refused_since = math.inf

    @property
    def left(self) -> bool:
        return self._failures <= MAX_FAILURES and time.monotonic() - self._refused_since <= self._patience

    def count(self, failure: TritonFailure) -> None:
        if failure.refused:
            self._refused_since = min(self._refused_since, time.monotonic())
        else:
            self._failures += 1
            self._refused_since = math.inf


def triton_name(model: str) -> str:
    return f"whisper-{model}"


def write_window(pcm: Pcm, request: RecognitionRequest) -> dict[Tensor, Value]:
    return {
        AUDIO: pcm,
        LANGUAGE: request.language or "",
        PROMPT: request.prompt,
        PRIORITY: request.priority.value,
        CALLER: request.caller,
    }
