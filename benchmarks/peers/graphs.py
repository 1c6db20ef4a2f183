"""Passes of an export for GPUs, through the engine that serves it, without scheduler and sound.

Runs in the service's environment: `python -m benchmarks.peers.graphs FOLDER [--provider cpu]`.
"""

from __future__ import annotations

import argparse
import time
from collections import deque
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.card import find_device
from benchmarks.peers.graphs_on_cpu import open_on_cpu
from benchmarks.peers.timed import Measure, Timing, answer
from speech.audio import SAMPLE_RATE
from speech.whisper.engine import GREEDY, Engine, PendingStep, read_prompts
from speech.whisper.manifest import read_manifest
from speech.whisper.serving import ServingOptions, open_for_timing

PLANS = {"tensorrt": ("TensorRT", "tensorrt"), "tensorrt-rtx": ("TensorRT-RTX", "tensorrt_rtx_bindings")}
LIBRARIES = ("tensorrt", "tensorrt-rtx-cu13-libs", "cuda-bindings", "onnxruntime-gpu", "onnxruntime")


def measure_passes(engine: Engine, prompt: list[int], batch: int, tokens: int) -> Timing:
    """As the scheduler does it: encoder batches, prompts, then steps of all, read `lookahead` steps late."""
    rng = np.random.default_rng(0)
    windows = list(rng.integers(-5000, 5000, (batch, 30 * SAMPLE_RATE), np.int16))
    slots = range(batch)
    began = time.perf_counter()
    for first in range(0, batch, engine.encode_batch):
        part = slots[first : first + engine.encode_batch]
        engine.encode(part, windows[part.start : part.stop], [engine.dimensions.n_audio_ctx] * len(part))
    read_prompts(engine, slots, [prompt] * batch)  # waits for its answer, so for the encoder's
    encoded = time.perf_counter()
    launched: deque[PendingStep] = deque()
    for _ in range(tokens):
        launched.append(engine.step(slots, [GREEDY] * batch))
        if len(launched) > engine.lookahead:
            launched.popleft().result()
    while launched:
        launched.popleft().result()
    ended = time.perf_counter()
    return Timing(encoded - began, (ended - encoded) / tokens, ended - began)


def _open(folder: Path, provider: str, options: ServingOptions) -> tuple[dict[str, Any], Measure]:
    manifest = read_manifest(folder)
    before = find_device()
    engine = open_on_cpu(folder, options) if provider == "cpu" else open_for_timing(folder, options)
    after = find_device()
    prompt = manifest.sot_sequence("en")
    description = {
        "model": manifest.id,
        "weights": manifest.source.origin if manifest.random else manifest.source.name,
        "dimensions": asdict(manifest.dimensions),
        "target": manifest.target,
        "precision": manifest.precision["encoder"],
        "library": _library(manifest.target, provider),
        "slots": engine.slots,
        "lookahead": engine.lookahead,
        "versions": _versions(),
        "memory": after.used - before.used if before and after else None,
    }
    return description, lambda batch, tokens: measure_passes(engine, prompt, batch, tokens)


def _library(target: str, provider: str) -> str:
    if provider == "cpu":
        return "ONNX Runtime, CPU"
    name, module = PLANS.get(target, ("", ""))
    return name if module and find_spec(module) else "ONNX Runtime, CUDA"


def _versions() -> dict[str, str]:
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--slots", type=int, default=0)
    chosen = parser.parse_args()
    options = ServingOptions(slots=chosen.slots)
    answer(lambda: _open(chosen.folder, chosen.provider, options))


if __name__ == "__main__":
    main()
