"""An environment with exactly the packages of its locks: made whole, or made again."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from setup.pruning import prune
from setup.steps import Step, StepFailed

MADE = "made.stamp"  # written when the environment is whole; holds the version of its Python
UNFINISHED = "unfinished"  # lies there until then
PYTHON = getattr(sys, "_base_executable", sys.executable)  # not that of an environment which may have to go
VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
_PACKAGE = re.compile(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?==", re.MULTILINE)  # of a lock
INSTALLERS = frozenset({"pip", "setuptools"})
_MEGABYTES = {"kB": 1e-3, "MB": 1.0, "GB": 1e3}
_DOWNLOADING = re.compile(r"^ *Downloading .* \(([\d.]+) (kB|MB|GB)\)")


@dataclass(frozen=True)
class Environment:
    folder: Path

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def is_made(self) -> bool:
        """Whether it was finished, by this version of Python."""
        stamp = self.folder / MADE
        if (self.folder / UNFINISHED).exists() or not self.python.exists():
            return False
        if not stamp.is_file() and self._version() == VERSION:  # made by other means, and whole
            stamp.write_text(f"{VERSION}\n", encoding="ascii")
        return stamp.is_file() and stamp.read_text(encoding="ascii").strip() == VERSION

    def make(self, step: Step) -> None:
        """Makes it, in place of what an interrupted run, or another version of Python, left there.

        raises: StepFailed
        """
        if self.folder.exists():
            step.result = "made again"
            shutil.rmtree(self.folder)
        self.folder.mkdir(parents=True)
        (self.folder / UNFINISHED).touch()
        try:
            step.run([PYTHON, "-m", "venv", str(self.folder)])
        except StepFailed as error:
            shutil.rmtree(self.folder, ignore_errors=True)
            raise StepFailed(f"{PYTHON} cannot make an environment: {error}") from error
        (self.folder / MADE).write_text(f"{VERSION}\n", encoding="ascii")
        (self.folder / UNFINISHED).unlink()

    def _version(self) -> str:
        """Of its Python, if that has pip; else empty."""
        command = [str(self.python), "-c", "import sys, pip; print(*sys.version_info[:2], sep='.')"]
        try:
            return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()
        except OSError:
            return ""

    def has(self, lock: Path, *others: Path) -> bool:
        """Whether the packages of a lock are installed, at the versions that it names now."""
        stamp = self._stamp(lock)
        return stamp.is_file() and stamp.read_text(encoding="ascii").strip() == fingerprint([lock, *others])

    def install(self, lock: Path, step: Step, *others: Path) -> None:
        """Installs a lock, by hash.

        others: files that the packages depend on besides
        raises: StepFailed
        """
        self._stamp(lock).unlink(missing_ok=True)
        counter = PipProgress(len(_PACKAGE.findall(lock.read_text(encoding="utf-8"))), step)
        self._locked(lock, step, counter)
        prune(self.packages)
        self._stamp(lock).write_text(fingerprint([lock, *others]) + "\n", encoding="ascii")

    def install_installers(self, lock: Path, step: Step) -> None:
        """pip itself first, so that it is not replaced while something else uses it. raises: StepFailed"""
        entries = re.split(r"\n(?=\S)", lock.read_text(encoding="utf-8"))
        theirs = [entry for entry in entries if (name := _PACKAGE.match(entry)) and name[1] in INSTALLERS]
        if theirs:
            part = self.folder / f"{lock.stem}-installers.txt"
            part.write_text("\n".join(each.rstrip() for each in theirs) + "\n", encoding="utf-8")
            self._locked(part, step)
            part.unlink()

    def install_into(self, folder: Path, lock: Path, step: Step) -> None:
        """Installs a lock, by hash, beside the environment. raises: StepFailed"""
        self._locked(lock, step, PipProgress(len(_PACKAGE.findall(lock.read_text(encoding="utf-8"))), step), folder)

    @property
    def packages(self) -> Path:
        """The folder that they are installed into."""
        return self.folder / "lib" / f"python{VERSION}" / "site-packages"

    def _locked(
        self,
        lock: Path,
        step: Step,
        on_line: Callable[[str], bool] = lambda _line: True,
        folder: Path | None = None,  # that of the environment's packages
    ) -> None:
        # A lock names every package that is needed, and leaves out what others ask for in vain.
        place = [] if folder is None else ["--target", str(folder)]
        self.pip(step, "--no-deps", "--require-hashes", *place, "--requirement", str(lock), on_line=on_line)

    def pip(self, step: Step, *arguments: str, on_line: Callable[[str], bool] = lambda _line: True) -> None:
        # Python compiles what it imports; compiling everything takes longer than that, and a fifth of the disk.
        flags = ["--disable-pip-version-check", "--no-input", "--progress-bar", "off", "--no-compile"]
        step.run([str(self.python), "-m", "pip", "install", *flags, *arguments], on_line)

    def _stamp(self, lock: Path) -> Path:
        return self.folder / f"{lock.stem}.stamp"


class PipProgress:
    """How far pip is, from the lines that it prints."""

    def __init__(self, packages: int, step: Step) -> None:
        self._packages = packages
        self._step = step
        self._collected = 0
        self._megabytes = 0.0

    def __call__(self, line: str) -> bool:
        """Takes a line; every one of them belongs in the log."""
        if line.startswith("Installing collected packages"):
            self._step.progress(f"installing {self._collected} packages")
            return True
        if line.startswith("Collecting "):
            self._collected += 1
        elif found := _DOWNLOADING.match(line):
            self._megabytes += float(found[1]) * _MEGABYTES[found[2]]
        self._step.progress(f"{self._collected} of {self._packages}, {self._megabytes:.0f} MB")
        return True


def fingerprint(files: Sequence[Path]) -> str:
    """One hash over the contents of files."""
    found = hashlib.sha256()
    for file in files:
        found.update(file.read_bytes())
    return found.hexdigest()
