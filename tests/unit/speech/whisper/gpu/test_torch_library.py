"""The graphs in plain torch say what they say in ONNX Runtime. Runs where torch is; no environment here brings it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks.device.check import decode
from export.random_weights import random_weights
from export.sources import NO_FILE
from export.targets import UNCHECKED_CUDA
from export.whisper import build
from speech.whisper.gpu.device_memory import HostMemory
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.factory import open_runner
from speech.whisper.gpu.library import GraphLibrary
from speech.whisper.gpu.onnx_library import OnnxLibrary, SessionSettings, load_sessions
from speech.whisper.manifest import RANDOM, Source, read_manifest
from tests.unit.export.small_whispers import dimensions, opened

torch = pytest.importorskip("torch", reason="torch is not installed")

SLOTS = 5
EMBEDDING = "decoder.token_embedding.weight"
LOUD = 20  # times the embedding: few tokens are probable, so that rounding moves no draw to another one


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    drawn = random_weights(dimensions(128, (1, 2)), ((0, 0), (1, 1)))
    tensors = {name: LOUD * drawn.tensors[name] if name == EMBEDDING else drawn.tensors[name] for name in drawn.tensors}
    weights = opened(replace(drawn, tensors=tensors), tmp_path_factory.mktemp("source"))
    build("base", replace(weights, source=Source("noise", RANDOM, "none", NO_FILE)), place, UNCHECKED_CUDA)
    return place


@contextmanager
def engine(folder: Path, library: GraphLibrary, memory: HostMemory) -> Iterator[GraphEngine]:
    manifest = read_manifest(folder)
    opened = GraphEngine(manifest, open_runner(manifest, library, SLOTS, 2, memory))
    opened.warm_up()
    yield opened
    opened.close()


def test_torch_says_what_onnx_runtime_says(folder: Path) -> None:
    from speech.whisper.gpu.torch_library import TorchLibrary

    memory = HostMemory()
    sessions = load_sessions(folder, SessionSettings("CPUExecutionProvider", threads=1))
    with engine(folder, OnnxLibrary(sessions, memory.device), memory) as expected:
        theirs = decode(expected)
    memory = HostMemory()
    with engine(folder, TorchLibrary(folder, memory), memory) as plain:
        assert not plain.captured, "a processor has no CUDA graphs"
        ours = decode(plain)
    assert ours.tokens == theirs.tokens
    assert ours.short == theirs.short
    assert ours.drafted == theirs.drafted == [ours.short, ours.short[:5]]
    np.testing.assert_allclose(np.concatenate(ours.logprobs), np.concatenate(theirs.logprobs), atol=5e-2)
    np.testing.assert_allclose(ours.alignment, theirs.alignment, atol=2e-3)
    np.testing.assert_allclose(ours.language, theirs.language, atol=2e-3)
