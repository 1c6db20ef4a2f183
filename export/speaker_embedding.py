"""The diarizer's speaker embedding as graphs: Kaldi's filterbank, and CAM++ up to the frames' features.

What pools the features over a speaker's frames is no graph: serving does it, with the last layer's weights.
source: Wang et al. 2023, "CAM++: a fast and efficient network for speaker verification using context-aware masking"
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from export.graph import FLOAT, Graph
from export.weights import Tensors
from speech.audio import SAMPLE_RATE
from speech.diarization.embeddings import FEATURES, MELS

FRAME, HOP, FFT = 400, 160, 512  # samples: Kaldi's 25 ms and 10 ms
BINS = FFT // 2 + 1
LOWEST = 20.0  # Hz, of the mel filters
EMPHASIS = 0.97
FULL_SCALE = 32768.0  # Kaldi's floor of the energies is meant for 16-bit amplitudes
NORM_EPSILON = 1e-5
SEGMENT = 100  # frames of 20 ms, over which the context is averaged
BLOCKS = ((12, 1), (24, 2), (16, 2))  # layers and dilation

FIRST = ("xvector.tdnn.linear", "xvector.tdnn.nonlinear.batchnorm")
PICTURE = {"pads": [1, 1, 1, 1]}  # of a kernel of 3 × 3
HALVING = PICTURE | {"strides": [2, 1]}  # of the mel axis

Array = NDArray[np.float32]
Doubles = NDArray[np.float64]


def filterbank_graph() -> Graph:
    """input (rows, samples) in [-1, 1] → output (rows, frames, 80): Kaldi's log-mel filterbank, without dither."""
    graph = Graph("filterbank")
    samples = graph.input("input", FLOAT, ["rows", "samples"])
    matrix = (spectrum_matrix() * FULL_SCALE).astype(np.float32)[:, None]
    spectrum = graph.conv(
        graph.node("Unsqueeze", [samples, graph.integers(1)]), matrix, None, "spectrum", strides=[HOP]
    )
    parts = [graph.slice(spectrum, start, start + BINS, axis=1) for start in (0, BINS)]
    power = graph.node("Add", [graph.node("Mul", [part, part]) for part in parts])
    energies = graph.conv(power, mel_filters().astype(np.float32)[:, :, None], None, "mel")
    floor = graph.constant("floor", np.array(np.finfo(np.float32).eps))
    log = graph.node("Log", [graph.node("Max", [energies, floor])])
    graph.output(graph.node("Transpose", [log], perm=[0, 2, 1]), "output", FLOAT, ["rows", "frames", MELS])
    return graph


def spectrum_matrix() -> Doubles:
    """Everything linear between 400 samples and their spectrum as one matrix, float64 (514, 400).

    Mean removal, pre-emphasis 0.97, Povey's window, zero padding to 512, discrete Fourier transform (257
    cosine rows, then 257 sine rows): the product with a window of samples is its spectrum.
    """
    remove_mean = np.eye(FRAME) - 1.0 / FRAME
    emphasis = np.eye(FRAME) - EMPHASIS * np.eye(FRAME, k=-1)
    emphasis[0, 0] = 1.0 - EMPHASIS  # Kaldi repeats the first sample before itself
    povey = (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / (FRAME - 1))) ** 0.85
    angle = 2 * np.pi * np.outer(np.arange(BINS), np.arange(FRAME)) / FFT
    fourier = np.concatenate([np.cos(angle), np.sin(angle)])
    matrix: Doubles = fourier @ (povey[:, None] * (emphasis @ remove_mean))
    return matrix


def mel_filters() -> Doubles:
    """Kaldi's triangular filters, float64 (80, 257): 20 Hz to 8 kHz, equal steps in 1127 ln(1 + f / 700)."""

    def mel(hertz: Doubles | float) -> Doubles:
        mels: Doubles = 1127.0 * np.log1p(np.asarray(hertz) / 700.0)
        return mels

    edges = np.linspace(mel(LOWEST), mel(SAMPLE_RATE / 2), MELS + 2)
    bins = mel(np.arange(BINS) * SAMPLE_RATE / FFT)
    rising = (bins - edges[:-2, None]) / (edges[1:-1] - edges[:-2])[:, None]
    falling = (edges[2:, None] - bins) / (edges[2:] - edges[1:-1])[:, None]
    filters: Doubles = np.maximum(0.0, np.minimum(rising, falling))
    filters[:, -1] = 0.0  # Kaldi leaves the Nyquist bin out
    return filters


def embedding_graph(tensors: Tensors) -> Graph:
    """input (rows, frames, 80), log-mel less its mean, frames a multiple of 200 → output (rows, frames / 2, 512)."""
    graph = Graph("embedding")
    mel = graph.input("input", FLOAT, ["rows", "frames", MELS])
    hidden = _head(graph, tensors, graph.node("Transpose", [mel], perm=[0, 2, 1]))
    hidden = _conv_norm(graph, tensors, hidden, FIRST, pads=[2, 2], strides=[2])
    hidden = graph.node("Relu", [hidden])
    for block, (layers, dilation) in enumerate(BLOCKS, start=1):
        for layer in range(1, layers + 1):
            name = f"xvector.block{block}.tdnnd{layer}"
            added = _dense_layer(graph, tensors, hidden, name, dilation)
            hidden = graph.node("Concat", [hidden, added], axis=1)
        name = f"xvector.transit{block}"
        normed = _norm_relu(graph, tensors, hidden, f"{name}.nonlinear.batchnorm")
        hidden = graph.conv(normed, tensors[f"{name}.linear.weight"], None, f"{name}.linear")
    hidden = _norm_relu(graph, tensors, hidden, "xvector.out_nonlinear.batchnorm")
    graph.output(graph.node("Transpose", [hidden], perm=[0, 2, 1]), "output", FLOAT, ["rows", "half_frames", FEATURES])
    return graph


def embedding_projection(tensors: Tensors) -> dict[str, Array]:
    """The last layer, from pooled statistics to the vector, with its normalisation: vector = weight @ x + bias."""
    name = "xvector.dense"
    scale = 1.0 / np.sqrt(_double(tensors, f"{name}.nonlinear.batchnorm.running_var") + NORM_EPSILON)
    weight = _double(tensors, f"{name}.linear.weight")[:, :, 0] * scale[:, None]
    bias = -_double(tensors, f"{name}.nonlinear.batchnorm.running_mean") * scale
    return {"weight": weight.astype(np.float32), "bias": bias.astype(np.float32)}


def _head(graph: Graph, tensors: Tensors, mel: str) -> str:
    """Mel × time as a picture: (rows, 80, frames) → (rows, 320, frames)."""
    hidden = graph.node("Unsqueeze", [mel, graph.integers(1)])
    hidden = graph.node("Relu", [_conv_norm(graph, tensors, hidden, ("head.conv1", "head.bn1"), **PICTURE)])
    for name in ("head.layer1.0", "head.layer1.1", "head.layer2.0", "head.layer2.1"):
        hidden = _residual_block(graph, tensors, hidden, name)
    hidden = graph.node("Relu", [_conv_norm(graph, tensors, hidden, ("head.conv2", "head.bn2"), **HALVING)])
    return graph.node("Reshape", [hidden, graph.integers(0, 320, -1)])


def _residual_block(graph: Graph, tensors: Tensors, source: str, name: str) -> str:
    halves = f"{name}.shortcut.0.weight" in tensors
    layout = HALVING if halves else PICTURE
    first = _conv_norm(graph, tensors, source, (f"{name}.conv1", f"{name}.bn1"), **layout)
    second = _conv_norm(graph, tensors, graph.node("Relu", [first]), (f"{name}.conv2", f"{name}.bn2"), **PICTURE)
    shortcut = source
    if halves:
        names = (f"{name}.shortcut.0", f"{name}.shortcut.1")
        shortcut = _conv_norm(graph, tensors, source, names, strides=HALVING["strides"])
    return graph.node("Relu", [graph.node("Add", [second, shortcut])])


def _dense_layer(graph: Graph, tensors: Tensors, source: str, name: str, dilation: int) -> str:
    """(rows, channels, frames) → (rows, 32, frames): a convolution, gated by the means around it."""
    normed = _norm_relu(graph, tensors, source, f"{name}.nonlinear1.batchnorm")
    narrow = _conv_norm(graph, tensors, normed, (f"{name}.linear1", f"{name}.nonlinear2.batchnorm"))
    return _context_mask(graph, tensors, graph.node("Relu", [narrow]), f"{name}.cam_layer", dilation)


def _context_mask(graph: Graph, tensors: Tensors, source: str, name: str, dilation: int) -> str:
    """A convolution whose output is gated by the mean of the whole row and of its 2-s segment."""
    local = graph.conv(
        source, tensors[f"{name}.linear_local.weight"], None, f"{name}.linear_local",
        pads=[dilation, dilation], dilations=[dilation],
    )  # fmt: skip
    segments = graph.integers(0, 0, -1, SEGMENT)
    mean = graph.node("ReduceMean", [source, graph.integers(2)], keepdims=1)
    means = graph.node("ReduceMean", [graph.node("Reshape", [source, segments]), graph.integers(3)], keepdims=0)
    context = graph.node("Add", [means, mean])  # (rows, 128, segments)
    for part, activation in (("linear1", "Relu"), ("linear2", "Sigmoid")):
        weight, bias = tensors[f"{name}.{part}.weight"], tensors[f"{name}.{part}.bias"]
        context = graph.node(activation, [graph.conv(context, weight, bias, f"{name}.{part}")])
    mask = graph.node("Unsqueeze", [context, graph.integers(3)])
    gated = graph.node("Mul", [graph.node("Reshape", [local, segments]), mask])
    return graph.node("Reshape", [gated, graph.integers(0, 0, -1)])


def _norm_relu(graph: Graph, tensors: Tensors, source: str, name: str) -> str:
    parts = [
        graph.constant(f"{name}.{part}", tensors[f"{name}.{part}"])
        for part in ("weight", "bias", "running_mean", "running_var")
    ]
    normed = graph.node("BatchNormalization", [source, *parts], epsilon=NORM_EPSILON)
    return graph.node("Relu", [normed])


def _conv_norm(graph: Graph, tensors: Tensors, source: str, names: tuple[str, str], **attributes: Any) -> str:
    weight, bias = folded_conv(tensors, names)
    return graph.conv(source, weight, bias, names[0], **attributes)


def folded_conv(tensors: Tensors, names: tuple[str, str]) -> tuple[Array, Array]:
    """Weight and bias of a convolution without a bias, with the batch normalisation behind it folded in."""
    conv, norm = names
    scale, shift = _scale_and_shift(tensors, norm)
    weight = _double(tensors, f"{conv}.weight")
    folded = weight * scale.reshape(-1, *[1] * (weight.ndim - 1))
    return folded.astype(np.float32), shift.astype(np.float32)


def folded_norm(tensors: Tensors, name: str) -> Array:
    """A batch normalisation as a factor and a summand of each channel: (2, channels)."""
    return np.stack(_scale_and_shift(tensors, name)).astype(np.float32)


def _scale_and_shift(tensors: Tensors, norm: str) -> tuple[Doubles, Doubles]:
    scale = _double(tensors, f"{norm}.weight") / np.sqrt(_double(tensors, f"{norm}.running_var") + NORM_EPSILON)
    return scale, _double(tensors, f"{norm}.bias") - _double(tensors, f"{norm}.running_mean") * scale


def _double(tensors: Tensors, name: str) -> Doubles:
    return tensors[name].astype(np.float64)
