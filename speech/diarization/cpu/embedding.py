"""Kaldi's filterbank and CAM++ in compiled kernels: a chunk's samples → log-mel, a row of log-mel → features.

What a convolution of CAM++ reads lies behind a ReLU, so its 8-bit numbers have no offset and the border of a picture
or a row is zeros.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from speech.audio import Samples
from speech.diarization.cpu.layer_kernels import float_layer, int8_layer, normalise_rows, quantise_positive
from speech.diarization.cpu.panel_layout import FLOAT_PANEL, PANEL
from speech.diarization.embeddings import FEATURES, MEL_TAIL, MELS, UNIT

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Arrays = Mapping[str, NDArray[Any]]

TAPS = 3
HALVING_TAPS = 5
SEGMENT = 100  # frames of 20 ms, over which the context is averaged
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation of the densely connected blocks
CHANNELS = 1024  # the most that lie side by side in a frame
HOP = 160  # samples between the filterbank's frames
ZERO = np.float32(0)
NO_OFFSETS = np.zeros(0, np.float32)


class Workspace(threading.local):
    """Arrays that every row of speech needs anew: memory that the system hands out page by page costs a tenth."""

    def __init__(self) -> None:
        self._arrays: dict[tuple[object, ...], NDArray[Any]] = {}

    def floats(self, name: str, *shape: int) -> Floats:
        """With whatever was written last."""
        return self._array(name, shape, np.float32)

    def bytes(self, name: str, *shape: int) -> Bytes:
        """Zeros where nothing was written."""
        return self._array(name, shape, np.uint8)

    def _array(self, name: str, shape: tuple[int, ...], kind: type[np.generic]) -> NDArray[Any]:
        key = (name, shape, kind)
        if key not in self._arrays:
            self._arrays[key] = np.zeros(shape, kind)
        return self._arrays[key]


class EmbeddingKernels:
    """The networks with the arrays of export.diarizer_panels."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self._workspace = Workspace()

    def mel(self, samples: Samples, units: int) -> Floats:
        """float32 (n,), 16 kHz → log-mel (2 · units, 80)"""
        padded = np.zeros(units * UNIT + MEL_TAIL, np.float32)
        padded[: len(samples)] = samples
        spectrum = self._arrays["spectrum"]
        waves = np.empty((2 * units, len(spectrum) * FLOAT_PANEL), np.float32)
        float_layer(padded, HOP, spectrum, waves)
        np.square(waves, out=waves)
        cosines, sines = np.split(waves, 2, axis=1)
        power = cosines + sines
        mel = np.empty((len(power), MELS), np.float32)
        float_layer(power.ravel(), power.shape[1], self._arrays["mel"], mel)
        np.maximum(mel, np.finfo(np.float32).eps, out=mel)
        log_mel: Floats = np.log(mel, out=mel)
        return log_mel

    def features(self, row: Floats) -> Floats:
        """Log-mel less its mean (2 n, 80), n a multiple of 100 → (n, 512)"""
        arrays, frames = self._arrays, len(row) // 2
        hidden = self._workspace.floats("hidden", frames, CHANNELS)
        first = self._halve(self._head(row))
        np.maximum(first, ZERO, out=hidden[:, : first.shape[1]])
        for block, (layers, dilation) in enumerate(BLOCKS, start=1):
            for layer in range(1, layers + 1):
                self._append(hidden, f"dense{block}.{layer}", dilation)
            narrower = self._normalised_dense(hidden, f"transit{block}")
            hidden[:, : narrower.shape[1]] = narrower
        factor, shift = arrays["last_norm"]
        features: Floats = np.maximum(hidden[:, :FEATURES] * factor + shift, ZERO)
        return features

    def _head(self, row: Floats) -> Floats:
        """Mel × time as a picture: (frames, 80) → (10, frames, 32), before the ReLU"""
        picture = self._first_picture(row)
        for block in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
            x, step = self._bordered(picture)
            halves = f"{block}.shortcut.0" in self._arrays
            shortcut = (
                self._convolve(x, step, f"{block}.shortcut.0", 2) if halves else np.maximum(picture, ZERO, picture)
            )
            once = self._convolve(x, step, f"{block}.conv1", 2 if halves else 1)
            picture = self._convolve(*self._bordered(once), f"{block}.conv2", 1)
            picture += shortcut
        return self._convolve(*self._bordered(picture), "head.conv2", 2)

    def _first_picture(self, row: Floats) -> Floats:
        """3 × 3 taps over log-mel: (frames, 80) → (80, frames, 32)"""
        border = self._workspace.floats("border", MELS + 2, len(row) + 2)
        border[1:-1, 1:-1] = row.T
        taps = self._workspace.floats("taps", MELS, len(row), TAPS * TAPS + 1)
        taps[..., -1] = 1  # the bias's
        windows = np.lib.stride_tricks.sliding_window_view(border, (TAPS, TAPS))
        taps[..., :-1] = windows.reshape(MELS, len(row), -1)
        picture = self._workspace.floats("picture", MELS * len(row), PANEL)
        float_layer(taps.ravel(), taps.shape[2], self._arrays["picture"], picture)
        return picture.reshape(MELS, len(row), PANEL)

    def _convolve(self, x: Bytes, step: float, name: str, stride: int) -> Floats:
        """3 × 3 taps, or one, over a picture with its border → (mels / stride, frames, 32)"""
        arrays, flat, line = self._arrays, x.ravel(), x.shape[1] * PANEL
        weight, scale, bias = arrays[name], arrays[f"{name}_scale"], arrays[f"{name}_bias"]
        segments, inside = (1, line + PANEL) if ".shortcut" in name else (TAPS, 0)
        target = self._workspace.floats(name, (x.shape[0] - 2) // stride, x.shape[1] - 2, PANEL)
        steps = np.full(target.shape[1], step, np.float32)
        for mel, frames in enumerate(target):
            at = stride * mel * line + inside
            int8_layer(flat, at, PANEL, segments, line, steps, NO_OFFSETS, weight, scale, bias, frames)
        return target

    def _halve(self, picture: Floats) -> Floats:
        """Five taps over every second frame: (10, 2 n, 32) → (n, 128)"""
        arrays, frames = self._arrays, picture.shape[1]
        margin = HALVING_TAPS // 2
        flat = np.ascontiguousarray(picture.transpose(1, 0, 2)).reshape(frames, -1)
        x = self._workspace.bytes("halving", frames + 2 * margin, flat.shape[1])
        step = quantise_positive(flat, flat.max(), x, margin, 0)
        weight, scale, bias = arrays["halving"], arrays["halving_scale"], arrays["halving_bias"]
        target = np.empty((frames // 2, len(bias)), np.float32)
        steps = np.full(len(target), step, np.float32)
        int8_layer(x.ravel(), 0, 2 * x.shape[1], 1, 0, steps, NO_OFFSETS, weight, scale, bias, target)
        return target

    def _append(self, hidden: Floats, name: str, dilation: int) -> None:
        """A densely connected layer: 32 channels more, a convolution gated by the means around it."""
        arrays, frames, channels = self._arrays, len(hidden), self._arrays[f"{name}_norm"].shape[1]
        narrow = self._normalised_dense(hidden, name)
        np.maximum(narrow, ZERO, out=narrow)
        x = self._workspace.bytes("narrow", frames + 2 * dilation, narrow.shape[1])
        step = quantise_positive(narrow, narrow.max(), x, dilation, 0)
        local, steps = self._workspace.floats("local", frames, PANEL), np.full(frames, step, np.float32)
        width, weight, scale = x.shape[1], arrays[f"{name}_local"], arrays[f"{name}_local_scale"]
        bias = arrays[f"{name}_local_bias"]
        int8_layer(x.ravel(), 0, width, TAPS, dilation * width, steps, NO_OFFSETS, weight, scale, bias, local)
        gates = self._gates(narrow, name)
        local.reshape(-1, SEGMENT, PANEL)[:] *= gates[:, None]
        hidden[:, channels : channels + PANEL] = local

    def _gates(self, narrow: Floats, name: str) -> Floats:
        """Of every segment, from its mean and the row's: (n, 128) → (n / 100, 32)"""
        first, second = self._arrays[f"{name}_context1"], self._arrays[f"{name}_context2"]
        inner = np.maximum(averages(len(narrow)) @ narrow @ first[:-1] + first[-1], ZERO)
        gates: Floats = 1 / (1 + np.exp(-(inner @ second[:-1] + second[-1])))
        return gates

    def _normalised_dense(self, hidden: Floats, name: str) -> Floats:
        """Batch normalisation, ReLU and a dense layer over the first channels of (n, ≥ channels)."""
        arrays, norm = self._arrays, self._arrays[f"{name}_norm"]
        channels = norm.shape[1]
        x, steps = self._workspace.bytes("dense", len(hidden), channels), np.empty(len(hidden), np.float32)
        normalise_rows(hidden, norm, np.empty(channels, np.float32), x, steps)
        weight, scale, bias = arrays[name], arrays[f"{name}_scale"], arrays[f"{name}_bias"]
        target = self._workspace.floats("dense", len(hidden), len(bias))
        int8_layer(x.ravel(), 0, channels, 1, 0, steps, NO_OFFSETS, weight, scale, bias, target)
        return target

    def _bordered(self, picture: Floats) -> tuple[Bytes, float]:
        """A picture (mels, frames, 32) behind its ReLU, in 8 bits with a border of zeros, and its step."""
        mels, frames = picture.shape[:2]
        flat = picture.reshape(mels, -1)
        x = self._workspace.bytes("picture", mels + 2, (frames + 2) * PANEL)
        step = quantise_positive(flat, flat.max(), x, 1, PANEL)
        return x.reshape(mels + 2, frames + 2, PANEL), step


@cache
def averages(frames: int) -> Floats:
    """What makes of a row's frames the sum of each segment's mean and the row's: (segments, frames)"""
    segments = np.repeat(np.eye(frames // SEGMENT, dtype=np.float32), SEGMENT, axis=1) / SEGMENT
    return segments + np.float32(1 / frames)
