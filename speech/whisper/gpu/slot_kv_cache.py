"""The KV cache of all slots in one memory: cross- and self-attention, and the alignment weights."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import HEAD_SIZE, Dimensions

ELEMENT = np.dtype(np.float16)
ALIGNMENT = "alignment"
CROSS = "cross_"  # prefix of the tensors that the encoder writes


class DeviceMemory(Protocol):
    """Bytes by address. Copies happen in the order in which they are enqueued."""

    device: str  # as ONNX Runtime calls it

    def allocate(self, size: int) -> int:
        """Address of `size` bytes, all zero, aligned to 256 on a GPU. Raises EngineError if memory is short."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Within the memory; may return before it is done."""

    def clear(self, target: int, size: int) -> None:
        """All zero; may return before it is done."""

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        """To the host, into a contiguous array; `wait` before it is read."""

    def wait(self) -> None:
        """Until everything enqueued is done."""

    def close(self) -> None:
        """Frees everything."""


class HostMemory:
    """The memory of the process itself."""

    device = "cpu"

    def __init__(self) -> None:
        self._blocks: list[NDArray[np.uint8]] = []

    def allocate(self, size: int) -> int:
        self._blocks.append(np.zeros(size, np.uint8))
        return int(self._blocks[-1].ctypes.data)

    def copy(self, target: int, source: int, size: int) -> None:
        ctypes.memmove(target, source, size)

    def clear(self, target: int, size: int) -> None:
        ctypes.memset(target, 0, size)

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        ctypes.memmove(target.ctypes.data, source, target.nbytes)

    def wait(self) -> None:
        pass  # nothing is ever in flight

    def close(self) -> None:
        self._blocks.clear()


def slot_shapes(dimensions: Dimensions, alignment_heads: int) -> dict[str, tuple[int, int, int]]:
    """Shape of each of a slot's tensors, float16, by the name that the graphs give it."""
    heads, text, audio = dimensions.n_text_head, dimensions.n_text_ctx, dimensions.n_audio_ctx
    shapes: dict[str, tuple[int, int, int]] = {}
    for layer in range(dimensions.n_text_layer):
        for part in ("key", "value"):
            shapes[f"self_{part}_{layer}"] = (heads, text, HEAD_SIZE)
            shapes[f"{CROSS}{part}_{layer}"] = (heads, audio, HEAD_SIZE)
    shapes[ALIGNMENT] = (alignment_heads, text, audio)
    return shapes


def tensor_bytes(shape: Sequence[int]) -> int:
    return math.prod(shape) * ELEMENT.itemsize


class SlotKvCache:
    """Slots 0 to slots - 1 of every tensor lie behind each other, so that consecutive slots are one batch.

    The encoder writes beside them, into a batch of its own, so that any free slots are encoded together.
    """

    def __init__(
        self, shapes: dict[str, tuple[int, int, int]], slots: int, encode_batch: int, memory: DeviceMemory
    ) -> None:
        self.shapes = shapes
        self.slots = slots
        self.encode_batch = encode_batch
        self.memory = memory
        sizes = {name: tensor_bytes(shape) for name, shape in shapes.items()}
        self._sizes = sizes
        self._addresses = {name: memory.allocate(slots * size) for name, size in sizes.items()}
        self._encoded = {
            name: memory.allocate(encode_batch * size) for name, size in sizes.items() if name.startswith(CROSS)
        }
        memory.wait()  # the graphs may run on another stream

    @property
    def encoded(self) -> dict[str, int]:
        """Address of the encoder's outputs, by name."""
        return self._encoded

    def addresses(self, first: int) -> Iterator[tuple[str, int, bool]]:
        """Name and address of each tensor from slot `first` on, and whether the decoder writes it."""
        for name, address in self._addresses.items():
            yield name, address + first * self._sizes[name], not name.startswith(CROSS)

    def store_encoded(self, slots: Sequence[int]) -> None:
        """Copies the encoder's rows into their slots, and clears the slots' self-attention and alignment weights.

        A window that overflows float16 leaves NaN behind, which would pass the mask into the next window:
        zero times NaN is NaN.
        """
        for slot in slots:
            for name, address, written in self.addresses(slot):
                if written:
                    self.memory.clear(address, self._sizes[name])
        for name, source in self._encoded.items():
            size = self._sizes[name]
            for row, slot in enumerate(slots):
                self.memory.copy(self._addresses[name] + slot * size, source + row * size, size)

    def alignment(self, slot: int, first: int, last: int) -> NDArray[np.float32]:
        """Alignment weights of a slot's tokens first to last - 1: (heads, tokens, audio context)."""
        heads, text, frames = self.shapes[ALIGNMENT]
        weights = np.empty((heads, last - first, frames), ELEMENT)
        for head in range(heads):
            row = (slot * heads + head) * text + first
            self.memory.fetch(self._addresses[ALIGNMENT] + row * frames * ELEMENT.itemsize, weights[head])
        self.memory.wait()
        return weights.astype(np.float32)
