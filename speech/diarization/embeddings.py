"""Speaker embeddings: CAM++'s features of a chunk's concatenated speech, pooled to one vector per piece of speech.

The network runs once over a chunk's speech, however many windows and local speakers share it: the pooling over a
piece's frames and the last layer are done here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from speech.diarization.windows import (
    FRAME,
    FRAME_HOP,
    FRAME_SIZE,
    FRAMES,
    LOCAL_SPEAKERS,
    POWERSET,
    STEP,
    WINDOW,
    runs,
)

Floats = NDArray[np.float32]

UNIT = 320  # samples: a feature frame, two mel frames
MEL_TAIL = 240  # samples that the last mel frame needs beyond its hop
MELS = 80
FEATURES = 512
ROW = 200  # units (4 s) that pass through the network together
ROWS_AT_ONCE = 8
LONGEST = 1.5  # seconds of a piece: short enough to find a change of speaker, long enough to identify one
SHORTEST = 0.25  # seconds: below, nobody can be identified
FEWEST_UNITS = 8

_FRAME_OF_UNIT = np.clip(
    np.rint((np.arange(WINDOW // UNIT) * UNIT + 280 - FRAME_SIZE / 2) / FRAME_HOP).astype(int), 0, FRAMES - 1
)


@dataclass(frozen=True, slots=True)
class EmbeddingProjection:
    """CAM++'s last layer, statistics of the features → embedding: weight @ (mean, deviation) + bias."""

    weight: Floats  # (192, 1024)
    bias: Floats  # (192,)

    @classmethod
    def read(cls, path: Path) -> EmbeddingProjection:
        with np.load(path) as arrays:
            return cls(arrays["weight"], arrays["bias"])

    def __call__(self, mean: NDArray[np.float64], deviation: NDArray[np.float64]) -> Floats:
        """(pieces, 512) twice → (pieces, 192), unit length."""
        vectors = np.concatenate([mean, deviation], axis=1).astype(np.float32) @ self.weight.T + self.bias
        unit: Floats = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
        return unit


def speech_units(activity: NDArray[np.uint8], units: int) -> NDArray[np.intp]:
    """Units of a chunk in which some window has speech, and their neighbours.

    activity: (windows, FRAMES)
    """
    mask = np.zeros(len(activity) * STEP // UNIT + WINDOW // UNIT, np.bool_)
    for window, classes in enumerate(activity):
        start = window * STEP // UNIT
        mask[start : start + WINDOW // UNIT] |= classes[_FRAME_OF_UNIT] > 0
    mask[1:] |= mask[:-1].copy()
    mask[:-1] |= mask[1:].copy()
    return np.flatnonzero(mask[:units])


def pack_rows(mel: Floats, units: NDArray[np.intp]) -> tuple[Floats, NDArray[np.intp]]:
    """Concatenated speech in rows of 4 s: (rows, 2·ROW, 80) and where in `units` each row begins.

    mel: (2·units of the chunk, 80). Its mean over the speech is removed. The last row reaches back so as to be
    full; less than a row of speech is repeated.
    """
    speech = mel.reshape(-1, 2, MELS)[units]
    speech = speech - speech.mean(axis=(0, 1))
    if len(units) < ROW:
        return np.resize(speech, (1, 2 * ROW, MELS)), np.zeros(1, np.intp)
    starts = np.minimum(np.arange(-(-len(units) // ROW)) * ROW, len(units) - ROW)
    rows = np.stack([speech[start : start + ROW].reshape(2 * ROW, MELS) for start in starts])
    return rows, starts


def scatter_rows(features: Floats, starts: NDArray[np.intp], units: NDArray[np.intp], total: int) -> Floats:
    """Rows' features (rows, ROW, 512) back in the chunk's order: (total, 512), zero where there is no speech."""
    placed = np.zeros((total, FEATURES), np.float32)
    for start, row in zip(starts, features, strict=True):
        here = units[start : start + ROW]
        placed[here] = row[: len(here)]
    return placed


def cut_pieces(activity: NDArray[np.uint8]) -> NDArray[np.int32]:
    """Every local speaker's speech in pieces of at most LONGEST: (pieces, 5), columns as in `Piece`.

    Speech during which nobody else speaks is preferred; a local speaker who never is alone is taken as is.
    """
    pieces: list[tuple[int, int, int, int, int]] = []
    for window, classes in enumerate(activity):
        active = POWERSET[classes]
        alone = active & (active.sum(axis=1, keepdims=True) == 1)
        for speaker in range(LOCAL_SPEAKERS):
            pure = bool(alone[:, speaker].sum() * FRAME >= SHORTEST)
            mask = alone[:, speaker] if pure else active[:, speaker]
            for first, end in runs(mask):
                pieces += [(window, speaker, a, b, int(pure)) for a, b in _equal_parts(first, end)]
    return np.array(pieces, np.int32).reshape(-1, 5)


def _equal_parts(first: int, end: int) -> list[tuple[int, int]]:
    parts = max(1, int(np.ceil((end - first) * FRAME / LONGEST - 1e-6)))
    edges = np.linspace(first, end, parts + 1).astype(int)
    return [(int(a), int(b)) for a, b in pairwise(edges) if (b - a) * FRAME >= SHORTEST]


def pool(
    features: Floats, pieces: NDArray[np.int32], projection: EmbeddingProjection
) -> tuple[NDArray[np.int32], Floats]:
    """One vector per piece; pieces that reach beyond the audio are left out.

    features: (units, 512); pieces: (pieces, 5), windows counted from the chunk's start
    """
    start = pieces[:, 0].astype(np.int64) * STEP
    shift = (FRAME_SIZE - FRAME_HOP) / 2
    first = np.rint((start + pieces[:, 2] * FRAME_HOP + shift) / UNIT).astype(int)
    end = np.minimum(np.rint((start + pieces[:, 3] * FRAME_HOP + shift) / UNIT).astype(int), len(features))
    long_enough = end - first >= FEWEST_UNITS
    spans = list(zip(first[long_enough], end[long_enough], strict=True))
    mean = np.array([features[a:b].mean(axis=0, dtype=np.float64) for a, b in spans])
    deviation = np.array([features[a:b].std(axis=0, dtype=np.float64, ddof=1) for a, b in spans])
    shape = (-1, features.shape[1])
    return pieces[long_enough], projection(mean.reshape(shape), deviation.reshape(shape))


def embed_rows(rows: Floats, network: Callable[[Floats], Floats]) -> Floats:
    """Rows of mel → features, ROWS_AT_ONCE at a time, so that memory does not grow with their number."""
    parts = [network(rows[i : i + ROWS_AT_ONCE]) for i in range(0, len(rows), ROWS_AT_ONCE)]
    return np.concatenate(parts)
