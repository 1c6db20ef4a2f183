"""Any number of channels → mono, without losing what one of them says.

The plain mean of two channels in opposite phase is silence, and one silent channel of two halves the
level. So channels are weighted by their energy and phase: silent ones are left out, inverted ones are inverted back.
The weights follow the signal over a few seconds and change by a short ramp, so that files can be mixed while they
are being decoded.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm

BLOCK = SAMPLE_RATE // 2  # samples: the weights may change twice a second
RAMP = SAMPLE_RATE // 50  # samples: 20 ms from one weighting to the next
MEMORY = 0.9  # of the statistics, per block: about five seconds
SILENT = 1e-4  # energy of a channel against the strongest: -40 dB
INVERTED = -0.5  # correlation with the strongest channel
UPRIGHT = -0.2  # an inverted channel is turned back above this

Weights = NDArray[np.float32]


class Downmix:
    """Mixes consecutive blocks of one track."""

    def __init__(self, channels: int) -> None:
        self.channels = channels
        self._statistics = np.zeros((channels, channels))
        self._inverted = np.zeros(channels, dtype=bool)
        self._weights: Weights = np.full(channels, 1 / channels, dtype=np.float32)

    def mix(self, block: NDArray[np.int16]) -> Pcm:
        """block: int16 (n, channels); returns int16 (n,). Blocks of about BLOCK samples."""
        if self.channels == 1:
            return block.reshape(-1)
        samples = block.astype(np.float32)
        previous = self._weights
        self._weights = self._update_weights(samples)
        mono = samples @ self._weights
        if not np.array_equal(previous, self._weights):
            ramp = min(RAMP, len(mono))
            fade = np.linspace(1, 0, ramp, dtype=np.float32)
            mono[:ramp] = mono[:ramp] * (1 - fade) + (samples[:ramp] @ previous) * fade
        pcm: Pcm = np.clip(np.rint(mono), -32768, 32767).astype(np.int16)
        return pcm

    def _update_weights(self, samples: NDArray[np.float32]) -> Weights:
        self._statistics = MEMORY * self._statistics + samples.T @ samples
        energy = np.diag(self._statistics)
        strongest = int(np.argmax(energy))
        if energy[strongest] == 0:
            return self._weights
        active = energy > SILENT * energy[strongest]
        norm = np.sqrt(np.maximum(energy * energy[strongest], 1e-9))
        correlation = self._statistics[strongest] / norm
        turned = self._inverted ^ self._inverted[strongest]
        self._inverted = np.where(turned, correlation < UPRIGHT, correlation < INVERTED)
        signs = np.where(self._inverted, -1.0, 1.0)
        weights: Weights = (signs * active / active.sum()).astype(np.float32)
        # A change of the strongest channel must not invert the whole signal.
        return np.negative(weights) if weights @ self._weights < 0 else weights
