"""An export for TensorRT for RTX on a machine without a GPU, in a process of its own: its crash fails one test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from speech.whisper.manifest import Compiled, read_manifest

ROOT = Path(__file__).parents[3]
SECONDS = 500  # plans take a few; a machine may be busy
SCRIPT = """
import sys
from pathlib import Path
from export.random_weights import random_weights
from export.rtx import RtxCompiler
from export.targets import plans_target
from export.whisper import build
from tests.unit.export.small_whispers import dimensions, opened

folder = Path(sys.argv[1])
target = plans_target("tensorrt-rtx", "float16", None, lambda: RtxCompiler("8.0"))
build("base", opened(random_weights(dimensions(512, (1, 1))), folder.parent), folder, target)
"""


def test_plans_are_compiled_for_a_card_that_is_not_here(tmp_path: Path) -> None:
    folder = tmp_path / "1"
    folder.mkdir()

    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, folder], cwd=ROOT, capture_output=True, text=True, timeout=SECONDS, check=False
    )

    assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
    manifest = read_manifest(folder)
    assert (manifest.target, manifest.tensorrt) == ("tensorrt-rtx", Compiled("1.7.1.116", "8.0"))
    assert {"encoder.plan", "decoder.plan", "step.plan", "step.onnx"} <= set(manifest.files)
    assert manifest.parity["logprob"] < 2e-2
