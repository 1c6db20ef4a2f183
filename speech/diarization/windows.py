"""How a recording is cut for diarization: windows of 10 s every 2.5 s, sent in chunks of about a minute.

Windows and chunks depend on the length of the recording alone, so any server may do any chunk.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE

WINDOW = 10 * SAMPLE_RATE  # samples: what the segmentation was trained on
STEP = WINDOW // 4  # samples between the starts of windows
WINDOWS_PER_CHUNK = 24
CHUNK_STEP = WINDOWS_PER_CHUNK * STEP  # samples between the starts of chunks: 60 s
CHUNK = CHUNK_STEP - STEP + WINDOW  # samples of a full chunk: 67.5 s

FRAMES = 589  # segmentation frames of a window
FRAME_HOP = 270  # samples
FRAME_SIZE = 991  # samples that one frame sees
FRAME = FRAME_HOP / SAMPLE_RATE  # seconds
LOCAL_SPEAKERS = 3  # that the segmentation tells apart in one window
VECTOR = 192  # size of a speaker embedding


@dataclass(frozen=True, slots=True)
class Piece:
    """Columns of `LocalSpeech.pieces`."""

    window: int = 0
    speaker: int = 1  # 0..2, local to the window
    first: int = 2  # frame
    end: int = 3  # frame after the last
    alone: int = 4  # 1: nobody else speaks in it


PIECE = Piece()


@dataclass(frozen=True, slots=True)
class LocalSpeech:
    """The networks' output for consecutive windows: of a chunk, or of a recording."""

    activity: NDArray[np.uint8]  # (windows, FRAMES), index into POWERSET
    pieces: NDArray[np.int32]  # (pieces, 5), columns as in `Piece`, ordered by window, speaker and time
    vectors: NDArray[np.float32]  # (pieces, VECTOR), unit length: the speaker embedding of the piece


# Which of the three local speakers are active, by class of the segmentation.
POWERSET = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0], [1, 0, 1], [0, 1, 1]], dtype=np.bool_)


def window_count(samples: int) -> int:
    """Windows that cover `samples`: at least one, the last one padded with silence."""
    return 1 + max(0, -(-(samples - WINDOW) // STEP))


def chunk_bounds(samples: int) -> list[tuple[int, int]]:
    """First and last sample (exclusive) of every chunk of a recording; neighbours share 7.5 s."""
    windows = window_count(samples)
    starts = range(0, windows * STEP, CHUNK_STEP)
    return [(start, min(samples, start + CHUNK)) for start in starts]


def join_chunks(chunks: list[LocalSpeech]) -> LocalSpeech:
    """Consecutive chunks' outputs as one; windows are renumbered."""
    offset = 0
    pieces = []
    for chunk in chunks:
        shifted = chunk.pieces.copy()
        shifted[:, PIECE.window] += offset
        pieces.append(shifted)
        offset += len(chunk.activity)
    return LocalSpeech(
        activity=np.concatenate([chunk.activity for chunk in chunks]),
        pieces=np.concatenate(pieces),
        vectors=np.concatenate([chunk.vectors for chunk in chunks]),
    )


def frame_start(frame: float) -> float:
    """Where a frame of a window begins to count, seconds from the window's start."""
    return (frame * FRAME_HOP + (FRAME_SIZE - FRAME_HOP) / 2) / SAMPLE_RATE


def runs(mask: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """(first, end) of every stretch of True."""
    edges = np.flatnonzero(np.diff(mask.astype(np.int8), prepend=0, append=0))
    return [(int(first), int(end)) for first, end in zip(edges[::2], edges[1::2], strict=True)]
