"""Whisper weights in memory, under the names of OpenAI's checkpoints, whatever file they came from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import HEAD_SIZE, Dimensions

Array = NDArray[Any]
Tensors = Mapping[str, NDArray[np.float32]]  # by name
Heads = Sequence[Sequence[int]]  # (layer, head) pairs


class InvalidWeights(ValueError):
    """The file or folder does not hold the weights of a Whisper."""


class LazyTensors(Mapping[str, NDArray[np.float32]]):
    """Tensors that are read when asked for, so that a large model need not fit into memory twice."""

    def __init__(self, readers: Mapping[str, Callable[[], Array]]) -> None:
        self._readers = readers

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return np.ascontiguousarray(self._readers[name](), dtype=np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._readers)

    def __len__(self) -> int:
        return len(self._readers)


@dataclass(frozen=True, slots=True)
class Weights:
    dimensions: Dimensions
    tensors: Tensors
    alignment_heads: tuple[tuple[int, int], ...]


def alignment_or_default(heads: Heads | None, dimensions: Dimensions) -> tuple[tuple[int, int], ...]:
    """The published heads, or every head of the upper half of the layers where none are known."""
    if heads:
        return tuple(sorted((int(layer), int(head)) for layer, head in heads))
    layers = dimensions.n_text_layer
    return tuple((layer, head) for layer in range(layers // 2, layers) for head in range(dimensions.n_text_head))


def measure(tensors: Tensors) -> Dimensions:
    """Reads every size from the shapes. raises: InvalidWeights if a tensor is missing."""
    try:
        state, mels, _ = tensors["encoder.conv1.weight"].shape
        vocabulary, text_state = tensors["decoder.token_embedding.weight"].shape
        return Dimensions(
            n_mels=mels,
            n_audio_ctx=len(tensors["encoder.positional_embedding"]),
            n_audio_state=state,
            n_audio_head=state // HEAD_SIZE,
            n_audio_layer=_layers(tensors, "encoder"),
            n_vocab=vocabulary,
            n_text_ctx=len(tensors["decoder.positional_embedding"]),
            n_text_state=text_state,
            n_text_head=text_state // HEAD_SIZE,
            n_text_layer=_layers(tensors, "decoder"),
        )
    except KeyError as error:
        raise InvalidWeights(f"not the weights of a Whisper: {error.args[0]} is missing") from None
    except ValueError as error:
        raise InvalidWeights(f"not the weights of a Whisper: {error}") from error


def _layers(tensors: Tensors, network: str) -> int:
    prefix = f"{network}.blocks."
    return 1 + max(int(name.removeprefix(prefix).split(".")[0]) for name in tensors if name.startswith(prefix))


def from_bfloat16(array: NDArray[np.uint16]) -> NDArray[np.float32]:
    """bfloat16 is the upper half of a float32."""
    return (array.astype(np.uint32) << 16).view(np.float32)
