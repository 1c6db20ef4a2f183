"""What alignment weights are made of, on its way from a slot to the thread that makes words of them.

A step keeps what its token asks (queries of the alignment heads), not what it found. The keys that it asked are those
of the window, so both are fetched once where a text ends, and their product is made by the thread that wants it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import HEAD_SIZE, CompletedAlignment, PendingAlignment
from speech.whisper.gpu.device_memory import DeviceMemory, MemoryEvent, MemoryRows

BUFFERS = 32  # windows whose words are waited for at once
ELEMENT = np.dtype(np.float16)


def attention_weights(queries: NDArray[np.float16], keys: NDArray[np.float16]) -> NDArray[np.float32]:
    """Softmax over a window's frames. queries: (heads, tokens, 64); keys: (heads, frames, 64), scaled already"""
    scores: NDArray[np.float32] = queries.astype(np.float32) @ keys.astype(np.float32).transpose(0, 2, 1)
    scores -= scores.max(axis=2, keepdims=True)
    np.exp(scores, out=scores)
    scores /= scores.sum(axis=2, keepdims=True)
    return scores


@dataclass(frozen=True, slots=True)
class AlignmentParts:
    """Where a text's queries and its window's keys lie, one head's behind the other's."""

    places: Sequence[MemoryRows]
    heads: int
    tokens: int
    context: int  # frames that were encoded
    frames: int  # that are asked for

    @property
    def size(self) -> int:
        """Bytes."""
        return self.heads * (self.tokens + self.context) * HEAD_SIZE * ELEMENT.itemsize

    def weights(self, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        """raw: the bytes of all places. Returns (heads, tokens, frames)."""
        numbers = raw[: self.size].view(np.float16)
        asked = self.heads * self.tokens * HEAD_SIZE
        queries = numbers[:asked].reshape(self.heads, self.tokens, HEAD_SIZE)
        return attention_weights(queries, numbers[asked:].reshape(self.heads, -1, HEAD_SIZE))[:, :, : self.frames]


@dataclass(frozen=True, slots=True)
class AlignmentBuffer:
    """Pinned memory of one window, and when what it is for is there."""

    raw: NDArray[np.uint8]
    done: MemoryEvent


class FetchedAlignment:
    """Weights in flight, of a buffer that is given back once they were read, or are of no interest."""

    def __init__(self, pool: SimpleQueue[AlignmentBuffer], buffer: AlignmentBuffer, parts: AlignmentParts) -> None:
        self._pool = pool
        self._buffer: AlignmentBuffer | None = buffer
        self._parts = parts

    def result(self) -> NDArray[np.float32]:
        buffer, self._buffer = self._buffer, None
        assert buffer is not None, "weights are read once"
        try:
            buffer.done.wait()
            return self._parts.weights(buffer.raw)
        finally:
            self._pool.put(buffer)

    def __del__(self) -> None:
        if self._buffer is not None:  # of an attempt that was not believed
            self._pool.put(self._buffer)


class AlignmentFetcher:
    """Fetches beside what the engine does, without waiting for it; the engine's next pass waits for the copy."""

    def __init__(self, memory: DeviceMemory, most: int) -> None:
        """most: bytes of the longest text"""
        self._memory = memory
        self._pool: SimpleQueue[AlignmentBuffer] = SimpleQueue()
        buffers = [AlignmentBuffer(memory.allocate_pinned(most), memory.beside_event()) for _ in range(BUFFERS)]
        self._events = [each.done for each in buffers]
        for buffer in buffers:
            self._pool.put(buffer)

    def fetch(self, parts: AlignmentParts) -> PendingAlignment:
        try:
            buffer = self._pool.get_nowait()
        except Empty:  # words lag behind: the engine waits for this one
            return self._fetch_now(parts)
        self._memory.fetch_beside(parts.places, buffer.raw[: parts.size], buffer.done)
        return FetchedAlignment(self._pool, buffer, parts)

    def _fetch_now(self, parts: AlignmentParts) -> CompletedAlignment:
        raw, event = np.empty(parts.size, np.uint8), self._memory.beside_event()
        self._memory.fetch_beside(parts.places, raw, event)
        event.wait()
        event.close()
        return CompletedAlignment(parts.weights(raw))

    def close(self) -> None:
        for event in self._events:
            event.close()
