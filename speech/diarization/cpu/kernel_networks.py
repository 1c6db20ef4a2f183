"""The diarizer's networks in compiled 8-bit kernels, on CPUs that have the instructions."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.audio import Samples
from speech.diarization.cpu.dot_kernels import compile_kernels
from speech.diarization.cpu.embedding import EmbeddingKernels
from speech.diarization.cpu.segmentation import SegmentationKernels
from speech.diarization.embeddings import Floats
from speech.diarization.windows import STEP, WINDOW, window_count
from speech.whisper.cpu.threads import ThreadTeam

PANELS_FILE = "panels.npz"


class KernelNetworks:
    """What is computed of a window or a row depends on nothing but it, so threads may share them in any way."""

    def __init__(self, folder: Path, threads: int) -> None:
        compile_kernels()
        with np.load(folder / PANELS_FILE) as arrays:
            weights = {name: arrays[name] for name in arrays.files}
        self._segmentation = SegmentationKernels(weights)
        self._embedding = EmbeddingKernels(weights)
        self._team = ThreadTeam(threads)

    def classes(self, chunks: Sequence[Samples]) -> list[NDArray[np.uint8]]:
        parts = [(index, part) for index, samples in enumerate(chunks) for part in self._parts(samples)]
        found = self._team.map(self._segmentation.classes, [(part,) for _, part in parts])
        owners = [index for index, _ in parts]
        return [
            np.concatenate([classes for owner, classes in zip(owners, found, strict=True) if owner == index])
            for index in range(len(chunks))
        ]

    def mel(self, samples: Samples, units: int) -> Floats:
        return self._embedding.mel(samples, units)

    def features(self, rows: Floats) -> Floats:
        return np.stack(self._team.map(self._embedding.features, [(row,) for row in rows]))

    def _parts(self, samples: Samples) -> list[Samples]:
        """A chunk's windows in as many runs as there are threads."""
        groups = np.array_split(np.arange(window_count(len(samples))), self._team.threads)
        return [samples[own[0] * STEP : own[-1] * STEP + WINDOW] for own in groups if len(own)]
