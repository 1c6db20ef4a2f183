"""Whisper as the gateway sees it: a window of speech goes to a Triton, a WindowResult comes back."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass

import grpc
import numpy as np

from gateway.errors import BadRequest, InternalError, Unavailable
from gateway.inference.triton import TritonFailure, TritonServer, Value, read_element
from gateway.settings import TritonSettings
from speech.audio import Pcm
from speech.tensors import AUDIO, CALLER, LANGUAGE, PRIORITY, PROMPT, RESULT, Priority, Tensor, read_result
from speech.transcript import WindowResult

MAX_FAILURES = 2  # of one window, each on a healthy server, before it is given up
PROBE_TIMEOUT = 30.0  # seconds
NOTHING = np.zeros(0, dtype=np.int16)  # a window that asks only whether the model works
RECOVERY_SECONDS = 0.5  # between two probes of a model that is away

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class WindowRequest:
    model: str  # a Whisper id, such as "base"
    language: str | None = None  # ISO 639-1; None: detect
    prompt: str = ""  # text said before
    priority: Priority = Priority.FILE
    caller: str = ""  # with whom the machine is shared fairly


class TritonWhisper:
    """Spreads windows over Tritons, leaves out those that fail, tries a window again elsewhere or later.

    A window may be tried again safely: recognizing changes nothing.
    """

    def __init__(self, servers: Sequence[TritonServer], settings: TritonSettings) -> None:
        self.servers = tuple(servers)
        self._settings = settings
        self._turn = 0

    async def recognize(self, pcm: Pcm, request: WindowRequest) -> WindowResult:
        """Cancelling this cancels the work in Triton.

        pcm: int16 (n,), 16 kHz mono, n ≤ 480_000
        raises: BadRequest if the model refuses the window, Unavailable if no Triton answers in time
        """
        model = triton_name(request.model)
        for _ in range(MAX_FAILURES + 1):
            server = await self._server_for(model)
            try:
                return await self._ask(server, pcm, request)
            except TritonFailure as failure:
                _log.warning("a window failed: %s", failure, extra={"triton": server.url, "model": model})
                self._judge(server, model, failure)
        raise Unavailable("The speech engine failed on this recording again and again; try it later.")

    async def is_ready(self, model: str) -> bool:
        """Some Triton takes windows for this Whisper now."""
        name = triton_name(model)
        answers = await asyncio.gather(*(server.is_ready(name) for server in self.servers))
        return any(ready and name not in server.failing for server, ready in zip(self.servers, answers, strict=True))

    async def watch(self, models: Sequence[str]) -> None:
        """Looks after every server until cancelled: finds models that died and models that came back."""
        names = [triton_name(model) for model in models]
        async with asyncio.TaskGroup() as group:
            for server in self.servers:
                group.create_task(self._watch_server(server, names))

    def model_died(self, name: str) -> None:
        """For whoever notices the death of a model's process first: its windows are asked again."""
        for server in self.servers:
            server.failing.add(name)
            server.abandon(name)

    async def _watch_server(self, server: TritonServer, models: Sequence[str]) -> None:
        while True:
            await asyncio.sleep(RECOVERY_SECONDS if server.failing else self._settings.probe_seconds)
            for model in models:
                if model not in server.failing and not server.waits_for(model):
                    continue
                try:
                    await self._probe(server, model)
                except Exception:  # the watch must outlive whatever a probe meets
                    _log.exception("a probe could not be made", extra={"triton": server.url, "model": model})

    async def _probe(self, server: TritonServer, model: str) -> None:
        """Asks the model itself: Triton calls a model READY whose process is dead."""
        silence = WindowRequest(model, language="en", priority=Priority.LIVE, caller="probe")
        try:
            await server.infer(model, write_window(NOTHING, silence), PROBE_TIMEOUT)
        except TritonFailure as failure:
            if model not in server.failing:
                _log.warning("a probe failed: %s", failure, extra={"triton": server.url, "model": model})
            self._exclude(server, model, failure)
        else:
            if model in server.failing:
                _log.info("a model is back", extra={"triton": server.url, "model": model})
            server.failing.discard(model)

    async def _server_for(self, model: str) -> TritonServer:
        """The least loaded server where the model works, in turn; waits for one to come back."""
        try:
            async with asyncio.timeout(self._settings.patience_seconds):
                while not (working := [each for each in self.servers if model not in each.failing]):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise Unavailable("The speech engine is away for now; try again soon.", retry_after=10) from None
        self._turn += 1
        first = self._turn % len(working)
        return min(working[first:] + working[:first], key=TritonServer.load)

    async def _ask(self, server: TritonServer, pcm: Pcm, request: WindowRequest) -> WindowResult:
        inputs = write_window(pcm, request)
        outputs = await server.infer(triton_name(request.model), inputs, self._settings.timeout_seconds)
        try:
            return read_result(read_element(outputs[RESULT.name]))
        except (KeyError, ValueError, TypeError) as problem:
            _log.exception("a result cannot be read", extra={"triton": server.url})
            raise InternalError from problem

    def _judge(self, server: TritonServer, model: str, failure: TritonFailure) -> None:
        """Returns if the window should be tried again; raises what the client is told if not."""
        if failure.code is grpc.StatusCode.INVALID_ARGUMENT:
            raise BadRequest(failure.message)
        if failure.code is grpc.StatusCode.DEADLINE_EXCEEDED:
            message = "The speech engine is too busy to answer in time; try again later."
            raise Unavailable(message, retry_after=30)
        if failure.away:
            self._exclude(server, model, failure)

    def _exclude(self, server: TritonServer, model: str, failure: TritonFailure) -> None:
        server.failing.add(model)
        if failure.process_died:
            server.abandon(model)


def triton_name(model: str) -> str:
    return f"whisper-{model}"


def write_window(pcm: Pcm, request: WindowRequest) -> dict[Tensor, Value]:
    return {
        AUDIO: pcm,
        LANGUAGE: request.language or "",
        PROMPT: request.prompt,
        PRIORITY: request.priority.value,
        CALLER: request.caller,
    }
