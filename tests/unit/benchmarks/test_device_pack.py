"""What is carried to a machine with a GPU: ONNX Runtime without what no Whisper needs, and a tokenizer."""

from __future__ import annotations

import lzma
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from benchmarks.device import pack as packing
from benchmarks.device.pack import CUDA_LIBRARY, pack
from benchmarks.environments import PROJECT

SCRIPT = PROJECT / "benchmarks" / "device" / "run.sh"


@pytest.fixture
def packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """By the packer as it is, but for the machine code, which needs a library of 200 MB."""
    monkeypatch.setattr(packing, "keep_only", lambda content, wanted: len(content))
    with zipfile.ZipFile(tmp_path / "wheel.whl", "w") as wheel:
        for name in ("onnxruntime/__init__.py", CUDA_LIBRARY, "onnxruntime/transformers/models.py", "licenses/x"):
            wheel.writestr(name, name)
    (tmp_path / "tokenizer.json").write_text("{}")
    pack(tmp_path / "wheel.whl", tmp_path / "tokenizer.json", tmp_path / "packed", 90)
    return tmp_path / "packed"


def test_what_no_whisper_needs_stays_behind(packed: Path) -> None:
    with tarfile.open(packed / "onnxruntime.tar.xz") as carried:
        members = {each.name: each.mode for each in carried}

    assert members == {"onnxruntime/__init__.py": 0o644, CUDA_LIBRARY: 0o755, "licenses/x": 0o644}
    assert lzma.decompress((packed / "tokenizer.json.xz").read_bytes()) == b"{}"


def test_the_script_unpacks_what_was_packed(packed: Path, tmp_path: Path) -> None:
    """Its own lines, run by themselves; the rest is timings, which a machine without a GPU rehearses by hand."""
    found = re.search(r"<<'UNPACK'\n(.+?)\nUNPACK\n", SCRIPT.read_text(), flags=re.DOTALL)
    assert found is not None
    site = tmp_path / "site"
    site.mkdir()

    subprocess.run([sys.executable, "-c", found[1], packed, site], check=True)

    assert (site / CUDA_LIBRARY).read_text() == CUDA_LIBRARY
    assert (site / "tokenizer.json").read_text() == "{}"


def test_the_script_is_one_that_a_shell_reads() -> None:
    subprocess.run(["bash", "-n", SCRIPT], check=True)
