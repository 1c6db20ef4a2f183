"""The diarizer's networks: chunks of samples in, local speech out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speech.audio import InvalidAudio, Samples
from speech.diarization.cpu.dot_kernels import HAS_KERNELS
from speech.diarization.cpu.kernel_networks import PANELS_FILE, KernelNetworks
from speech.diarization.embeddings import (
    UNIT,
    EmbeddingProjection,
    Floats,
    cut_pieces,
    pack_rows,
    pool,
    scatter_rows,
    speech_units,
)
from speech.diarization.onnx_networks import OnnxNetworks
from speech.diarization.windows import CHUNK, VECTOR, LocalSpeech

GRAPHS = ("segmentation", "filterbank", "embedding")
PROJECTION = "vector.npz"

log = logging.getLogger(__name__)

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "onnx": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


@dataclass(frozen=True, slots=True)
class Execution:
    """Where the networks run. "auto": CUDA where this ONNX Runtime has it, else the CPU.

    On a CPU they run in compiled kernels; "onnx" has it run the graphs in ONNX Runtime, as CPUs without AVX2 do.
    """

    provider: str = "auto"  # auto, cpu, onnx, cuda, tensorrt
    threads: int = 2

    def providers(self) -> list[str]:
        if self.provider == "auto":
            available = onnxruntime.get_available_providers()
            return PROVIDERS["cuda" if "CUDAExecutionProvider" in available else "cpu"]
        if self.provider not in PROVIDERS:
            accepted = ", ".join(["auto", *PROVIDERS])
            raise ValueError(f"unknown provider {self.provider!r}; accepted: {accepted}")
        return PROVIDERS[self.provider]

    def compiled(self) -> bool:
        """Whether the networks run in compiled kernels."""
        return HAS_KERNELS and self.provider != "onnx" and self.providers() == PROVIDERS["cpu"]


class NetworkRuntime(Protocol):
    """The networks in one runtime."""

    def classes(self, chunks: Sequence[Samples]) -> list[NDArray[np.uint8]]:
        """Of each chunk (windows, FRAMES), index into POWERSET."""

    def mel(self, samples: Samples, units: int) -> Floats:
        """Kaldi's log-mel filterbank of a chunk: (2 · units, 80)."""

    def features(self, rows: Floats) -> Floats:
        """CAM++'s features: (rows, 2 · ROW, 80) → (rows, ROW, 512)."""


def open_runtime(folder: Path, execution: Execution) -> NetworkRuntime:
    """The fastest that the export has files for. raises: FileNotFoundError where there is none"""
    if execution.compiled():
        if (folder / PANELS_FILE).exists():
            return KernelNetworks(folder, execution.threads)
        log.warning("%s is missing: the graphs run instead; run: python -m export diarizer", folder / PANELS_FILE)
    for name in GRAPHS:
        path = folder / f"{name}.onnx"
        if not path.exists():
            raise FileNotFoundError(f"{path} is missing; run: python -m export diarizer")
    return OnnxNetworks(folder, execution.providers(), execution.threads)


class Networks:
    """Segmentation, filterbank and embedding, opened once and shared by all requests."""

    def __init__(self, folder: Path, execution: Execution | None = None) -> None:
        self._runtime = open_runtime(folder, execution or Execution())
        self._projection = EmbeddingProjection.read(folder / PROJECTION)

    def run(self, chunks: Sequence[Samples]) -> list[LocalSpeech]:
        """Who speaks when in each chunk's windows, and the embedding of every piece of speech.

        chunks: float32 (n,), 16 kHz, in [-1, 1], n ≤ CHUNK (67.5 s); windows and rows of all of them share
        the networks' batches
        raises: InvalidAudio for a chunk that is empty or too long
        """
        for samples in chunks:
            if not 0 < len(samples) <= CHUNK:
                raise InvalidAudio(f"a chunk holds 1 to {CHUNK} samples, not {len(samples)}")
        if not chunks:
            return []
        activities = self._runtime.classes(chunks)
        units = [-(-len(samples) // UNIT) for samples in chunks]
        spoken = [speech_units(a, n) for a, n in zip(activities, units, strict=True)]
        laid = [
            pack_rows(self._runtime.mel(samples, n), here) if len(here) else None
            for samples, n, here in zip(chunks, units, spoken, strict=True)
        ]
        rows = [part[0] for part in laid if part is not None]
        features = self._runtime.features(np.concatenate(rows)) if rows else np.zeros((0, 0, 0), np.float32)
        answers = []
        for activity, total, here, part in zip(activities, units, spoken, laid, strict=True):
            if part is None:
                answers.append(no_speech(activity))
                continue
            own, features = features[: len(part[0])], features[len(part[0]) :]
            pieces, vectors = pool(scatter_rows(own, part[1], here, total), cut_pieces(activity), self._projection)
            answers.append(LocalSpeech(activity, pieces, vectors))
        return answers


def no_speech(activity: NDArray[np.uint8]) -> LocalSpeech:
    """The output for windows in which nobody speaks."""
    return LocalSpeech(activity, np.zeros((0, 5), np.int32), np.zeros((0, VECTOR), np.float32))
