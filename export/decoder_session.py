"""The GPU's decoder graph, run by ONNX Runtime on the CPU: slow, and enough to hold it against the reference."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from speech.whisper.engine import GREEDY, Sampling, TokenBias
from speech.whisper.gpu.alignment_buffers import attention_weights
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, BiasBuffer
from speech.whisper.gpu.device_memory import HostMemory

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True)
class DecoderRow:
    """One row's part of a call."""

    ids: Sequence[int]
    position: int  # of the first token
    at: int = 0  # which token is asked
    active: bool = True
    forced: int = -1  # fed instead of `ids`, by a step alone
    first: bool = False  # the choice is the first after a prompt
    sampling: Sampling = GREEDY  # of which a graph of prompts follows no bias


@dataclass(frozen=True, slots=True)
class DecoderAnswer:
    token: NDArray[np.int64]  # (rows,)
    logprob: Floats  # (rows,)
    language: Floats  # (rows, languages); of a step without any
    no_speech: Floats  # (rows,), likewise


class DecoderSession:
    """Rows with caches that live from call to call, filled with garbage before anything is written."""

    def __init__(self, path: Path, cross: Sequence[NDArray[np.float32]], step: Path | None = None) -> None:
        """cross: (frames, layers, 2, d) for each row, as the reference gives it; behind it is garbage
        step: the graph that takes over where every row has one token
        """
        self._session = open_graph(path)
        self._step = open_graph(step) if step else self._session
        shapes = {put.name: put.shape for put in self._session.get_inputs() if len(put.shape) == 4}
        outputs = [output.name for output in self._session.get_outputs()]
        garbage = np.random.default_rng(0)
        self.caches: dict[str, NDArray[np.float16]] = {}
        for name in (written.removeprefix("new_") for written in outputs if written.startswith("new_")):
            shape = (len(cross), *shapes[name][1:])
            self.caches[name] = garbage.normal(size=shape).astype(np.float16)
        self._frames = [len(row) for row in cross]
        for layer, part in np.ndindex(*cross[0].shape[1:3]):
            name = f"cross_{('key', 'value')[part]}_{layer}"
            cache = garbage.normal(size=(len(cross), *shapes[name][1:])).astype(np.float16)
            for row, heard in zip(cache, cross, strict=True):
                row[:, : len(heard)] = _heads(heard[:, layer, part], len(row))
            self.caches[name] = cache

    def run(self, rows: Sequence[DecoderRow]) -> DecoderAnswer:
        session = self._step if all(len(row.ids) == 1 for row in rows) else self._session
        feeds: dict[str, Any] = {
            "ids": np.array([row.ids for row in rows]),
            "position": np.array([row.position for row in rows]),
            "forced": np.array([row.forced for row in rows]),
            "length": np.array([row.position + 1 for row in rows]),
            "frames": np.array(self._frames),
            "at": np.array([index * len(row.ids) + row.at for index, row in enumerate(rows)]),
            "active": np.array([row.active for row in rows]),
            "first": np.array([row.first for row in rows]),
            "temperature": np.array([row.sampling.temperature for row in rows], np.float32),
            "draw": np.array([row.sampling.draw for row in rows], np.float32),
        }
        feeds |= _biases([row.sampling.bias for row in rows])
        taken = {put.name for put in session.get_inputs()}
        given = {name: value for name, value in (feeds | self.caches).items() if name in taken}
        names = [output.name for output in session.get_outputs()]
        found = dict(zip(names, session.run(names, given), strict=True))
        for name in names:
            if name.startswith("new_"):
                self.caches[name.removeprefix("new_")] = found[name]
        nothing = np.zeros(0, np.float32)
        return DecoderAnswer(
            found["token"][:, 0], found["logprob"], found.get("language", nothing), found.get("no_speech", nothing)
        )

    def alignment(self, row: int, heads: Sequence[tuple[int, int]], tokens: slice) -> NDArray[np.float32]:
        """Attention weights of the heads (layer and head of each): (heads, tokens, frames)."""
        frames = self._frames[row]
        keys = np.stack([self.caches[f"cross_key_{layer}"][row, head, :frames] for layer, head in heads])
        return attention_weights(self.caches["alignment_query"][row, :, tokens], keys)


def _biases(biases: Sequence[TokenBias | None]) -> dict[str, Any]:
    """As a runner writes them."""
    buffer = BiasBuffer(HostMemory(), len(biases))
    host = buffer.host()
    buffer.send(host, biases)
    return {name: host.buffer[name] for name in BIAS_INPUTS}


def _heads(part: NDArray[np.float32], heads: int) -> NDArray[np.float16]:
    """(frames, d) → (heads, frames, 64)"""
    return np.ascontiguousarray(part.reshape(len(part), heads, -1).transpose(1, 0, 2), np.float16)


def open_graph(path: Path) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3  # errors; else each step warns that its caches are copied
    options.intra_op_num_threads = 2
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
