"""The gRPC client of one Triton: a stream per request, so that cancelling the call cancels the work behind it."""

from __future__ import annotations

import asyncio
import re
import struct
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import numpy as np
from numpy.typing import NDArray
from tritonclient.grpc import service_pb2, service_pb2_grpc

from gateway.log import request_id
from speech.tensors import QUEUE_IS_FULL, Tensor

MAX_MESSAGE = 64 * 1024 * 1024  # bytes

# Errors of a stream are plain text. (Triton's metadata `triton_grpc_error` makes them status codes, but a server that
# is asked for them aborts after some dozens of errors.) Our models prefix theirs with the code; Triton's own are
# recognised by their wording.
_CODED = re.compile(r"(?:\[request id: [^]]*\] )?(INVALID_ARGUMENT|UNAVAILABLE|CANCELLED|INTERNAL): (.*)", re.DOTALL)
_OPTIONS = (
    ("grpc.max_send_message_length", MAX_MESSAGE),
    ("grpc.max_receive_message_length", MAX_MESSAGE),
    ("grpc.max_reconnect_backoff_ms", 1000),
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.use_local_subchannel_pool", 1),  # a new connection does not inherit the backoff of another one
)

RESTRICTED = ("model-repository", "shared-memory", "trace", "logging")
CONTROL_HEADER = "stt-control"

Value = NDArray[Any] | str


@dataclass(frozen=True, slots=True)
class TritonAccess:
    """What a Triton asks of those who call it."""

    control_key: str = ""  # to load and unload models, which is to run code in it; "": it asks for none
    certificate: bytes = b""  # PEM, of the authority behind its own one; empty: it speaks plain text

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        return ((f"triton-grpc-protocol-{CONTROL_HEADER}", self.control_key),) if self.control_key else ()

    def channel(self, url: str) -> Any:
        if not self.certificate:
            return grpc.aio.insecure_channel(url, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(self.certificate)
        return grpc.aio.secure_channel(url, credentials, options=_OPTIONS)


NO_ACCESS_CONTROL = TritonAccess()


def restricted_protocols(key: str) -> str:
    """tritonserver's argument that asks for the key before models, shared memory, traces or logs are touched."""
    return f"--grpc-restricted-protocol={','.join(RESTRICTED)}:{CONTROL_HEADER}={key}"


class TritonFailure(Exception):
    """A call that ended without a response."""

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message

    @property
    def process_died(self) -> bool:
        """The model's process is dead, which Triton itself neither reports nor repairs."""
        return self.code is grpc.StatusCode.INTERNAL and "stub process" in self.message.lower()

    @property
    def absent(self) -> bool:
        """The server answers, and has no such model loaded."""
        signs = ("unknown model", "is not found", "no available versions", "at least one version")
        return not self.process_died and any(sign in self.message.lower() for sign in signs)

    @property
    def rejected(self) -> bool:
        """The request was rejected before any work: sending it elsewhere is safe."""
        signs = ("failed to connect", "unknown model", "not ready", "is stopping", "unavailable", "try again later")
        return self.code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND) and any(
            sign in self.message.lower() for sign in signs
        )

    @property
    def busy(self) -> bool:
        """The model's queue is full: it answers, and will take the request when it has worked on others."""
        return self.code is grpc.StatusCode.UNAVAILABLE and QUEUE_IS_FULL in self.message

    @property
    def unavailable(self) -> bool:
        """The server or the model does not accept requests now; another server may, or this one later."""
        return self.process_died or self.code in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.NOT_FOUND,
            grpc.StatusCode.CANCELLED,  # by the server: the client cancels a call only together with its task
        )


class TritonClient:
    """A connection, its calls in flight, and which models are unavailable on that server."""

    def __init__(self, url: str, access: TritonAccess = NO_ACCESS_CONTROL, *, unavailable: Iterable[str] = ()) -> None:
        self.url = url
        self._access = access
        self.unavailable = set(unavailable)  # models that do not answer, or have not yet
        self.died: set[str] = set()  # models whose process is dead, as a call or a probe told
        self.load_after: dict[str, float] = defaultdict(float)  # monotonic seconds, by model that could not be loaded
        self.unloaded: set[str] = set()  # models that were unloaded and could not be loaded again
        self.absent_since: dict[str, float] = {}  # monotonic seconds, by model that the server does not know
        self.suspected: dict[str, asyncio.Event] = defaultdict(asyncio.Event)  # by model: a call failed, probe it
        self.responses: Counter[str] = Counter()  # successful calls by model
        self._calls: dict[str, set[_Call]] = defaultdict(set)
        self._channel = access.channel(url)
        self._stub = service_pb2_grpc.GRPCInferenceServiceStub(self._channel)

    @property
    def in_flight(self) -> int:
        """Calls that have not ended yet."""
        return sum(len(calls) for calls in self._calls.values())

    async def infer(self, model: str, inputs: Mapping[Tensor, Value], timeout: float) -> dict[str, bytes]:
        """The raw bytes of each output. Cancelling the caller cancels the request in Triton.

        timeout: seconds
        raises: TritonFailure
        """
        request = write_request(model, inputs)
        call = _Call(self._stub.ModelStreamInfer(iter([request]), timeout=timeout))
        self._calls[model].add(call)
        try:
            outputs = await call.outputs()
            self.responses[model] += 1
            return outputs
        finally:
            self._calls[model].discard(call)

    def note(self, model: str, failure: TritonFailure) -> None:
        """Keeps since when the server has answered without knowing the model."""
        if failure.absent:
            self.absent_since.setdefault(model, time.monotonic())
        else:
            self.absent_since.pop(model, None)

    async def is_server_ready(self, timeout: float) -> bool:
        """Whether the server has loaded its models. timeout: seconds"""
        try:
            response = await self._stub.ServerReady(service_pb2.ServerReadyRequest(), timeout=timeout)
        except grpc.aio.AioRpcError:
            return False
        return bool(response.ready)

    def fail_calls(self, model: str) -> None:
        """Ends the calls in flight to a model whose process died: they would never be answered.

        Each raises TritonFailure in its caller, as if the server had become unavailable.
        """
        for call in self._calls[model]:
            call.fail()

    async def reload_model(self, model: str, timeout: float) -> None:
        """Unloads and loads the model: Triton ends what is left of its process and starts a new one.

        timeout: seconds
        raises: TritonFailure, also where Triton was not started with --model-control-mode=explicit
        """
        self.unloaded.add(model)
        try:
            unload = service_pb2.RepositoryModelUnloadRequest(model_name=model)
            await self._stub.RepositoryModelUnload(unload, timeout=timeout, metadata=self._access.metadata)
            load = service_pb2.RepositoryModelLoadRequest(model_name=model)
            await self._stub.RepositoryModelLoad(load, timeout=timeout, metadata=self._access.metadata)
        except grpc.aio.AioRpcError as error:
            raise TritonFailure(error.code(), error.details() or "") from None
        self.unloaded.discard(model)

    async def close(self) -> None:
        await self._channel.close()


class _Call:
    """A stream that carries one request."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._failed = False

    async def outputs(self) -> dict[str, bytes]:
        found: dict[str, bytes] = {}
        failure: TritonFailure | None = None
        try:
            # The stream is read to its end even after an error: Triton leaks a call that is cancelled at the moment of
            # its answer, and can then never unload the model (seen with 2.51).
            async for answer in self._stream:
                if answer.error_message:
                    failure = read_failure(answer.error_message)
                else:
                    found.update(read_response(answer.infer_response))
        except grpc.aio.AioRpcError as error:
            raise failure or TritonFailure(error.code(), error.details() or "") from None
        except asyncio.CancelledError:
            # grpc reports a cancelled call as if this task had been cancelled.
            if self._failed and not _is_cancelled():
                raise TritonFailure(grpc.StatusCode.UNAVAILABLE, "the model's process died") from None
            raise
        finally:
            self._stream.cancel()  # if it has not ended yet
        if failure:
            raise failure
        if not found:
            raise TritonFailure(grpc.StatusCode.INTERNAL, "the stream ended without a result")
        return found

    def fail(self) -> None:
        self._failed = True
        self._stream.cancel()


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _code(message: str) -> grpc.StatusCode:
    """The status code of an error that Triton reports without one: the request never reached the model."""
    signs = ("unknown model", "not ready", "is stopping", "unavailable")
    found = any(sign in message.lower() for sign in signs)
    return grpc.StatusCode.UNAVAILABLE if found else grpc.StatusCode.INTERNAL


def write_request(model: str, inputs: Mapping[Tensor, Value]) -> Any:
    request = service_pb2.ModelInferRequest(model_name=model, id=request_id.get() or "")
    for tensor, value in inputs.items():
        shape = [1] if isinstance(value, str) else list(value.shape)
        request.inputs.add(name=tensor.name, datatype=tensor.datatype, shape=shape)
        request.raw_input_contents.append(_raw(value))
    return request


def read_failure(message: str) -> TritonFailure:
    """Parses the error text of a stream."""
    if coded := _CODED.fullmatch(message):
        return TritonFailure(grpc.StatusCode[coded[1]], coded[2])
    return TritonFailure(_code(message), message)


def read_response(response: Any) -> dict[str, bytes]:
    return {output.name: raw for output, raw in zip(response.outputs, response.raw_output_contents, strict=True)}


def read_element(raw: bytes) -> bytes:
    """The one element of a BYTES tensor of shape (1,). Raises ValueError on anything else."""
    length = struct.unpack_from("<I", raw)[0] if len(raw) >= 4 else -1
    if length != len(raw) - 4:
        raise ValueError("not a BYTES tensor with one element")
    return raw[4:]


def _raw(value: Value) -> bytes:
    if isinstance(value, str):
        encoded = value.encode()
        return struct.pack("<I", len(encoded)) + encoded
    return np.ascontiguousarray(value).tobytes()
