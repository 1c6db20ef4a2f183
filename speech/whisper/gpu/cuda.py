"""The few calls of CUDA that an engine needs: streams, device and pinned memory, events, graphs.

What is enqueued on a stream happens in that order; streams wait for events of each other, and so does the host.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from cuda.bindings import runtime as cudart
from numpy.typing import NDArray

from speech.whisper.engine import DeviceLost, EngineError
from speech.whisper.gpu.device_memory import MemoryBlocks, MemoryColumn, MemoryEvent, MemoryFull, MemoryRows
from speech.whisper.gpu.transfer_buffer import ALIGNMENT

# What says that a call was wrong or came too early, and leaves the device as it is.
HARMLESS = ("cudaErrorInvalidValue", "cudaErrorNotSupported", "cudaErrorStreamCapture")  # beginnings of names


def call(function: Callable[..., Any], *arguments: Any) -> Any:
    """A CUDA call's results, its error raised.

    raises: MemoryFull; EngineError for a call that was refused, a capture that failed among them; DeviceLost for
    anything else, which CUDA repeats at every later call
    """
    error, *values = function(*arguments)
    check(function, error)
    return values[0] if len(values) == 1 else tuple(values)


def check(function: Callable[..., Any], error: Any) -> bool:
    """True, or what `call` raises."""
    if error == cudart.cudaError_t.cudaErrorMemoryAllocation:
        raise MemoryFull(f"{function.__name__}: the GPU's memory is full")
    if error != cudart.cudaError_t.cudaSuccess:
        kind = EngineError if error.name.startswith(HARMLESS) else DeviceLost
        raise kind(f"{function.__name__}: {error.name}")
    return True


@dataclass(frozen=True, slots=True)
class CudaCard:
    name: str  # of a part of one, with what part it is (MIG 1g.10gb)
    compute_capability: str  # such as "8.0"
    multiprocessors: int


def find_card() -> CudaCard:
    """The first GPU that this process may use. Raises EngineError if there is none."""
    error, count = cudart.cudaGetDeviceCount()
    if error != cudart.cudaError_t.cudaSuccess or not count:
        raise EngineError(
            f"CUDA finds no GPU ({error.name}): is there one, with a driver for CUDA 13, that this process may see "
            "(docker's --gpus, CUDA_VISIBLE_DEVICES)?"
        )
    kinds = cudart.cudaDeviceAttr
    major, minor, multiprocessors = (
        int(call(cudart.cudaDeviceGetAttribute, kind, 0))
        for kind in (
            kinds.cudaDevAttrComputeCapabilityMajor,
            kinds.cudaDevAttrComputeCapabilityMinor,
            kinds.cudaDevAttrMultiProcessorCount,
        )
    )
    name = call(cudart.cudaGetDeviceProperties, 0).name
    return CudaCard(name.decode() if isinstance(name, bytes) else name, f"{major}.{minor}", multiprocessors)


class CudaQueue:
    """A stream: what is enqueued on it happens in that order."""

    def __init__(self, priority: int) -> None:
        self.stream = call(cudart.cudaStreamCreateWithPriority, cudart.cudaStreamNonBlocking, priority)

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

    def copy_blocks(self, target: MemoryBlocks, source: MemoryBlocks, extent: tuple[int, int, int]) -> None:
        copied = cudart.cudaMemcpy3DParms()
        copied.srcPtr, copied.dstPtr = (
            cudart.make_cudaPitchedPtr(each.address, each.pitch, each.pitch, each.rows) for each in (source, target)
        )
        copied.extent = cudart.make_cudaExtent(*extent)
        copied.kind = cudart.cudaMemcpyKind.cudaMemcpyDeviceToDevice
        call(cudart.cudaMemcpy3DAsync, copied, self.stream)

    def clear_column(self, target: MemoryColumn) -> None:
        call(cudart.cudaMemset2DAsync, target.address, target.pitch, 0, target.size, target.blocks, self.stream)

    def event(self) -> CudaEvent:
        return CudaEvent(self.stream)

    def wait_for(self, event: MemoryEvent) -> None:
        assert isinstance(event, CudaEvent)
        event.hold(self.stream)

    def wait(self) -> None:
        call(cudart.cudaStreamSynchronize, self.stream)


class CudaMemory(CudaQueue):
    """Memory of the first GPU that this process may use, and the streams on which work is enqueued.

    Its own is the decoder's; the encoder's has a lower priority, so that steps slip in between its kernels.
    """

    device = "cuda"

    def __init__(self) -> None:
        least, greatest = call(cudart.cudaDeviceGetStreamPriorityRange)
        super().__init__(greatest)
        self.encoding = CudaQueue(least)
        self._beside = CudaQueue(greatest)
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

    def beside_event(self) -> CudaEvent:
        return self._beside.event()

    def fetch_beside(self, places: Sequence[MemoryRows], target: NDArray[np.uint8], done: MemoryEvent) -> None:
        kind, end = cudart.cudaMemcpyKind.cudaMemcpyDeviceToHost, target.ctypes.data
        for rows in places:
            copied = (end, rows.size, rows.address, rows.pitch, rows.size, rows.rows, kind, self._beside.stream)
            call(cudart.cudaMemcpy2DAsync, *copied)
            end += rows.rows * rows.size
        done.record()
        self.wait_for(done)

    def wait(self) -> None:
        self.encoding.wait()
        super().wait()

    def release(self) -> None:
        for address in self._blocks:
            call(cudart.cudaFree, address)
        for address in self._pinned:
            call(cudart.cudaFreeHost, address)
        self._blocks.clear()
        self._pinned.clear()

    def close(self) -> None:
        self.release()
        for queue in (self, self.encoding, self._beside):
            call(cudart.cudaStreamDestroy, queue.stream)


class CudaEvent:
    """A point of the stream that the host can wait for without burning a core."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._event = call(
            cudart.cudaEventCreateWithFlags, cudart.cudaEventDisableTiming | cudart.cudaEventBlockingSync
        )

    def record(self) -> None:
        call(cudart.cudaEventRecord, self._event, self._stream)

    def hold(self, stream: Any) -> None:
        """Has another stream wait for it, and nobody else."""
        call(cudart.cudaStreamWaitEvent, stream, self._event, 0)

    def reached(self) -> bool:
        """Whether everything before it is done."""
        (error, *_), not_ready = cudart.cudaEventQuery(self._event), cudart.cudaError_t.cudaErrorNotReady
        return error != not_ready and check(cudart.cudaEventQuery, error)

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
        """raises: EngineError if it cannot be captured; nothing is left of it then"""
        self._stream = memory.stream
        mode = cudart.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        call(cudart.cudaStreamBeginCapture, self._stream, mode)
        try:
            record()
        except BaseException:
            self._give_up()
            raise
        graph = call(cudart.cudaStreamEndCapture, self._stream)
        try:
            self._graph = call(cudart.cudaGraphInstantiate, graph, 0)
        finally:
            call(cudart.cudaGraphDestroy, graph)

    def _give_up(self) -> None:
        """Ends a capture that failed, whose own error says nothing that the first one did not."""
        error, graph = cudart.cudaStreamEndCapture(self._stream)
        if error == cudart.cudaError_t.cudaSuccess:
            call(cudart.cudaGraphDestroy, graph)
        cudart.cudaGetLastError()  # forgets it

    def launch(self) -> None:
        call(cudart.cudaGraphLaunch, self._graph, self._stream)

    def close(self) -> None:
        call(cudart.cudaGraphExecDestroy, self._graph)
