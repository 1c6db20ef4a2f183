"""The few calls of CUDA that an engine needs: one stream, device and pinned memory, events, graphs.

Everything is enqueued on one stream, so it happens in that order; the host waits for events alone.
"""

from __future__ import annotations

import ctypes
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from speech.whisper.engine import DeviceLost, EngineError

ALIGNMENT = 256  # bytes; what TensorRT asks of every address


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """A CUDA call's results, its error raised.

    raises: EngineError if memory is short; DeviceLost for anything else, which CUDA repeats at every later call
    """
    error, *values = function(*arguments)
    if error == cudart.cudaError_t.cudaErrorMemoryAllocation:
        raise EngineError(f"{function.__name__}: the GPU's memory is full")
    if error != cudart.cudaError_t.cudaSuccess:
        raise DeviceLost(f"{function.__name__}: {error.name}")
    return values[0] if len(values) == 1 else tuple(values)


def compute_capability() -> str:
    """Of the first GPU, such as "8.0". Raises EngineError if there is none that this process may use."""
    error, count = cudart.cudaGetDeviceCount()
    if error != cudart.cudaError_t.cudaSuccess or not count:
        raise EngineError(
            f"CUDA finds no GPU ({error.name}): is there one, with a driver for CUDA 13, that this process may see "
            "(docker's --gpus, CUDA_VISIBLE_DEVICES)?"
        )
    kinds = cudart.cudaDeviceAttr
    major = call(cudart.cudaDeviceGetAttribute, kinds.cudaDevAttrComputeCapabilityMajor, 0)
    minor = call(cudart.cudaDeviceGetAttribute, kinds.cudaDevAttrComputeCapabilityMinor, 0)
    return f"{major}.{minor}"


class CudaMemory:
    """Memory of the first GPU that this process may use, and the stream on which all work is enqueued."""

    device = "cuda"

    def __init__(self) -> None:
        self.stream = call(cudart.cudaStreamCreateWithFlags, cudart.cudaStreamNonBlocking)
        self._blocks: list[int] = []
        self._pinned: list[int] = []

    @property
    def free(self) -> int:
        """Bytes."""
        return int(call(cudart.cudaMemGetInfo)[0])

    def allocate(self, size: int) -> int:
        address = int(call(cudart.cudaMalloc, max(size, ALIGNMENT)))
        self._blocks.append(address)
        self.clear(address, size)
        return address

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        """Pinned host memory, which the GPU reads and writes by itself; all zero."""
        address = int(call(cudart.cudaMallocHost, size))
        self._pinned.append(address)
        block: NDArray[np.uint8] = np.ctypeslib.as_array((ctypes.c_uint8 * size).from_address(address))
        block[:] = 0
        return block

    def copy(self, target: int, source: int, size: int) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        call(cudart.cudaMemcpyAsync, target, source, size, kind, self.stream)

    def send(self, target: int, source: NDArray[Any]) -> None:
        """From the host; a pinned array may not change until the copy is done."""
        kind = cudart.cudaMemcpyKind.cudaMemcpyHostToDevice
        call(cudart.cudaMemcpyAsync, target, source.ctypes.data, source.nbytes, kind, self.stream)

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost
        call(cudart.cudaMemcpyAsync, target.ctypes.data, source, target.nbytes, kind, self.stream)

    def clear(self, target: int, size: int) -> None:
        call(cudart.cudaMemsetAsync, target, 0, size, self.stream)

    def wait(self) -> None:
        call(cudart.cudaStreamSynchronize, self.stream)

    def close(self) -> None:
        for address in self._blocks:
            call(cudart.cudaFree, address)
        for address in self._pinned:
            call(cudart.cudaFreeHost, address)
        self._blocks.clear()
        self._pinned.clear()
        call(cudart.cudaStreamDestroy, self.stream)


class CudaEvent:
    """A point of the stream that the host can wait for without burning a core."""

    def __init__(self, memory: CudaMemory) -> None:
        self._stream = memory.stream
        self._event = call(
            cudart.cudaEventCreateWithFlags, cudart.cudaEventDisableTiming | cudart.cudaEventBlockingSync
        )

    def record(self) -> None:
        call(cudart.cudaEventRecord, self._event, self._stream)

    def wait(self) -> None:
        """Returns at once if it was never recorded."""
        call(cudart.cudaEventSynchronize, self._event)

    def close(self) -> None:
        call(cudart.cudaEventDestroy, self._event)


class CudaGraph:
    """Work on the stream that was captured once and is launched again and again, at the price of one call.

    record: enqueues the work; while it is captured nothing of it happens
    """

    def __init__(self, memory: CudaMemory, record: Callable[[], None]) -> None:
        self._stream = memory.stream
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(cudart.cudaStreamBeginCapture, self._stream, mode)
        try:
            record()
        finally:
            graph = call(cudart.cudaStreamEndCapture, self._stream)
        self._graph = call(cudart.cudaGraphInstantiate, graph, 0)
        call(cudart.cudaGraphDestroy, graph)

    def launch(self) -> None:
        call(cudart.cudaGraphLaunch, self._graph, self._stream)

    def close(self) -> None:
        call(cudart.cudaGraphExecDestroy, self._graph)


@dataclass(frozen=True, slots=True)
class BufferField:
    kind: type[np.generic]
    shape: tuple[int, ...]


class TransferBuffer:
    """Named arrays that cross the bus in one copy: at the same offsets of a device buffer and its host buffers."""

    def __init__(self, memory: CudaMemory, fields: Mapping[str, BufferField]) -> None:
        self._memory = memory
        self._fields = dict(fields)
        self._offsets: dict[str, int] = {}
        self.size = 0
        for name, field in self._fields.items():
            self._offsets[name] = self.size
            length = np.dtype(field.kind).itemsize * math.prod(field.shape)
            self.size += -(-length // ALIGNMENT) * ALIGNMENT
        self._address = memory.allocate(self.size)

    def address(self, name: str) -> int:
        return self._address + self._offsets[name]

    def host(self) -> HostBuffer:
        """Another pinned host buffer of the same arrays."""
        raw = self._memory.allocate_pinned(self.size)
        arrays = {name: self._view(raw, name) for name in self._fields}
        return HostBuffer(raw, arrays)

    def send(self, host: HostBuffer) -> None:
        self._memory.send(self._address, host.raw)

    def fetch(self, host: HostBuffer) -> None:
        self._memory.fetch(self._address, host.raw)

    def _view(self, raw: NDArray[np.uint8], name: str) -> NDArray[Any]:
        field, offset = self._fields[name], self._offsets[name]
        length = np.dtype(field.kind).itemsize * math.prod(field.shape)
        return raw[offset : offset + length].view(field.kind).reshape(field.shape)


@dataclass(frozen=True, slots=True)
class HostBuffer:
    raw: NDArray[np.uint8]
    arrays: dict[str, NDArray[Any]]

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self.arrays[name]
