"""A Whisper in CTranslate2's format."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from export.weights import Array, InvalidWeights, LazyTensors, Weights, alignment_or_default, measure

CT2_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}


def read_ctranslate2(folder: Path) -> Weights:
    """model.bin and config.json of a CTranslate2 Whisper, in float16 or float32.

    raises: InvalidWeights
    """
    raw = _ctranslate2_tensors(folder / "model.bin")
    tensors = LazyTensors(_ctranslate2_readers(raw))
    dimensions = measure(tensors)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Weights(dimensions, tensors, alignment_or_default(config.get("alignment_heads"), dimensions))


def _ctranslate2_tensors(path: Path) -> dict[str, Array]:
    data = np.memmap(path, np.uint8, mode="r")
    cursor = _Cursor(data)
    try:
        version, spec, _ = cursor.number("I"), cursor.text(), cursor.number("I")
        if version != 6 or spec != "WhisperSpec":
            raise InvalidWeights(f"{path} is {spec} of version {version}; a WhisperSpec of version 6 is accepted")
        tensors = dict(cursor.tensor() for _ in range(cursor.number("I")))
    except (struct.error, UnicodeDecodeError, KeyError, ValueError) as error:
        raise InvalidWeights(f"{path} is not a CTranslate2 model: {error}") from error
    if any(array.dtype == np.int8 and array.ndim == 2 for array in tensors.values()):
        raise InvalidWeights(f"{path} is already quantised; a float16 or float32 model is accepted")
    return tensors


class _Cursor:
    def __init__(self, data: NDArray[np.uint8]) -> None:
        self._data, self._at = data, 0

    def number(self, code: str) -> int:
        size = struct.calcsize(f"<{code}")
        (value,) = struct.unpack(f"<{code}", self._take(size).tobytes())
        return int(value)

    def text(self) -> str:
        return self._take(self.number("H")).tobytes()[:-1].decode()  # its length counts the final NUL

    def tensor(self) -> tuple[str, Array]:
        name = self.text()
        shape = [self.number("I") for _ in range(self.number("B"))]
        kind = CT2_TYPES[self.number("B")]
        return name, self._take(self.number("I")).view(kind).reshape(shape)

    def _take(self, size: int) -> NDArray[np.uint8]:
        part = self._data[self._at : self._at + size]
        self._at += size
        return part


def _ctranslate2_readers(raw: Mapping[str, Array]) -> dict[str, Callable[[], Array]]:
    readers: dict[str, Callable[[], Array]] = {
        "decoder.token_embedding.weight": lambda: raw["decoder/embeddings/weight"],
        "decoder.positional_embedding": lambda: raw["decoder/position_encodings/encodings"],
        "encoder.positional_embedding": lambda: raw["encoder/position_encodings/encodings"],
    }
    for name in raw:
        network, _, rest = name.partition("/")
        if rest.startswith("conv"):
            readers[name.replace("/", ".")] = partial(raw.__getitem__, name)
        elif rest.startswith("layer_norm"):
            target = "ln_post" if network == "encoder" else "ln"
            readers[f"{network}.{target}.{_norm_part(rest)}"] = partial(raw.__getitem__, name)
        elif rest.startswith("layer_"):
            readers.update(_ctranslate2_block(raw, name))
    return readers


def _ctranslate2_block(raw: Mapping[str, Array], name: str) -> dict[str, Callable[[], Array]]:
    """One tensor of one layer; fused projections are cut into their parts."""
    network, layer, part, *rest = name.split("/")
    block = f"{network}.blocks.{layer.removeprefix('layer_')}"
    if part == "ffn":
        if rest[0] == "layer_norm":
            return {f"{block}.mlp_ln.{_norm_part(name)}": lambda: raw[name]}
        return {f"{block}.mlp.{'0' if rest[0] == 'linear_0' else '2'}.{rest[1]}": lambda: raw[name]}
    attention = "attn" if part == "self_attention" else "cross_attn"
    if rest[0] == "layer_norm":
        return {f"{block}.{attention}_ln.{_norm_part(name)}": lambda: raw[name]}
    fused = {
        ("attn", "linear_0"): ("query", "key", "value"),
        ("attn", "linear_1"): ("out",),
        ("cross_attn", "linear_0"): ("query",),
        ("cross_attn", "linear_1"): ("key", "value"),
        ("cross_attn", "linear_2"): ("out",),
    }[attention, rest[0]]
    return {
        f"{block}.{attention}.{projection}.{rest[1]}": partial(_part, raw[name], len(fused), index)
        for index, projection in enumerate(fused)
        if (projection, rest[1]) != ("key", "bias")  # always zero, and absent from the original
    }


def _part(fused: Array, parts: int, index: int) -> Array:
    part: Array = np.split(fused, parts)[index]
    return part


def _norm_part(name: str) -> str:
    return "weight" if name.endswith("gamma") else "bias"
