"""From a window's log-mel to a slot's cross-attention: compiled kernels where the CPU has VNNI or
AVX2, ONNX Runtime where it has neither."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort

from speech.whisper.cpu.cache_kernels import KvCache, quantise_cross
from speech.whisper.cpu.encoder_kernels import EncoderLayers, new_encoder_workspace, run_encoder
from speech.whisper.cpu.int8_kernels import HAS_KERNELS
from speech.whisper.cpu.threads import ThreadTeam
from speech.whisper.engine import Dimensions, EngineError
from speech.whisper.log_mel import Mel

ENCODER_FILE = "encoder.onnx"
PANELS_FILE = "encoder.npz"


class AudioEncoder(Protocol):
    def encode(self, slot: int, mel: Mel, cache: KvCache) -> None:
        """mel: (n_mels, 2 frames). Fills the slot's cross-attention, all threads at work."""


class OnnxEncoder:
    """The exported graph in ONNX Runtime, on any CPU."""

    def __init__(self, folder: Path, dimensions: Dimensions, team: ThreadTeam) -> None:
        self._team = team
        self._shape = (dimensions.n_text_layer, 2, dimensions.n_text_state)
        options = ort.SessionOptions()
        options.intra_op_num_threads = team.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = folder / ENCODER_FILE
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineError(f"{path} cannot be opened: {error}") from error

    def encode(self, slot: int, mel: Mel, cache: KvCache) -> None:
        (cross,) = self._session.run(None, {"mel": mel[None]})
        layers = cross.reshape(-1, *self._shape)
        self._team.map(quantise_cross, [(cache, slot, layers, layer) for layer in range(self._shape[0])])
        cache.frames[slot] = len(layers)


class Int8Encoder:
    """The same network in compiled kernels."""

    def __init__(self, folder: Path, dimensions: Dimensions, team: ThreadTeam) -> None:
        self._team = team
        with np.load(folder / PANELS_FILE) as arrays:
            self._layers = EncoderLayers(*(arrays[name] for name in EncoderLayers._fields))
        self._workspace = new_encoder_workspace(dimensions, team.threads)

    def encode(self, slot: int, mel: Mel, cache: KvCache) -> None:
        padded = np.zeros((mel.shape[1] + 3, mel.shape[0]), np.float32)
        padded[2:-1] = mel.T
        self._workspace.counters[:] = 0
        self._team.run(run_encoder, padded, self._layers, self._workspace, slot, cache)
        cache.frames[slot] = mel.shape[1] // 2


def open_encoder(folder: Path, dimensions: Dimensions, team: ThreadTeam) -> AudioEncoder:
    """The faster of the two on this CPU. raises: EngineError"""
    kind = Int8Encoder if HAS_KERNELS else OnnxEncoder
    return kind(folder, dimensions, team)
