"""From a window's log-mel to a slot's cross-attention: compiled kernels where the CPU has 8-bit dot
products, ONNX Runtime where it has not."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime as ort

from speech.whisper.cpu.decoder_kernels import Cache, remember_audio
from speech.whisper.cpu.encoder_kernels import EncoderLayers, new_room, run_encoder
from speech.whisper.cpu.int8_kernels import HAS_DOT_PRODUCT
from speech.whisper.cpu.threads import Crew
from speech.whisper.engine import Dimensions, EngineError
from speech.whisper.log_mel import Mel

ENCODER_FILE = "encoder.onnx"
PANELS_FILE = "encoder.npz"


class AudioEncoder(Protocol):
    def encode(self, slot: int, mel: Mel, cache: Cache) -> None:
        """mel: (n_mels, 2 frames). Fills the slot's cross-attention, all threads at work."""


class OnnxEncoder:
    """The exported graph in ONNX Runtime, on any CPU."""

    def __init__(self, folder: Path, dimensions: Dimensions, crew: Crew) -> None:
        self._crew = crew
        self._shape = (dimensions.n_text_layer, 2, dimensions.n_text_state)
        options = ort.SessionOptions()
        options.intra_op_num_threads = crew.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        path = folder / ENCODER_FILE
        try:
            self._session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            raise EngineError(f"{path} cannot be opened: {error}") from error

    def encode(self, slot: int, mel: Mel, cache: Cache) -> None:
        (cross,) = self._session.run(None, {"mel": mel[None]})
        layers = cross.reshape(-1, *self._shape)
        self._crew.map(remember_audio, [(cache, slot, layers, layer) for layer in range(self._shape[0])])
        cache.frames[slot] = len(layers)


class DotEncoder:
    """The same network in compiled kernels, on CPUs with 8-bit dot products."""

    def __init__(self, folder: Path, dimensions: Dimensions, crew: Crew) -> None:
        self._crew = crew
        with np.load(folder / PANELS_FILE) as arrays:
            self._layers = EncoderLayers(*(arrays[name] for name in EncoderLayers._fields))
        self._room = new_room(dimensions, crew.threads)

    def encode(self, slot: int, mel: Mel, cache: Cache) -> None:
        padded = np.zeros((mel.shape[1] + 3, mel.shape[0]), np.float32)
        padded[2:-1] = mel.T
        self._room.counters[:] = 0
        self._crew.run(run_encoder, padded, self._layers, self._room, slot, cache)
        cache.frames[slot] = mel.shape[1] // 2


def open_encoder(folder: Path, dimensions: Dimensions, crew: Crew) -> AudioEncoder:
    """The faster of the two on this CPU. raises: EngineError"""
    kind = DotEncoder if HAS_DOT_PRODUCT else OnnxEncoder
    return kind(folder, dimensions, crew)
