"""What each target writes, and its comparison with the reference before it is used."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import numpy as np

from export.cpu_dialect import Float32Dialect, Int8Dialect
from export.decoder import decoder_graph, step_graph
from export.encoder import audio_encoder_graph, encoder_graph
from export.gpu_dialect import Float16Dialect
from export.gpu_parity import TOLERANCE, check_gpu_graphs
from export.graph import save_graph, share_weights
from export.packing import pack_decoder, pack_encoder
from export.parity import ReferenceOutput, Tolerance, check_decoder, check_encoder, check_reference, run_reference
from export.progress import step
from export.quantization import FORMATS, QuantizedDialect, calibrate, check_card
from export.recordings import InvalidRecordings, read_windows
from export.tensorrt import DECODER_PROFILES, ENCODER_PROFILES, STEP_PROFILES, PlanCompiler, PlanRequest
from export.token_selection import Vocabulary
from export.weights import Weights
from speech.whisper.batching.term_bias import opens_word
from speech.whisper.cpu.encoders import ENCODER_FILE, PANELS_FILE
from speech.whisper.cpu.engine import DECODER_FILE
from speech.whisper.gpu.artifacts import (
    DECODER_GRAPH,
    DECODER_PLAN,
    ENCODER_GRAPH,
    ENCODER_PLAN,
    STEP_GRAPH,
    STEP_PLAN,
)
from speech.whisper.manifest import Compiled, Manifest
from speech.whisper.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True)
class Target:
    """A runtime, and how its files are written."""

    name: str  # as in the manifest
    precision: dict[str, str]  # of each network's weights
    opset: dict[str, int]  # of each graph
    write: Callable[[Weights, Manifest, Path], dict[str, float]]  # raises: ParityError
    """Writes the engines of a manifest that has neither parity nor files yet; returns their errors by name."""
    compiled: Compiled | None = None  # by and for what, where that matters
    prepare: Callable[[], AbstractContextManager[None]] = nullcontext  # entered before weights are fetched


class KernelCompilation(Protocol):
    """What compiles the CPU's kernels meanwhile."""

    def running(self) -> AbstractContextManager[None]:
        """Starts; ends with the context."""

    def wait(self) -> None:
        """Returns when all is compiled."""


def cpu_target(compiler: KernelCompilation | None = None) -> Target:
    """ONNX Runtime and compiled kernels, in 8 bits."""

    def write(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
        write_cpu_files(weights, folder)
        with step("parity with the reference"):
            reference = run_reference(weights)
            errors = check_reference(weights, manifest.source.sha256, reference)
            errors |= _encoder_errors(weights, folder, reference)
            if compiler is not None:
                compiler.wait()
            return errors | check_decoder(folder, manifest, reference, Tolerance())

    precision = {"encoder": "int8", "decoder": "int8 weights, float32 sums"}
    prepare = nullcontext if compiler is None else compiler.running
    return Target("cpu", precision, {"encoder": Int8Dialect.opset}, write, prepare=prepare)


def write_cpu_files(weights: Weights, folder: Path) -> None:
    """What CpuEngine reads, but the manifest."""
    with step("encoder graph"):
        save_graph(encoder_graph(weights, Int8Dialect()).model(Int8Dialect.opset), folder / ENCODER_FILE)
    with step("panels for the compiled kernels"):
        np.savez(folder / PANELS_FILE, **pack_encoder(weights))
        np.savez(folder / DECODER_FILE, **pack_decoder(weights))


def _encoder_errors(weights: Weights, folder: Path, reference: ReferenceOutput) -> dict[str, float]:
    """Of the graph in float32, which shows a wrong layer, and of the one in 8 bits, which is served."""
    tolerance, float_graph = Tolerance(), folder / "float.onnx"
    save_graph(encoder_graph(weights, Float32Dialect()).model(Float32Dialect.opset), float_graph)
    errors = {
        "encoder_graph": check_encoder(float_graph, reference, tolerance.graph),
        "encoder": check_encoder(folder / ENCODER_FILE, reference, tolerance.encoder),
    }
    for part in folder.glob(f"{float_graph.name}*"):
        part.unlink()
    return errors


def write_cuda(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
    """ONNX Runtime's CUDA provider, in float16."""
    _write_graphs(weights, manifest, folder, Float16Dialect())
    return _graph_errors(weights, manifest, folder, Float16Dialect())


def write_cuda_unchecked(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
    """The same without holding it against the reference: for random weights, which only time something."""
    _write_graphs(weights, manifest, folder, Float16Dialect())
    return {}


def _write_graphs(weights: Weights, manifest: Manifest, folder: Path, dialect: Float16Dialect) -> None:
    never = manifest.suppressed, manifest.suppressed_first
    vocabulary = Vocabulary(weights.dimensions.n_vocab, manifest.tokens, *never, open=_open_tokens(folder))
    with step("encoder and decoder graphs"):
        save_graph(audio_encoder_graph(weights, dialect).model(dialect.opset), folder / ENCODER_GRAPH)
        decoder = decoder_graph(weights, vocabulary)
        save_graph(decoder.model(Float16Dialect.opset), folder / DECODER_GRAPH)
        one_token = step_graph(weights, vocabulary, decoder).model(Float16Dialect.opset)
        share_weights(one_token, folder / DECODER_GRAPH)
        save_graph(one_token, folder / STEP_GRAPH)


def _open_tokens(folder: Path) -> tuple[int, ...]:
    """Of the tokenizer that lies there."""
    tokenizer = Tokenizer.load(folder)
    return tuple(token for token in range(tokenizer.special.end_of_text) if opens_word(tokenizer, token))


def _graph_errors(weights: Weights, manifest: Manifest, folder: Path, dialect: Float16Dialect) -> dict[str, float]:
    with step("parity with the reference"):
        tolerance = TOLERANCE if type(dialect) is Float16Dialect else TOLERANCE | {"encoder": Tolerance().encoder}
        reference = check_reference(weights, manifest.source.sha256)
        return reference | check_gpu_graphs(folder, weights, manifest, tolerance)


FLOAT16 = {"encoder": "float16", "decoder": "float16"}
GPU_OPSET = {"encoder": Float16Dialect.opset, "decoder": Float16Dialect.opset}
CPU = cpu_target()
TARGETS = ("cpu", "cuda", "tensorrt", "tensorrt-rtx")
CUDA = Target("cuda", FLOAT16, GPU_OPSET, write_cuda)
UNCHECKED_CUDA = replace(CUDA, write=write_cuda_unchecked)


def plans_target(
    name: str, precision: str, recordings: Path | None, open_compiler: Callable[[], PlanCompiler]
) -> Target:
    """Plans for what the compiler compiles for.

    name: tensorrt or tensorrt-rtx
    precision: float16, or one of FORMATS for the encoder; recordings: folder that its scales are calibrated on
    raises: CompileError where it is missing or the card cannot do it; InvalidRecordings
    """
    quantised = precision in FORMATS
    if quantised and recordings is None:
        raise InvalidRecordings(f"--precision {precision} needs --recordings, a folder with some minutes of speech")
    compiler = open_compiler()
    here = compiler.here
    if quantised:
        check_card(precision, here)

    def write(weights: Weights, manifest: Manifest, folder: Path) -> dict[str, float]:
        dialect = _dialect(weights, precision, recordings)
        _write_graphs(weights, manifest, folder, dialect)
        errors = _graph_errors(weights, manifest, folder, dialect)
        for graph, plan, profiles in (
            (ENCODER_GRAPH, ENCODER_PLAN, ENCODER_PROFILES),
            (DECODER_GRAPH, DECODER_PLAN, DECODER_PROFILES),
            (STEP_GRAPH, STEP_PLAN, STEP_PROFILES),
        ):
            with step(f"{plan} by {name} {here.version} for compute capability {here.compute_capability}"):
                compiler.compile(PlanRequest(folder / graph, folder / plan, profiles))
        return errors

    return Target(name, FLOAT16 | {"encoder": precision}, GPU_OPSET, write, here)


def _dialect(weights: Weights, precision: str, recordings: Path | None) -> Float16Dialect:
    if precision not in FORMATS or recordings is None:
        return Float16Dialect()
    with step(f"calibration on {recordings}"):
        return QuantizedDialect(FORMATS[precision], calibrate(weights, read_windows(recordings)))
