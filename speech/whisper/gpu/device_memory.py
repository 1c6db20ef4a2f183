"""Memory that graphs run in: a GPU's, or in tests and rehearsals the process's own."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import EngineError


class MemoryFull(EngineError):
    """The device has no more memory."""


@dataclass(frozen=True, slots=True)
class MemoryRows:
    """The beginnings of rows that lie behind each other."""

    address: int  # of the first row
    rows: int
    pitch: int  # bytes from a row to the next
    size: int  # bytes of each that are wanted


@dataclass(frozen=True, slots=True)
class MemoryColumn:
    """The same bytes of several blocks that lie behind each other."""

    address: int  # in the first block
    pitch: int  # bytes from a block to the next
    size: int  # bytes of each
    blocks: int


@dataclass(frozen=True, slots=True)
class MemoryBlocks:
    """Blocks of rows."""

    address: int  # of the first row of the first block
    pitch: int  # bytes from a row to the next
    rows: int  # from a block to the next


class MemoryEvent(Protocol):
    """A point in the order of what was enqueued."""

    def record(self) -> None:
        """Here."""

    def reached(self) -> bool:
        """Whether everything before it is done."""

    def wait(self) -> None:
        """Until everything before it is done; returns at once if it was never recorded."""

    def close(self) -> None:
        """Gives it back."""


class DeviceQueue(Protocol):
    """Work on a device's memory, in the order in which it is enqueued."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Within the memory; may return before it is done."""

    def copy_blocks(self, target: MemoryBlocks, source: MemoryBlocks, extent: tuple[int, int, int]) -> None:
        """Within the memory; may return before it is done. extent: bytes of a row, rows of a block, blocks"""

    def clear(self, target: int, size: int) -> None:
        """All zero; may return before it is done."""

    def clear_column(self, target: MemoryColumn) -> None:
        """Likewise."""

    def send(self, target: int, source: NDArray[Any]) -> None:
        """From the host; a pinned array may not change until that is done."""

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        """To the host, into a contiguous array; `wait` before it is read."""

    def event(self) -> MemoryEvent:
        """A new one, never recorded."""

    def wait_for(self, event: MemoryEvent) -> None:
        """Has what is enqueued later wait for it, and nobody else."""


class DeviceMemory(DeviceQueue, Protocol):
    """Bytes by address. Its own queue is the decoder's."""

    device: str  # as ONNX Runtime calls it

    @property
    def encoding(self) -> DeviceQueue:
        """The encoder's queue, whose work goes on beside, and gives way."""

    def allocate(self, size: int) -> int:
        """Address of `size` bytes, all zero, aligned to 256 on a GPU. Raises MemoryFull."""

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        """Memory of the host, all zero, which the device reads and writes by itself."""

    def beside_event(self) -> MemoryEvent:
        """A new one for `fetch_beside`."""

    def fetch_beside(self, places: Sequence[MemoryRows], target: NDArray[np.uint8], done: MemoryEvent) -> None:
        """To the host, one behind the other, without waiting for what is enqueued; what is enqueued later waits.

        done: is recorded behind it
        """

    def wait(self) -> None:
        """Until everything enqueued is done, on all queues."""

    def release(self) -> None:
        """Frees everything that was allocated."""

    def close(self) -> None:
        """Frees everything, and is of no more use."""


class HostMemory:
    """The memory of the process itself, where everything is done at once."""

    device = "cpu"

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []

    def allocate(self, size: int) -> int:
        return int(self.allocate_pinned(size).ctypes.data)

    def allocate_pinned(self, size: int) -> NDArray[np.uint8]:
        self._blocks.append(np.zeros(size, np.uint8))
        return self._blocks[-1]

    def copy(self, target: int, source: int, size: int) -> None:
        ctypes.memmove(target, source, size)

    def copy_blocks(self, target: MemoryBlocks, source: MemoryBlocks, extent: tuple[int, int, int]) -> None:
        size, rows, blocks = extent
        for block in range(blocks):
            for row in range(rows):
                to, origin = (each.address + (block * each.rows + row) * each.pitch for each in (target, source))
                self.copy(to, origin, size)

    def clear(self, target: int, size: int) -> None:
        ctypes.memset(target, 0, size)

    def clear_column(self, target: MemoryColumn) -> None:
        for block in range(target.blocks):
            self.clear(target.address + block * target.pitch, target.size)

    def send(self, target: int, source: NDArray[Any]) -> None:
        ctypes.memmove(target, source.ctypes.data, source.nbytes)

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        ctypes.memmove(target.ctypes.data, source, target.nbytes)

    def event(self) -> MemoryEvent:
        return _PastEvent()

    beside_event = event

    @property
    def encoding(self) -> HostMemory:
        return self

    def wait_for(self, event: MemoryEvent) -> None:
        pass  # it is past

    def fetch_beside(self, places: Sequence[MemoryRows], target: NDArray[np.uint8], done: MemoryEvent) -> None:
        end = target.ctypes.data
        for rows in places:
            for row in range(rows.rows):
                ctypes.memmove(end, rows.address + row * rows.pitch, rows.size)
                end += rows.size

    def wait(self) -> None:
        pass  # nothing is ever in flight

    def release(self) -> None:
        self._blocks.clear()

    close = release


class _PastEvent:
    def record(self) -> None:
        pass

    def reached(self) -> bool:
        return True

    def wait(self) -> None:
        pass

    def close(self) -> None:
        pass
