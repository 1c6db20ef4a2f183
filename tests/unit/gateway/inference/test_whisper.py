"""TritonWhisper against a real gRPC server whose model is written here."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np
import pytest
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.errors import BadRequest, Unavailable
from gateway.inference.triton import TritonServer, read_element
from gateway.inference.whisper import TritonWhisper, WindowRequest
from gateway.settings import TritonSettings
from speech.tensors import WHISPER_INPUTS, write_result
from speech.transcript import WindowResult, Word

WINDOW = np.arange(160, dtype=np.int16)
HEARD = WindowResult((Word("Hello.", 0.1, 0.5, 0.9),), "Hello.", "en", 1.0, -0.1, 0.01)
DEAD = (grpc.StatusCode.INTERNAL, "Stub process 'whisper-base_0' is not healthy.")
AWAY = (grpc.StatusCode.UNAVAILABLE, "Server is stopping")

Behaviour = Callable[["Triton", Any], Awaitable[None]]


@dataclass
class Triton(service_pb2_grpc.GRPCInferenceServiceServicer):  # type: ignore[misc]
    behaviour: Behaviour | None = None
    requests: list[Any] = field(default_factory=list)
    cancelled: int = 0

    async def ModelStreamInfer(self, requests: Any, context: Any) -> AsyncIterator[Any]:
        async for request in requests:
            self.requests.append(request)
            try:
                if self.behaviour is not None:
                    await self.behaviour(self, context)
            except asyncio.CancelledError:
                self.cancelled += 1
                raise
            yield answer(HEARD)

    async def ModelReady(self, request: Any, context: Any) -> Any:
        return service_pb2.ModelReadyResponse(ready=request.name == "whisper-base")


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


async def waits(triton: Triton, context: Any) -> None:
    await asyncio.Event().wait()


@asynccontextmanager
async def whisper(*tritons: Triton, watched: bool = False, patience: float = 5) -> AsyncIterator[TritonWhisper]:
    listening = [grpc.aio.server() for _ in tritons]
    clients = []
    for server, triton in zip(listening, tritons, strict=True):
        service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
        clients.append(TritonServer(f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"))
        await server.start()
    settings = TritonSettings(patience_seconds=patience, probe_seconds=0.05, timeout_seconds=5)
    asked = TritonWhisper(clients, settings)
    watching = asyncio.create_task(asked.watch(["base"])) if watched else None
    try:
        yield asked
    finally:
        if watching:
            watching.cancel()
        for each in (*(client.close() for client in clients), *(server.stop(0) for server in listening)):
            await each


async def test_a_window_travels_as_the_wire_contract_says() -> None:
    triton = Triton()
    async with whisper(triton) as asked:
        heard = await asked.recognize(WINDOW, WindowRequest("base", "de", prompt="Vorher", caller="me"))

    assert heard == HEARD
    (sent,) = triton.requests
    assert sent.model_name == "whisper-base"
    assert [(each.name, each.datatype) for each in sent.inputs] == [
        (tensor.name, tensor.datatype) for tensor in WHISPER_INPUTS
    ]
    assert sent.raw_input_contents[0] == WINDOW.tobytes()
    assert [read_element(raw) for raw in sent.raw_input_contents[1:]] == [b"de", b"Vorher", b"file", b"me"]


async def test_windows_go_to_the_tritons_in_turn() -> None:
    tritons = Triton(), Triton()
    async with whisper(*tritons) as asked:
        for _ in range(4):
            await asked.recognize(WINDOW, WindowRequest("base"))

    assert [len(triton.requests) for triton in tritons] == [2, 2]


async def test_a_triton_that_is_away_is_left_out_and_its_window_goes_elsewhere() -> None:
    tritons = Triton(fails(*AWAY, times=99)), Triton()
    async with whisper(*tritons) as asked:
        for _ in range(4):
            assert await asked.recognize(WINDOW, WindowRequest("base")) == HEARD

    assert len(tritons[0].requests) <= 1


async def test_a_window_waits_for_a_dead_model_to_come_back() -> None:
    triton = Triton(fails(*DEAD, times=2))
    async with whisper(triton, watched=True) as asked:
        assert await asked.recognize(WINDOW, WindowRequest("base")) == HEARD


async def test_windows_that_a_dead_process_held_are_asked_again() -> None:
    async def first_hangs(triton: Triton, context: Any) -> None:
        if len(triton.requests) == 1:
            await waits(triton, context)
        await fails(*DEAD, times=2)(triton, context)  # the probe finds the process dead

    triton = Triton(first_hangs)
    async with whisper(triton, watched=True) as asked:
        assert await asked.recognize(WINDOW, WindowRequest("base")) == HEARD


async def test_when_no_triton_comes_back_in_time_the_client_is_told_when_to_try() -> None:
    async with whisper(Triton(fails(*AWAY, times=99)), patience=0.05) as asked:
        with pytest.raises(Unavailable) as refused:
            await asked.recognize(WINDOW, WindowRequest("base"))

    assert refused.value.retry_after >= 1


async def test_a_window_that_fails_everywhere_is_given_up() -> None:
    triton = Triton(fails(grpc.StatusCode.INTERNAL, "the engine failed", times=99))
    async with whisper(triton) as asked:
        with pytest.raises(Unavailable):
            await asked.recognize(WINDOW, WindowRequest("base"))

    assert 1 < len(triton.requests) < 5


async def test_a_refused_window_is_the_callers_fault_and_not_tried_again() -> None:
    triton = Triton(fails(grpc.StatusCode.INVALID_ARGUMENT, "yue is not spoken here", times=99))
    async with whisper(triton) as asked:
        with pytest.raises(BadRequest, match="yue"):
            await asked.recognize(WINDOW, WindowRequest("base", "yue"))

    assert len(triton.requests) == 1


async def test_cancelling_a_window_cancels_the_call() -> None:
    triton = Triton(waits)
    async with whisper(triton) as asked:
        recognizing = asyncio.create_task(asked.recognize(WINDOW, WindowRequest("base")))
        while not triton.requests:
            await asyncio.sleep(0.01)
        recognizing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await recognizing
        while not triton.cancelled:
            await asyncio.sleep(0.01)

    assert triton.cancelled == 1


async def test_readiness_is_what_triton_says_of_the_model() -> None:
    async with whisper(Triton()) as asked:
        assert await asked.is_ready("base")
        assert not await asked.is_ready("small")
