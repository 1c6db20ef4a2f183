"""The folder for files of requests in hand: uploads and decoded audio.

Each process has a folder of its own there and holds a lock on it. What a killed process left behind is
no longer locked, and the next start removes it.
"""

from __future__ import annotations

import fcntl
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_LOCK = "lock"


@contextmanager
def open_spool(data: Path) -> Iterator[Path]:
    """A folder that is gone at the end, whatever lies in it then."""
    shared = data / "spool"
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / _LOCK).open("w") as opening:
        fcntl.flock(opening, fcntl.LOCK_EX)  # nobody sweeps between our mkdtemp and our lock
        _sweep(shared)
        own = Path(tempfile.mkdtemp(dir=shared))
        lock = (own / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        lock.close()


@contextmanager
def request_folder(spool: Path) -> Iterator[Path]:
    """A folder for one request's files, gone when the request is over."""
    folder = Path(tempfile.mkdtemp(dir=spool))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(shared: Path) -> None:
    for folder in shared.iterdir():
        if not folder.is_dir() or _is_held(folder / _LOCK):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_held(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
