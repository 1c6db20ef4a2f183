"""Samples: the one form in which audio travels through the project."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SAMPLE_RATE = 16_000  # Hz

Pcm = NDArray[np.int16]  # (n,), mono, 16 kHz: on disk and on the wire
Samples = NDArray[np.float32]  # (n,), mono, 16 kHz, in [-1, 1]: what models read


class InvalidAudio(ValueError):
    """The samples cannot be what they claim to be (length, type, rate)."""


def to_samples(pcm: Pcm) -> Samples:
    """int16 → float32 in [-1, 1); shape (n,) is kept."""
    return pcm.astype(np.float32) / 32768.0


def to_pcm(samples: Samples) -> Pcm:
    """float32 → the nearest int16, cut at its ends; shape (n,) is kept."""
    pcm: Pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype(np.int16)
    return pcm
