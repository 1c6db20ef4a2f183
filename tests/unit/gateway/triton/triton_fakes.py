"""A real gRPC server that speaks Triton's protocol; its model is written in the test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
from tritonclient.grpc import service_pb2, service_pb2_grpc

from speech.audio import Pcm
from speech.tensors import write_result
from speech.transcript import WindowResult, Word

HEARD = WindowResult((Word("Hello.", 0.1, 0.5, 0.9),), "Hello.", "en", 1.0, -0.1, 0.01)
DEAD = (grpc.StatusCode.INTERNAL, "Stub process 'whisper-base_0' is not healthy.")
AWAY = (grpc.StatusCode.UNAVAILABLE, "Server is stopping")

Behaviour = Callable[["Triton", Any], Awaitable[None]]


@dataclass
class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    behaviour: Behaviour | None = None
    requests: list[Any] = field(default_factory=list)  # with speech in them
    lives: bool = True  # probes are answered, whatever happens to windows
    cancelled: int = 0
    calls: list[str] = field(default_factory=list)  # to load and unload its model
    result: Callable[[Pcm], WindowResult] = lambda pcm: HEARD

    async def ModelStreamInfer(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            is_probe = not request.raw_input_contents[0]
            if not is_probe:
                self.requests.append(request)
            try:
                if self.behaviour is not None and not (is_probe and self.lives):
                    await self.behaviour(self, context)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            yield answer(self.result(np.frombuffer(request.raw_input_contents[0], np.int16)))

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:
        self.calls.append(f"unload {request.model_name}")
        return service_pb2.RepositoryModelUnloadResponse()

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:
        self.calls.append(f"load {request.model_name}")
        return service_pb2.RepositoryModelLoadResponse()


def answer(result: WindowResult) -> Any:
    payload = write_result(result)
    response = service_pb2.ModelStreamInferResponse()
    response.infer_response.outputs.add(name="RESULT", datatype="BYTES", shape=[1])
    response.infer_response.raw_output_contents.append(len(payload).to_bytes(4, "little") + payload)
    return response


def fails(code: grpc.StatusCode, message: str, times: int) -> Behaviour:
    async def fail(triton: Triton, context: Any) -> None:
        if len(triton.requests) <= times:
            await context.abort(code, message)

    return fail


def dies(once: Behaviour | None = None) -> Behaviour:
    """The process dies at the first window, which may still do something, and is back when the model was loaded."""
    dead = False

    async def die(triton: Triton, context: Any) -> None:
        nonlocal dead
        if not dead and triton.requests:
            dead = True
            if once is not None:
                await once(triton, context)
        if dead and not triton.calls:
            await context.abort(*DEAD)

    return die


def unknown() -> Behaviour:
    """Nobody loaded the model: each request, a probe too, is answered so until somebody does."""

    async def answer_so(triton: Triton, context: Any) -> None:
        if not triton.calls:
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Request for unknown model: 'whisper-base' is not found")

    return answer_so


async def refuses(triton: Triton, context: Any) -> None:
    await context.abort(*AWAY)


async def waits(triton: Triton, context: Any) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def listening(*tritons: Triton, credentials: Any = None) -> AsyncIterator[list[str]]:
    """Their addresses, host:port. credentials: of the server, for TLS"""
    servers, urls = [grpc.aio.server() for _ in tritons], []
    for server, triton in zip(servers, tritons, strict=True):
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
        anywhere = "127.0.0.1:0"
        port = server.add_secure_port(anywhere, credentials) if credentials else server.add_insecure_port(anywhere)
        urls.append(f"127.0.0.1:{port}")
        await server.start()
    try:
        yield urls
    finally:
        for server in servers:
            await server.stop(0)
