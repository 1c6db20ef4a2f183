"""Tensors of a safetensors file: u64 length, JSON header, then the numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.weights import Array, InvalidWeights, from_bfloat16

LONGEST_HEADER = 100 << 20  # bytes: what the format allows
TYPES: dict[str, np.dtype[Any]] = {
    "F32": np.dtype("<f4"),
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
}


def read_safetensors(path: Path) -> dict[str, Callable[[], Array]]:
    """A reader for each tensor, by its name. raises: InvalidWeights, the readers too"""
    data = np.memmap(path, np.uint8, mode="r") if path.stat().st_size else np.zeros(0, np.uint8)
    length = int.from_bytes(data[:8].tobytes(), "little") if data.size >= 8 else LONGEST_HEADER
    if length > min(data.size - 8, LONGEST_HEADER):
        raise InvalidWeights(f"{path} is not a safetensors file, or is cut short")
    try:
        header = json.loads(data[8 : 8 + length].tobytes())
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
    except (ValueError, RecursionError, AttributeError) as error:
        raise InvalidWeights(f"{path} is not a safetensors file: its header is not JSON, or no table") from error
    body = data[8 + length :]
    return {name: partial(_read, f"{path}: {name}", body, entry) for name, entry in entries.items()}


def _read(what: str, body: NDArray[np.uint8], entry: Mapping[str, Any]) -> Array:
    try:
        start, end = entry["data_offsets"]
        kind, shape = TYPES.get(entry["dtype"]), [int(size) for size in entry["shape"]]
    except (KeyError, TypeError, ValueError) as error:
        raise InvalidWeights(f"{what} is described wrongly: {error}") from error
    if kind is None:
        raise InvalidWeights(f"{what} is of type {entry['dtype']}; accepted: {', '.join(TYPES)}")
    if (
        not 0 <= start <= end <= body.size
        or min(shape, default=0) < 0
        or end - start != math.prod(shape) * kind.itemsize
    ):
        raise InvalidWeights(f"{what} of shape {shape} does not lie in the file")
    array = body[start:end].view(kind).reshape(shape)
    return from_bfloat16(array) if entry["dtype"] == "BF16" else array
