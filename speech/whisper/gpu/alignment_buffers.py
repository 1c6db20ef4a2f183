"""Alignment weights on their way from a slot to the thread that makes words of them."""

from __future__ import annotations

from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import CompletedAlignment, PendingAlignment
from speech.whisper.gpu.device_memory import DeviceMemory, MemoryEvent, MemoryRows

TOKENS = 128  # of a text whose weights fit into a pinned buffer; a longer one waits for pageable memory
BUFFERS = 32  # windows whose words are waited for at once


class AlignmentBuffer:
    """Pinned memory of one window's weights, and when they are there."""

    def __init__(self, memory: DeviceMemory, size: int) -> None:
        self.raw = memory.allocate_pinned(size)
        self.done = memory.beside_event()

    def view(self, shape: tuple[int, ...]) -> NDArray[np.float16]:
        count = int(np.prod(shape)) * np.dtype(np.float16).itemsize
        return self.raw[:count].view(np.float16).reshape(shape)


class FetchedAlignment:
    """Weights in flight, of a buffer that is given back once they were read, or are of no interest."""

    def __init__(self, pool: SimpleQueue[AlignmentBuffer], buffer: AlignmentBuffer, shape: tuple[int, ...]) -> None:
        self._pool = pool
        self._buffer: AlignmentBuffer | None = buffer
        self._weights = buffer.view(shape)

    def result(self) -> NDArray[np.float32]:
        buffer, self._buffer = self._buffer, None
        assert buffer is not None, "weights are read once"
        try:
            buffer.done.wait()
            return self._weights.astype(np.float32)
        finally:
            self._pool.put(buffer)

    def __del__(self) -> None:
        if self._buffer is not None:  # of an attempt that was not believed
            self._pool.put(self._buffer)


class AlignmentFetcher:
    """Fetches beside what the engine does, without waiting for it; the engine's next pass waits for the copy."""

    def __init__(self, memory: DeviceMemory, heads: int, frames: int) -> None:
        self._memory = memory
        self._pool: SimpleQueue[AlignmentBuffer] = SimpleQueue()
        self._events: list[MemoryEvent] = []
        for _ in range(BUFFERS):
            buffer = AlignmentBuffer(memory, heads * TOKENS * frames * np.dtype(np.float16).itemsize)
            self._events.append(buffer.done)
            self._pool.put(buffer)

    def fetch(self, rows: MemoryRows, shape: tuple[int, int, int]) -> PendingAlignment:
        """shape: (heads, tokens, frames) of the weights that `rows` says where to find"""
        buffer: AlignmentBuffer | None = None
        if shape[1] <= TOKENS:
            try:
                buffer = self._pool.get_nowait()
            except Empty:  # words lag behind: the engine waits for this one
                buffer = None
        if buffer is None:
            weights = np.empty(shape, np.float16)
            event = self._memory.beside_event()
            self._memory.fetch_beside(rows, weights, event)
            event.wait()
            event.close()
            return CompletedAlignment(weights.astype(np.float32))
        self._memory.fetch_beside(rows, buffer.view(shape), buffer.done)
        return FetchedAlignment(self._pool, buffer, shape)

    def close(self) -> None:
        for event in self._events:
            event.close()
