"""The diarizer's networks in ONNX Runtime: on GPUs, and on CPUs that the compiled kernels do not run on."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from speech.audio import Samples
from speech.diarization.embeddings import MEL_TAIL, UNIT, Floats, embed_rows
from speech.diarization.windows import STEP, WINDOW, window_count

WINDOWS_AT_ONCE = 8


class OnnxNetworks:
    """The exported graphs; windows and rows of several chunks share their batches."""

    def __init__(self, folder: Path, providers: Sequence[str], threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")

        def open_graph(name: str) -> onnxruntime.InferenceSession:
            return onnxruntime.InferenceSession(str(folder / f"{name}.onnx"), options, providers=list(providers))

        self._segmentation = open_graph("segmentation")
        self._filterbank = open_graph("filterbank")
        self._embedding = open_graph("embedding")

    def classes(self, chunks: Sequence[Samples]) -> list[NDArray[np.uint8]]:
        counts = [window_count(len(samples)) for samples in chunks]
        windows = np.zeros((sum(counts), WINDOW), np.float32)
        row = 0
        for samples, count in zip(chunks, counts, strict=True):
            for index in range(count):
                part = samples[index * STEP : index * STEP + WINDOW]
                windows[row, : len(part)] = part
                row += 1
        found = [
            self._segmentation.run(None, {"input": windows[i : i + WINDOWS_AT_ONCE]})[0].argmax(axis=-1)
            for i in range(0, len(windows), WINDOWS_AT_ONCE)
        ]
        return np.split(np.concatenate(found).astype(np.uint8), np.cumsum(counts)[:-1])

    def mel(self, samples: Samples, units: int) -> Floats:
        padded = np.zeros((1, units * UNIT + MEL_TAIL), np.float32)
        padded[0, : len(samples)] = samples
        mel: Floats = self._filterbank.run(None, {"input": padded})[0][0]
        return mel

    def features(self, rows: Floats) -> Floats:
        return embed_rows(rows, self._embed)

    def _embed(self, rows: Floats) -> Floats:
        features: Floats = self._embedding.run(None, {"input": rows})[0]
        return features
