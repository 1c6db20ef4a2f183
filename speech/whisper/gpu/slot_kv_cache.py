"""The tensors of all slots in one memory: what every slot heard, said and looked at."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import Dimensions

ELEMENT = np.dtype(np.float16)
HEAD_SIZE = 64  # of every Whisper
ALIGNMENT = "alignment"
CROSS = "cross_"  # how the names of what the encoder writes begin


class DeviceMemory(Protocol):
    """Bytes by address. Copies happen in the order in which they are asked for."""

    device: str  # as ONNX Runtime calls it

    def allocate(self, size: int) -> int:
        """Address of so many bytes, all zero, aligned to 256 on a GPU. Raises EngineError if there are not so many."""

    def copy(self, target: int, source: int, size: int) -> None:
        """Within the memory; may return before it is done."""

    def clear(self, target: int, size: int) -> None:
        """All zero; may return before it is done."""

    def fetch(self, source: int, target: NDArray[Any]) -> None:
        """To the host, into a contiguous array; `wait` before it is read."""

    def wait(self) -> None:
        """Until everything asked for is done."""

    def close(self) -> None:
        """Gives everything back."""


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
        pass  # nothing is ever on its way

    def close(self) -> None:
        self._blocks.clear()


def slot_shapes(dimensions: Dimensions, alignment_heads: int) -> dict[str, tuple[int, int, int]]:
    """Shape of each of a slot's tensors, float16, by the name that the graphs give it."""
    heads, text, heard = dimensions.n_text_head, dimensions.n_text_ctx, dimensions.n_audio_ctx
    shapes: dict[str, tuple[int, int, int]] = {}
    for layer in range(dimensions.n_text_layer):
        for part in ("key", "value"):
            shapes[f"self_{part}_{layer}"] = (heads, text, HEAD_SIZE)
            shapes[f"{CROSS}{part}_{layer}"] = (heads, heard, HEAD_SIZE)
    shapes[ALIGNMENT] = (alignment_heads, text, heard)
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
        self._kept = {name: memory.allocate(slots * size) for name, size in sizes.items()}
        self._encoded = {
            name: memory.allocate(encode_batch * size) for name, size in sizes.items() if name.startswith(CROSS)
        }
        memory.wait()  # whoever runs the graphs may do so on a stream of its own

    @property
    def encoded(self) -> dict[str, int]:
        """Address of the encoder's outputs, by name."""
        return self._encoded

    def addresses(self, first: int) -> Iterator[tuple[str, int, bool]]:
        """Name and address of each tensor from slot `first` on, and whether the decoder writes it."""
        for name, address in self._kept.items():
            yield name, address + first * self._sizes[name], not name.startswith(CROSS)

    def adopt(self, slots: Sequence[int]) -> None:
        """Copies the encoder's rows into their slots, and empties the slots of what was said before.

        A window that drives float16 over its end leaves numbers that are none, and those would shine through the
        mask into the next window: nothing times such a number is such a number again.
        """
        for slot in slots:
            for name, address, written in self.addresses(slot):
                if written:
                    self.memory.clear(address, self._sizes[name])
        for name, source in self._encoded.items():
            size = self._sizes[name]
            for row, slot in enumerate(slots):
                self.memory.copy(self._kept[name] + slot * size, source + row * size, size)

    def alignment(self, slot: int, first: int, last: int) -> NDArray[np.float32]:
        """Alignment heads' weights of a slot's tokens first to last - 1: (heads, tokens, audio context)."""
        heads, text, heard = self.shapes[ALIGNMENT]
        found = np.empty((heads, last - first, heard), ELEMENT)
        for head in range(heads):
            row = (slot * heads + head) * text + first
            self.memory.fetch(self._kept[ALIGNMENT] + row * heard * ELEMENT.itemsize, found[head])
        self.memory.wait()
        return found.astype(np.float32)
