"""What the GPU half runs on: nothing but what the lock files of the GPU images name, under whatever name it comes."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.peers.graphs_on_cpu import open_on_cpu
from export.random_weights import random_weights
from export.targets import CUDA
from export.whisper import build
from speech.whisper.engine import GREEDY
from speech.whisper.serving import ServingOptions
from tests.unit.export.small_whispers import dimensions, opened

ROOT = Path(__file__).parents[3]
ALLOWED = {"numpy", "onnx", "onnxruntime", "tokenizers", "numba", "cuda", "pynvml"}
ALLOWED |= {"google", "huggingface_hub", "llvmlite", "ml_dtypes", "typing_extensions"}  # what these import
MODULES = (
    "export.__main__",
    "benchmarks.gpu",
    "benchmarks.peers.graphs",
    "speech.whisper.serving",
    "speech.whisper.gpu.onnx_library",
    "speech.whisper.gpu.factory",
)
SCRIPT = """
import importlib, sys
allowed, modules = (argument.split() for argument in sys.argv[1:])

class Finder:
    def find_spec(self, name, path=None, target=None):
        top = name.split(".")[0]
        ours = top in ("export", "benchmarks", "speech")
        if not ours and top not in sys.stdlib_module_names and top not in allowed and not top.startswith("_"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Finder())
for module in modules:
    importlib.import_module(module)
"""


def test_a_gpu_machine_needs_no_other_package() -> None:
    command = [sys.executable, "-c", SCRIPT, " ".join(sorted(ALLOWED)), " ".join(MODULES)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)

    assert done.returncode == 0, done.stderr[-2000:]


def test_an_export_needs_no_distribution_of_the_module_s_name_and_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPU images hold the distribution onnxruntime-gpu and none that is called onnxruntime."""
    known = importlib.metadata.version

    def version(name: str) -> str:
        if name == "onnxruntime":
            raise importlib.metadata.PackageNotFoundError(name)
        return known(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    source, folder = opened(random_weights(dimensions(128, (1, 1))), tmp_path), tmp_path / "1"
    folder.mkdir()

    manifest = build("base", source, folder, CUDA)

    assert set(manifest.versions) == {"recipe", "python", "numpy", "onnx", "onnxruntime"}
    engine = open_on_cpu(folder, ServingOptions(slots=3))
    engine.encode([2, 0], [np.zeros(100, np.int16)] * 2, [1500, 1500])
    engine.prefill([2, 0], [manifest.sot_sequence("en")] * 2)
    together = [engine.step([2, 0], [GREEDY] * 2).result().tokens.tolist() for _ in range(3)]
    engine.close()
    assert all(one == other for one, other in together), "two slots of the same sound"
