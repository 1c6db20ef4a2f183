"""Where compiled kernels are kept: beside their sources where that can be written, else in a temporary folder."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numba
from numba.core.caching import IndexDataCacheFile

# numba checks only a function's own file to see whether its compiled code is stale, but kernels call
# each other across files and share constants: code is kept under a hash of them all.
_SOURCES = ("*_kernels.py", "panel_layout.py")
_PREFIX = "kernels-"


@cache
def keep_compiled() -> None:
    """Makes numba keep its code in `cache_folder`; to be called before anything is compiled."""
    prefer_wide_vectors()
    folders = (Path(__file__).parent / "cpu", Path(__file__).parents[1] / "diarization" / "cpu")
    numba.config.CACHE_DIR = str(cache_folder(*folders))  # type: ignore[attr-defined]
    _Index.save = save_in_turn


_Index: Any = IndexDataCacheFile  # numba has no types
_save = _Index.save


def save_in_turn(index: Any, key: Any, code: Any) -> None:
    """As numba saves compiled code, but one process after the other.

    numba numbers the files of a function's code by what its index holds. Two processes that compile a function at once,
    for different arguments or CPUs, would take the same number, and one would later run what the other compiled.
    """
    with (Path(index._cache_path) / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        _save(index, key, code)


def prefer_wide_vectors() -> None:
    """Has loops compiled for registers of 512 bits, which the kernels' products use anyway.

    LLVM takes 256 for Intel's processors: older ones of them slowed down for 512.
    """
    if numba.config.CPU_FEATURES is None and {"avx512f", "avx512vnni"} <= cpu_features():  # type: ignore[attr-defined]
        numba.config.CPU_NAME = llvm.get_host_cpu_name()  # type: ignore[attr-defined]
        features = llvm.get_host_cpu_features().flatten()
        numba.config.CPU_FEATURES = f"{features},-prefer-256-bit"  # type: ignore[attr-defined]


def cache_folder(sources: Path, *others: Path) -> Path:
    """A folder that this process can write, the same at the next start. Those of older sources are removed.

    sources: the folder beside whose files the code is kept; others: on whose files it depends as well
    A read-only installation brings its own code, if it was compiled before it was sealed: that is copied.
    """
    folders = (sources, *others)
    files = sorted(file for folder in folders for pattern in _SOURCES for file in folder.glob(pattern))
    hashed = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    name = f"{_PREFIX}{hashed[:16]}"
    beside = sources / "__pycache__" / name
    if _writable(beside):
        _prune(beside)
        return beside
    elsewhere = _own_temporary() / name
    if not elsewhere.exists():
        _copy(beside, elsewhere)
        _prune(elsewhere)
    return elsewhere


def cpu_features() -> frozenset[str]:
    """Instruction sets that kernels may use: those of this CPU, or those that NUMBA_CPU_FEATURES names."""
    limited_to = numba.config.CPU_FEATURES  # type: ignore[attr-defined]
    if limited_to is None:
        return frozenset(name for name, present in llvm.get_host_cpu_features().items() if present)
    return frozenset(name[1:] for name in limited_to.split(",") if name.startswith("+"))


def _writable(folder: Path) -> bool:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError:
        return False
    return True


def _own_temporary() -> Path:
    """One for this user, who alone may write it: what lies there is run."""
    folder = Path(tempfile.gettempdir()) / f"stt-kernels-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid() and not stat.S_IMODE(found.st_mode) & 0o077:
        return folder
    return Path(tempfile.mkdtemp(prefix="stt-kernels-"))


def _copy(compiled: Path, target: Path) -> None:
    """Atomic: another process may be doing the same. Modes are not copied, they may forbid writing."""
    staging = Path(tempfile.mkdtemp(dir=target.parent))
    for file in compiled.glob("*/*"):
        (staging / file.parent.name).mkdir(exist_ok=True)
        shutil.copyfile(file, staging / file.parent.name / file.name)
    try:
        staging.rename(target)
    except OSError:  # the other process was faster
        shutil.rmtree(staging)


def _prune(kept: Path) -> None:
    for folder in kept.parent.glob(f"{_PREFIX}*"):
        if folder != kept:
            shutil.rmtree(folder, ignore_errors=True)
