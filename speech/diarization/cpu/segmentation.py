"""pyannote's segmentation in compiled kernels: a chunk of samples → who speaks in each frame of its windows.

Windows overlap, and SincNet's first convolution is linear: it runs once over the chunk, and each window's
normalisation of its samples is applied to what comes out. Behind it every window is on its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import Samples
from speech.diarization.cpu.layer_kernels import float_layer, int8_layer, quantise_rows
from speech.diarization.cpu.panel_layout import FLOAT_PANEL
from speech.diarization.cpu.segmentation_kernels import (
    LEAK,
    POOL,
    UNIT_STEP,
    UNIT_ZERO,
    normalise_window,
    pool_filters,
    pool_taps,
    run_lstm,
)
from speech.diarization.windows import FRAMES, POWERSET, STEP, WINDOW, window_count

Floats = NDArray[np.float32]
Arrays = Mapping[str, NDArray[Any]]

SINC_TAPS, STRIDE, TAPS = 251, 10, 5  # samples, samples, frames
FILTERED = (WINDOW - SINC_TAPS) // STRIDE + 1  # frames of a window behind the first convolution
CHANNELS = (80, 60, 60)  # of SincNet's layers
WIDTH, STATES, LAYERS = 64, 256, 4  # of the LSTM: its input with padding, its output
NORM_EPSILON = 1e-5


class SegmentationKernels:
    """PyanNet, with the arrays of export.diarizer_panels."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays

    def classes(self, samples: Samples) -> NDArray[np.uint8]:
        """float32 (n,), 16 kHz → the most probable class of each frame, (windows, FRAMES), index into POWERSET."""
        classes: NDArray[np.uint8] = self.logits(samples).argmax(axis=2).astype(np.uint8)
        return classes

    def logits(self, samples: Samples) -> Floats:
        """float32 (n,), 16 kHz → (windows, FRAMES, 7)"""
        count = window_count(len(samples))
        padded = np.zeros((count - 1) * STEP + WINDOW, np.float32)
        padded[: len(samples)] = samples
        filtered = np.empty(((len(padded) - SINC_TAPS) // STRIDE + 1, CHANNELS[0]), np.float32)
        float_layer(padded, STRIDE, self._arrays["sinc"], filtered)
        x = np.zeros((FRAMES, count, WIDTH), np.uint8)
        steps, offsets = np.empty(count, np.float32), np.empty(count, np.float32)
        for window in range(count):
            start = window * STEP
            first = start // STRIDE
            values = self._front(padded[start : start + WINDOW], filtered[first : first + FILTERED])
            steps[window], offsets[window] = (values.max() - values.min()) / 255 + 1e-12, values.min()
            x[:, window, : values.shape[1]] = (values - offsets[window]) / steps[window] + 0.5
        return self._classify(self._recur(x, steps, offsets))

    def _front(self, samples: Samples, filtered: Floats) -> Floats:
        """SincNet: a window's samples and filters → (FRAMES, 60)"""
        arrays = self._arrays
        weight, bias = arrays["samples_norm"][:, 0]
        factor = weight / np.sqrt(samples.var(dtype=np.float64) + NORM_EPSILON)
        shift = (bias - samples.mean(dtype=np.float64) * factor) * arrays["sinc_sums"]
        values = np.empty((len(filtered) // POOL, CHANNELS[0]), np.float32)
        pool_filters(filtered, np.float32(factor), shift.astype(np.float32), values)
        normalise_window(values, *arrays["norm0"])
        for layer in (1, 2):
            name, frames = f"conv{layer}", len(values) - TAPS + 1
            convolved = np.empty((frames, len(arrays[name]) * FLOAT_PANEL), np.float32)
            float_layer(values.ravel(), values.shape[1], arrays[name], convolved)
            values = np.empty((frames // POOL, CHANNELS[layer]), np.float32)
            pool_taps(convolved, arrays[f"{name}_bias"], values)
            normalise_window(values, *arrays[f"norm{layer}"])
        return values

    def _recur(self, x: NDArray[np.uint8], steps: Floats, offsets: Floats) -> NDArray[np.uint8]:
        """The LSTM: (FRAMES, windows, 64) → (FRAMES, windows, 256), steps of 1 / 127 around 128."""
        arrays, count = self._arrays, len(steps)
        for layer in range(LAYERS):
            states = np.empty((FRAMES, count, STATES), np.uint8)
            for direction in (0, 1):
                name = f"lstm{layer}{direction}"
                run_lstm(
                    x, steps, offsets, arrays[name], arrays[f"{name}_recurrence"], arrays[f"{name}_scale"],
                    arrays[f"{name}_bias"], direction == 1, states,
                )  # fmt: skip
            x = states
            steps, offsets = _unit_range(count)
        return x

    def _classify(self, states: NDArray[np.uint8]) -> Floats:
        """The dense layers and the classifier: (FRAMES, windows, 256) → (windows, FRAMES, 7)"""
        arrays = self._arrays
        x = states.reshape(-1, STATES)
        steps, offsets = _unit_range(len(x))
        for name in ("linear0", "linear1"):
            bias = arrays[f"{name}_bias"]
            hidden = np.empty((len(x), len(bias)), np.float32)
            scale = arrays[f"{name}_scale"]
            int8_layer(x.ravel(), 0, x.shape[1], 1, 0, steps, offsets, arrays[name], scale, bias, hidden)
            np.maximum(hidden, hidden * LEAK, out=hidden)
            x = np.empty(hidden.shape, np.uint8)
            quantise_rows(hidden, x, steps, offsets)
        logits = np.empty((len(hidden), FLOAT_PANEL), np.float32)
        float_layer(hidden.ravel(), hidden.shape[1], arrays["classifier"], logits)
        chosen: Floats = logits[:, : len(POWERSET)] + arrays["classifier_bias"]
        return chosen.reshape(FRAMES, -1, len(POWERSET)).transpose(1, 0, 2)


def _unit_range(count: int) -> tuple[Floats, Floats]:
    """Steps and offsets of rows that hold numbers from -1 to 1."""
    return np.full(count, UNIT_STEP), np.full(count, -UNIT_STEP * np.float32(UNIT_ZERO))
