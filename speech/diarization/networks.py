"""The diarizer's networks in ONNX Runtime: chunks of samples in, local speech out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speech.audio import InvalidAudio, Samples
from speech.diarization.embeddings import (
    MEL_TAIL,
    UNIT,
    EmbeddingProjection,
    Floats,
    cut_pieces,
    embed_rows,
    pack_rows,
    pool,
    scatter_rows,
    speech_units,
)
from speech.diarization.windows import CHUNK, STEP, VECTOR, WINDOW, LocalSpeech, window_count

WINDOWS_AT_ONCE = 8

PROVIDERS = {
    "cpu": ["CPUExecutionProvider"],
    "cuda": ["CUDAExecutionProvider", "CPUExecutionProvider"],
    "tensorrt": ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"],
}


@dataclass(frozen=True, slots=True)
class Execution:
    """Where the networks run. "auto": CUDA where this ONNX Runtime has it, else the CPU."""

    provider: str = "auto"  # auto, cpu, cuda, tensorrt
    threads: int = 2

    def providers(self) -> list[str]:
        if self.provider == "auto":
            available = onnxruntime.get_available_providers()
            return PROVIDERS["cuda" if "CUDAExecutionProvider" in available else "cpu"]
        if self.provider not in PROVIDERS:
            accepted = ", ".join(["auto", *PROVIDERS])
            raise ValueError(f"unknown provider {self.provider!r}; accepted: {accepted}")
        return PROVIDERS[self.provider]


class Networks:
    """Segmentation, filterbank and embedding, opened once and shared by all requests."""

    def __init__(self, folder: Path, execution: Execution | None = None) -> None:
        execution = execution or Execution()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = execution.threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def open_graph(name: str) -> onnxruntime.InferenceSession:
            path = folder / f"{name}.onnx"
            if not path.exists():
                raise FileNotFoundError(f"{path} is missing; run: python -m export diarizer")
            return onnxruntime.InferenceSession(str(path), options, providers=execution.providers())

        self._segmentation = open_graph("segmentation")
        self._filterbank = open_graph("filterbank")
        self._embedding = open_graph("embedding")
        self._projection = EmbeddingProjection.read(folder / "vector.npz")

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
        activities = self._activities(chunks)
        units = [-(-len(samples) // UNIT) for samples in chunks]
        spoken = [speech_units(a, n) for a, n in zip(activities, units, strict=True)]
        laid = [
            pack_rows(self._mel(samples, n), here) if len(here) else None
            for samples, n, here in zip(chunks, units, spoken, strict=True)
        ]
        rows = [part[0] for part in laid if part is not None]
        features = embed_rows(np.concatenate(rows), self._embed) if rows else np.zeros((0, 0, 0), np.float32)
        answers = []
        for activity, total, here, part in zip(activities, units, spoken, laid, strict=True):
            if part is None:
                answers.append(no_speech(activity))
                continue
            own, features = features[: len(part[0])], features[len(part[0]) :]
            pieces, vectors = pool(scatter_rows(own, part[1], here, total), cut_pieces(activity), self._projection)
            answers.append(LocalSpeech(activity, pieces, vectors))
        return answers

    def _activities(self, chunks: Sequence[Samples]) -> list[NDArray[np.uint8]]:
        counts = [window_count(len(samples)) for samples in chunks]
        windows = np.zeros((sum(counts), WINDOW), np.float32)
        row = 0
        for samples, count in zip(chunks, counts, strict=True):
            for index in range(count):
                part = samples[index * STEP : index * STEP + WINDOW]
                windows[row, : len(part)] = part
                row += 1
        classes = [
            self._segmentation.run(None, {"input": windows[i : i + WINDOWS_AT_ONCE]})[0].argmax(axis=-1)
            for i in range(0, len(windows), WINDOWS_AT_ONCE)
        ]
        return np.split(np.concatenate(classes).astype(np.uint8), np.cumsum(counts)[:-1])

    def _mel(self, samples: Samples, units: int) -> Floats:
        padded = np.zeros((1, units * UNIT + MEL_TAIL), np.float32)
        padded[0, : len(samples)] = samples
        mel: Floats = self._filterbank.run(None, {"input": padded})[0][0]
        return mel

    def _embed(self, rows: Floats) -> Floats:
        features: Floats = self._embedding.run(None, {"input": rows})[0]
        return features


def no_speech(activity: NDArray[np.uint8]) -> LocalSpeech:
    """The output for windows in which nobody speaks."""
    return LocalSpeech(activity, np.zeros((0, 5), np.int32), np.zeros((0, VECTOR), np.float32))
