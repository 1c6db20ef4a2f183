"""Where compiled kernels are kept: beside their sources where that can be written, else in a temporary folder."""

from __future__ import annotations

import ctypes
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
_SOURCES = ("*_kernels.py", "*_layout.py")
_PREFIX = "kernels-"
ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA = 158, 0x1023, 18  # of Linux on x86-64


@cache
def keep_compiled() -> None:
    """Makes numba keep its code in `cache_folder`; to be called before anything is compiled."""
    choose_instructions()
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


def choose_instructions() -> None:
    """Tells numba what loops may be compiled for, unless its settings do; compiled code is kept by that.

    Registers of 512 bits where the kernels' products use them anyway: LLVM takes 256 for Intel's processors, since
    older ones slowed down. No tiles (AMX) where the system does not give them.
    """
    if numba.config.CPU_FEATURES is not None or not {"avx512f", "avx512vnni"} <= cpu_features():  # type: ignore[attr-defined]
        return
    changed = ["-prefer-256-bit", *([] if tiles_allowed() else ["-amx-int8", "-amx-tile"])]
    numba.config.CPU_NAME = llvm.get_host_cpu_name()  # type: ignore[attr-defined]
    numba.config.CPU_FEATURES = ",".join([llvm.get_host_cpu_features().flatten(), *changed])  # type: ignore[attr-defined]


@cache
def tiles_allowed() -> bool:
    """Asks Linux for the registers of AMX: a process has them from then on."""
    return int(ctypes.CDLL(None).syscall(ARCH_PRCTL, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA)) == 0


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
    named = {name[1:]: name.startswith("+") for name in limited_to.split(",")}  # the last mention counts
    return frozenset(name for name, present in named.items() if present)


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
