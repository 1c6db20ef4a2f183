"""Reads the tensors of a CTranslate2 model file, with numpy alone."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Tensor = NDArray[np.generic]
DTYPES = (np.float32, np.int8, np.int16, np.int32, np.float16)  # by the file's type number
VERSION = 6


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Every tensor of a model.bin by its CTranslate2 name, aliases included.

    raises: ValueError for another version or a file cut short
    source: the serialisation of OpenNMT/CTranslate2, model.bin version 6
    """
    reader = _Reader(path.read_bytes())
    try:
        if (version := reader.number("I")) != VERSION:
            raise ValueError(f"{path}: model.bin of version {version}; version {VERSION} is read")
        reader.text()  # specification
        reader.number("I")  # its revision
        tensors = dict(reader.tensor() for _ in range(reader.number("I")))
        aliases = [(reader.text(), reader.text()) for _ in range(reader.number("I"))]
    except (struct.error, IndexError) as error:
        raise ValueError(f"{path} is cut short") from error
    return tensors | {alias: tensors[name] for alias, name in aliases}


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def number(self, kind: str) -> int:
        (value,) = struct.unpack_from(f"<{kind}", self.data, self.at)
        self.at += struct.calcsize(kind)
        return int(value)

    def text(self) -> str:
        length = self.number("H")  # with the terminating NUL
        self.at += length
        return self.data[self.at - length : self.at - 1].decode()

    def tensor(self) -> tuple[str, Tensor]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        dtype = np.dtype(DTYPES[self.number("B")])
        size = self.number("I")
        values = np.frombuffer(self.data, dtype, size // dtype.itemsize, self.at)
        self.at += size
        return name, values.reshape(shape)
