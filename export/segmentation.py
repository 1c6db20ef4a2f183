"""The diarizer's segmentation network as a graph: PyanNet, a SincNet front and a bidirectional LSTM.

source: Bredin 2023, "pyannote.audio 2.1 speaker diarization pipeline"; powerset training: Plaquet and Bredin 2023
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from export.graph import FLOAT, Graph
from export.weights import Tensors
from speech.audio import SAMPLE_RATE
from speech.diarization.windows import FRAMES, WINDOW

HIDDEN = 128  # of the LSTM, in each direction
LAYERS = 4
CLASSES = 7  # nobody, three speakers, three pairs of them
STRIDE = 10  # samples, of the first convolution
POOL = 3
NORM_EPSILON = 1e-5
LEAK = 0.01
LOWEST, NARROWEST = 50, 50  # Hz
GATES = (0, 3, 1, 2)  # torch's order input, forget, cell, output in ONNX's: input, output, forget, cell

Array = NDArray[np.float32]


def segmentation_graph(tensors: Tensors) -> Graph:
    """input (windows, 160000), 10 s of samples → output (windows, 589, 7), log-probabilities of the powerset."""
    graph = Graph("segmentation")
    samples = graph.input("input", FLOAT, ["windows", WINDOW])
    hidden = _sincnet(graph, tensors, graph.node("Unsqueeze", [samples, graph.integers(1)]))
    hidden = graph.node("Transpose", [hidden], perm=[2, 0, 1])  # (frames, windows, 60)
    for layer in range(LAYERS):
        hidden = _lstm(graph, tensors, hidden, layer)
    hidden = graph.node("Transpose", [hidden], perm=[1, 0, 2])
    for name in ("linear.0", "linear.1"):
        dense = graph.linear(hidden, tensors[f"{name}.weight"], tensors[f"{name}.bias"], name)
        hidden = graph.node("LeakyRelu", [dense], alpha=LEAK)
    scores = graph.linear(hidden, tensors["classifier.weight"], tensors["classifier.bias"], "classifier")
    graph.output(graph.node("LogSoftmax", [scores], axis=-1), "output", FLOAT, ["windows", FRAMES, CLASSES])
    return graph


def sinc_filters(tensors: Tensors) -> Array:
    """80 band-pass filters of 251 taps from 40 learnt (low, band) pairs, even ones, then odd ones: (80, 1, 251).

    In float32, like the network that was trained: in float64 they differ by up to 2e-5 of their height.
    """
    name = "sincnet.conv1d.0.filterbank"
    time, window = tensors[f"{name}.n_"], tensors[f"{name}.window_"]
    low = LOWEST + np.abs(tensors[f"{name}.low_hz_"])
    high = np.clip(low + NARROWEST + np.abs(tensors[f"{name}.band_hz_"]), LOWEST, SAMPLE_RATE / 2).astype(np.float32)
    band = high - low
    left = window / (time / 2)
    even = (np.sin(high @ time) - np.sin(low @ time)) * left
    odd = (np.cos(low @ time) - np.cos(high @ time)) * left
    whole_even = np.concatenate([even, 2 * band, even[:, ::-1]], axis=1)
    whole_odd = np.concatenate([odd, np.zeros_like(band), -odd[:, ::-1]], axis=1)
    filters: Array = np.concatenate([whole_even, whole_odd]) / (2 * np.concatenate([band, band]))
    return filters[:, None]


def _sincnet(graph: Graph, tensors: Tensors, samples: str) -> str:
    """(windows, 1, 160000) → (windows, 60, 589)"""
    hidden = _instance_norm(graph, tensors, samples, "sincnet.wav_norm1d")
    for index in range(3):
        name = f"sincnet.conv1d.{index}"
        if index == 0:
            filtered = graph.conv(hidden, sinc_filters(tensors), None, name, strides=[STRIDE])
            hidden = graph.node("Abs", [filtered])
        else:
            hidden = graph.conv(hidden, tensors[f"{name}.weight"], tensors[f"{name}.bias"], name)
        pooled = graph.node("MaxPool", [hidden], kernel_shape=[POOL], strides=[POOL])
        normed = _instance_norm(graph, tensors, pooled, f"sincnet.norm1d.{index}")
        hidden = graph.node("LeakyRelu", [normed], alpha=LEAK)
    return hidden


def _instance_norm(graph: Graph, tensors: Tensors, source: str, name: str) -> str:
    scale, shift = (graph.constant(f"{name}.{part}", tensors[f"{name}.{part}"]) for part in ("weight", "bias"))
    return graph.node("InstanceNormalization", [source, scale, shift], epsilon=NORM_EPSILON)


def _lstm(graph: Graph, tensors: Tensors, source: str, layer: int) -> str:
    """(frames, windows, width) → (frames, windows, 256), forwards beside backwards."""
    parts = [_direction(tensors, f"l{layer}{suffix}") for suffix in ("", "_reverse")]
    weights = [
        graph.constant(f"lstm.l{layer}.{name}", np.stack(pair))
        for name, pair in zip(("input", "recurrence", "bias"), zip(*parts, strict=True), strict=True)
    ]
    (states,) = graph.nodes_of("LSTM", [source, *weights], outputs=1, direction="bidirectional", hidden_size=HIDDEN)
    beside = graph.node("Transpose", [states], perm=[0, 2, 1, 3])  # (frames, windows, directions, 128)
    return graph.node("Reshape", [beside, graph.integers(0, 0, -1)])


def _direction(tensors: Tensors, name: str) -> tuple[Array, Array, Array]:
    """ONNX's W (512, width), R (512, 128) and B (1024,)."""
    weight, recurrence = _gates(tensors[f"lstm.weight_ih_{name}"]), _gates(tensors[f"lstm.weight_hh_{name}"])
    biases = [_gates(tensors[f"lstm.bias_{part}_{name}"]) for part in ("ih", "hh")]
    return weight, recurrence, np.concatenate(biases)


def _gates(array: Array) -> Array:
    quarters = np.split(array, 4)
    return np.concatenate([quarters[gate] for gate in GATES])
