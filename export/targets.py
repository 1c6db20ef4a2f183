"""What each target serves on: the files that it writes, held against the reference before they are used."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from export.choice import Vocabulary
from export.decoder import decoder_graph
from export.encoder import audio_encoder_graph, encoder_graph
from export.gpu_parity import TOLERANCE, check_gpu_graphs
from export.graph import save_graph
from export.onnx_cpu import Float, Int8
from export.onnx_gpu import Half
from export.packing import pack_decoder, pack_encoder
from export.parity import Tolerance, check_decoder, check_encoder, listen
from export.quantization import GRIDS, Quantised, calibrate, check_card
from export.recordings import InvalidRecordings, read_windows
from export.tensorrt import DECODER_PROFILES, ENCODER_PROFILES, Plan, compile_plan, load_tensorrt
from export.weights import Weights
from speech.whisper.cpu.encoders import ENCODER_FILE, PANELS_FILE
from speech.whisper.cpu.engine import DECODER_FILE
from speech.whisper.gpu.artifacts import DECODER_GRAPH, DECODER_PLAN, ENCODER_GRAPH, ENCODER_PLAN
from speech.whisper.manifest import Compiled, Manifest


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime, and how its files are written."""

    name: str  # as in the manifest
    precision: dict[str, str]  # of each network's weights
    opset: dict[str, int]  # of each graph
    write: Callable[[Weights, Manifest, Path], dict[str, float]]  # raises: ParityError
    """Writes the engines beside the manifest, which lies there already; returns their errors by name."""
    compiled: Compiled | None = None  # by and for what, where that matters


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
    return _write_graphs(weights, manifest, folder, Half())


def _write_graphs(weights: Weights, manifest: Manifest, folder: Path, dialect: Half) -> dict[str, float]:
    vocabulary = Vocabulary(weights.dimensions.n_vocab, manifest.tokens, manifest.suppressed, manifest.suppressed_first)
    with progress("encoder and decoder graph"):
        save_graph(audio_encoder_graph(weights, dialect).model(dialect.opset), folder / ENCODER_GRAPH)
        save_graph(decoder_graph(weights, vocabulary).model(Half.opset), folder / DECODER_GRAPH)
    with progress("parity with the reference"):
        tolerance = TOLERANCE if type(dialect) is Half else TOLERANCE | {"encoder": Tolerance().encoder}
        return check_gpu_graphs(folder, weights, manifest, tolerance)


HALVES = {"encoder": "float16", "decoder": "float16"}
GPU_OPSET = {"encoder": Half.opset, "decoder": Half.opset}
CPU = Target("onnx", {"encoder": "int8", "decoder": "int8 weights, float32 sums"}, {"encoder": Int8.opset}, write_cpu)
CUDA = Target("cuda", HALVES, GPU_OPSET, write_cuda)


def tensorrt_target(precision: str, recordings: Path | None, timings: Path) -> Target:
    """Plans for the TensorRT and the card at hand.

    precision: float16, or one of GRIDS for the encoder; recordings: folder that its scales are calibrated on
    timings: folder for what TensorRT learns about the card's kernels
    raises: CompileError where TensorRT is missing or the card cannot do it; InvalidRecordings
    """
    quantised = precision in GRIDS
    if quantised and recordings is None:
        raise InvalidRecordings(f"--precision {precision} needs --recordings, a folder with some minutes of speech")
    trt, here = load_tensorrt()
    if quantised:
        check_card(precision, here)
    file = timings / f"tensorrt-{here.version}-{here.compute_capability}.timings"

    def write(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
        errors = _write_graphs(weights, manifest, folder, _dialect(weights, precision, recordings))
        timings.mkdir(parents=True, exist_ok=True)
        for graph, plan, profiles in (
            (ENCODER_GRAPH, ENCODER_PLAN, ENCODER_PROFILES),
            (DECODER_GRAPH, DECODER_PLAN, DECODER_PROFILES),
        ):
            with progress(f"{plan} by TensorRT {here.version} for compute capability {here.compute_capability}"):
                compile_plan(trt, Plan(folder / graph, folder / plan, profiles), file)
        return errors

    return Target("tensorrt", HALVES | {"encoder": precision}, GPU_OPSET, write, here)


def _dialect(weights: Weights, precision: str, recordings: Path | None) -> Half:
    if precision not in GRIDS or recordings is None:
        return Half()
    with progress(f"calibration on {recordings}"):
        return Quantised(GRIDS[precision], calibrate(weights, read_windows(recordings)))


@contextmanager
def progress(what: str) -> Iterator[None]:
    print(f"{what} …", flush=True)
    started = time.monotonic()
    yield
    print(f"{what}: {time.monotonic() - started:.1f} s", flush=True)
