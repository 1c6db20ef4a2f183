"""Arrays that cross the bus between the host and a device together."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.whisper.gpu.device_memory import DeviceMemory

ALIGNMENT = 256  # bytes; what TensorRT asks of every address


@dataclass(frozen=True, slots=True)
class BufferField:
    kind: type[np.generic]
    shape: tuple[int, ...]


class TransferBuffer:
    """Named arrays that cross the bus in one copy: at the same offsets of a device buffer and its host buffers."""

    def __init__(self, memory: DeviceMemory, fields: Mapping[str, BufferField]) -> None:
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

    def shape(self, name: str, rows: int) -> tuple[int, ...]:
        """Of an array's first rows."""
        return rows, *self._fields[name].shape[1:]

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
