"""Dense layers of the encoder in 8 bits for TensorRT: quantised and dequantised in the graph, by fixed scales.

The scales come from calibration: sound goes through the float encoder, which tells how large the input of every
dense layer becomes, channel by channel. A few channels are far larger than the rest; for evenly spaced numbers
half of that (in the exponent) is moved into the weights, where each column has a scale of its own.
source: Xiao et al. 2023, SmoothQuant
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from export.encoder import audio_encoder_graph
from export.gpu_dialect import Float16Dialect
from export.graph import Graph
from export.tensorrt import CompileError
from export.weights import Weights
from speech.audio import Samples, to_pcm
from speech.whisper.log_mel import MAX_SAMPLES
from speech.whisper.manifest import Compiled

LEAST = 1e-5  # a channel that is never heard keeps a scale
Array = NDArray[np.float32]
ActivationPeaks = Mapping[str, Array]  # largest absolute value of each input channel, by layer


@dataclass(frozen=True, slots=True)
class QuantizationFormat:
    """Numbers of one byte."""

    kind: type[np.generic]
    largest: float
    place: Callable[[Array], NDArray[np.generic]]
    compute_capability: tuple[int, int]  # of the first cards that multiply them
    smoothing: float  # share of an input channel's range that goes into the weights
    kept: str  # layers that stay in float16: what GELU gives is forty times larger in a few channels


def _nearest_integers(values: Array) -> NDArray[np.generic]:
    return np.rint(values).clip(-127, 127).astype(np.int8)


def _nearest_floats(values: Array) -> NDArray[np.generic]:
    return values.clip(-448, 448).astype(ml_dtypes.float8_e4m3fn)


FORMATS = {
    "int8": QuantizationFormat(np.int8, 127, _nearest_integers, (7, 5), 0.5, ".mlp.2"),
    "float8": QuantizationFormat(ml_dtypes.float8_e4m3fn, 448, _nearest_floats, (8, 9), 0.0, "none"),
}


def check_card(precision: str, card: Compiled) -> None:
    """raises: CompileError if the card does not multiply such numbers"""
    least = FORMATS[precision].compute_capability
    if tuple(map(int, card.compute_capability.split("."))) < least:
        needed = "{}.{}".format(*least)
        raise CompileError(
            f"--precision {precision} needs a card of compute capability {needed} or later; "
            f"this one has {card.compute_capability}. int8 runs from 7.5 on, float16 everywhere."
        )


class QuantizedDialect(Float16Dialect):
    """Float16Dialect, with 8-bit products: one scale for a layer's input, one for each column of its weights."""

    def __init__(self, grid: QuantizationFormat, peaks: ActivationPeaks) -> None:
        self._grid = grid
        self._peaks = peaks

    def linear(self, graph: Graph, source: str, weight: Array, bias: Array, name: str) -> str:
        if name.endswith(self._grid.kept):
            return super().linear(graph, source, weight, bias, name)
        heard = np.maximum(self._peaks[name], LEAST)
        smooth = self._smoothing(heard, weight)
        if self._grid.smoothing:
            source = graph.node("Mul", [source, graph.constant(f"{name}.smoothing", 1 / smooth)])
        scale = graph.constant(f"{name}.input_scale", np.array((heard / smooth).max() / self._grid.largest))
        zero = graph.constant(f"{name}.zero", np.zeros((), self._grid.kind))
        rounded = graph.node("QuantizeLinear", [source, scale, zero])
        known = graph.node("DequantizeLinear", [rounded, scale, zero])
        product = graph.node("MatMul", [known, self._weight(graph, (weight * smooth).T, name)])
        return graph.node("Add", [product, graph.constant(f"{name}.bias", bias)])

    def _smoothing(self, heard: Array, weight: Array) -> Array:
        """What each input channel is divided by: (in,), one on average."""
        share = self._grid.smoothing
        ratio = heard**share / np.maximum(np.abs(weight).max(axis=0), LEAST) ** (1 - share) if share else heard**0
        even: Array = np.maximum(ratio / ratio.mean(), LEAST).astype(np.float32)
        return even

    def _weight(self, graph: Graph, matrix: Array, name: str) -> str:
        """(in, out)"""
        scale = np.maximum(np.abs(matrix).max(axis=0), LEAST) / self._grid.largest
        inputs = [
            graph.constant(f"{name}.weight", self._grid.place(matrix / scale)),
            graph.constant(f"{name}.scale", scale),
            graph.constant(f"{name}.zeros", np.zeros(len(scale), self._grid.kind)),
        ]
        return graph.node("DequantizeLinear", inputs, axis=1)


class CalibrationDialect(Float16Dialect):
    """Float16Dialect that tells, as further outputs, the peaks of what each dense layer is given."""

    def __init__(self) -> None:
        self.layers: list[str] = []

    def linear(self, graph: Graph, source: str, weight: Array, bias: Array, name: str) -> str:
        self.layers.append(name)
        size = graph.node("Abs", [source])
        peak = graph.node("ReduceMax", [size, graph.integers(0, 1)], keepdims=0)
        graph.output(peak, f"{name}.peak", graph.element, [weight.shape[1]])
        return super().linear(graph, source, weight, bias, name)


def calibrate(weights: Weights, windows: Iterable[Samples]) -> ActivationPeaks:
    """ActivationPeaks over all windows, (in,) for each dense layer of the encoder.

    windows: float32 (n,), n ≤ 480_000, at 16 kHz
    """
    dialect = CalibrationDialect()
    model = audio_encoder_graph(weights, dialect).model(dialect.opset)
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    names = [f"{name}.peak" for name in dialect.layers]
    peaks = [np.zeros((), np.float32) for _ in names]
    for samples in windows:
        audio = np.zeros((1, MAX_SAMPLES), np.int16)
        audio[0, : len(samples)] = to_pcm(samples)
        heard = session.run(names, {"audio": audio.view(np.uint8)})
        peaks = [np.maximum(peak, other.astype(np.float32)) for peak, other in zip(peaks, heard, strict=True)]
    return dict(zip(dialect.layers, peaks, strict=True))
