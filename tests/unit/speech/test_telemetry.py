import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("module", ["speech.activity", "export.quantization", "export.diarizer", "benchmarks.machine"])
def test_loading_onnx_runtime_prepares_no_reports_to_its_makers(module: str, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    environment |= {"HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    program = f"import {module}, onnxruntime; onnxruntime.SessionOptions()"

    subprocess.run([sys.executable, "-c", program], env=environment, check=True, cwd=Path(__file__).parents[3])

    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]


def test_without_it_there_would_be_some(tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}

    subprocess.run([sys.executable, "-c", "import onnxruntime"], env=environment, check=True)

    assert [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
