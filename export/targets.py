"""What each target serves on: the files that it writes, held against the reference before they are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.choice import Vocabulary
from export.decoder import DECODER_GRAPH, decoder_graph
from export.encoder import ENCODER_GRAPH, audio_encoder_graph, encoder_graph
from export.gpu_parity import check_gpu_graphs
from export.graph import save_graph
from export.onnx_cpu import Float, Int8
from export.onnx_gpu import Half
from export.packing import pack_decoder, pack_encoder
from export.parity import Tolerance, check_decoder, check_encoder, listen
from export.weights import Weights
from speech.whisper.audio_encoder import ENCODER_FILE, PANELS_FILE
from speech.whisper.cpu_engine import DECODER_FILE
from speech.whisper.manifest import Manifest


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime, and how its files are written."""

    name: str  # as in the manifest
    precision: dict[str, str]  # of each network's weights
    opset: dict[str, int]  # of each graph
    write: Callable[[Weights, Manifest, Path], dict[str, float]]  # raises: ParityError
    """Writes the engines beside the manifest, which lies there already; returns their errors by name."""


def write_cpu(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
    """ONNX Runtime and compiled kernels, in 8 bits."""
    tolerance, scaffold = Tolerance(), folder / "float.onnx"
    with progress("encoder graph"):
        save_graph(encoder_graph(weights, Float()).model(Float.opset), scaffold)
        save_graph(encoder_graph(weights, Int8()).model(Int8.opset), folder / ENCODER_FILE)
    with progress("panels for the compiled kernels"):
        np.savez(folder / PANELS_FILE, **pack_encoder(weights))
        np.savez(folder / DECODER_FILE, **pack_decoder(weights))
    with progress("parity with the reference"):
        heard = listen(weights)
        errors = {
            "encoder_graph": check_encoder(scaffold, heard, tolerance.graph),
            "encoder": check_encoder(folder / ENCODER_FILE, heard, tolerance.encoder),
            **check_decoder(folder, heard, tolerance),
        }
    for part in folder.glob(f"{scaffold.name}*"):
        part.unlink()
    return errors


def write_cuda(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
    """ONNX Runtime's CUDA provider, in float16."""
    vocabulary = Vocabulary(weights.dimensions.n_vocab, manifest.tokens, manifest.suppressed, manifest.suppressed_first)
    with progress("encoder and decoder graph"):
        save_graph(audio_encoder_graph(weights, Half()).model(Half.opset), folder / ENCODER_GRAPH)
        save_graph(decoder_graph(weights, vocabulary).model(Half.opset), folder / DECODER_GRAPH)
    with progress("parity with the reference"):
        return check_gpu_graphs(folder, weights, manifest)


CPU = Target(
    "onnx",
    {"encoder": "int8", "decoder": "int8 weights, float32 sums"},
    {"encoder": Int8.opset},
    write_cpu,
)
CUDA = Target(
    "cuda",
    {"encoder": "float16", "decoder": "float16"},
    {"encoder": Half.opset, "decoder": Half.opset},
    write_cuda,
)
TARGETS = {target.name: target for target in (CPU, CUDA)}


@contextmanager
def progress(what: str) -> Iterator[None]:
    print(f"{what} …", flush=True)
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
