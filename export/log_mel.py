"""The log-mel spectrogram as a graph, so that it is computed on the GPU and only audio crosses the bus."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.graph import FLOAT, Graph
from speech.whisper.log_mel import (
    DYNAMIC_RANGE,
    HOP,
    LEAST_POWER,
    N_FFT,
    hann,
    mel_filters,
)

BLOCKS = -(-N_FFT // HOP)  # hops that a window touches: 3


def log_mel_nodes(graph: Graph, audio: str, n_mels: int) -> str:
    """audio (b, n) float32, −1..1, n a multiple of 320 → log-mel (b, n_mels, n / 160) in the graph's precision.

    A window is BLOCKS hops side by side, and its Fourier transform a matrix product: the same numbers as
    speech.whisper.log_mel, all of them in float32 until the last.
    """
    half = N_FFT // 2
    pads = graph.integers(0, half, 0, (BLOCKS - 1) * HOP - half)
    padded = graph.node("Pad", [audio, pads], mode="reflect")
    hops = graph.node("Reshape", [padded, graph.integers(0, -1, HOP)])
    ends = [*range(1 - BLOCKS, 0), np.iinfo(np.int64).max]  # as many hops of each as the audio has
    shifted = [graph.slice(hops, shift, end, axis=1) for shift, end in enumerate(ends)]
    windows = graph.node("Concat", shifted, axis=2)  # (b, n / 160, 480)
    waves = graph.node("MatMul", [windows, graph.exact("fourier", _fourier())])
    power = graph.node("MatMul", [graph.node("Mul", [waves, waves]), graph.exact("mels", _mels(n_mels))])
    audible = graph.node("Max", [power, graph.exact("least_power", np.array(LEAST_POWER))])
    log10 = graph.node("Mul", [graph.node("Log", [audible]), graph.exact("log10", np.array(1 / np.log(10)))])
    loudest = graph.node("ReduceMax", [log10, graph.integers(1, 2)], keepdims=1)
    floor = graph.node("Sub", [loudest, graph.exact("range", np.array(DYNAMIC_RANGE))])
    heard = graph.node("Max", [log10, floor])
    moved = graph.node("Add", [heard, graph.exact("mel_shift", np.array(4.0))])
    scaled = graph.node("Mul", [moved, graph.exact("mel_scale", np.array(0.25))])
    turned = graph.node("Transpose", [scaled], perm=[0, 2, 1])
    return turned if graph.element == FLOAT else graph.node("Cast", [turned], to=graph.element)


def _fourier() -> NDArray[np.float32]:
    """Windowed cosines, then sines: (480, 402); the last hop's second half is outside of the window."""
    time, bins = np.arange(N_FFT), np.arange(N_FFT // 2 + 1)
    angle = 2 * np.pi * np.outer(time, bins) / N_FFT
    waves = np.concatenate([np.cos(angle), -np.sin(angle)], axis=1) * hann()[:, None]
    return np.pad(waves, ((0, BLOCKS * HOP - N_FFT), (0, 0))).astype(np.float32)


def _mels(n_mels: int) -> NDArray[np.float32]:
    """The filters, twice: of the squares of cosines and of sines: (402, n_mels)."""
    return np.tile(mel_filters(n_mels).T, (2, 1))
