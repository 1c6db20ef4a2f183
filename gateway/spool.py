"""The spool: a folder for the files of requests in flight, uploads and decoded audio.

Each process has a folder of its own there and holds a lock on it. The folder of a killed process is no longer
locked, and the next start removes it.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

_LOCK = "lock"
_OVER = ".over"  # ending of a folder whose request is over
NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)  # disk, quota, limit of the process


@contextmanager
def open_spool(data: Path) -> Iterator[Path]:
    """A folder for this process, removed with all its files at the end."""
    shared = data / "spool"
    shared.mkdir(parents=True, exist_ok=True)
    with (shared / _LOCK).open("w") as shared_lock:
        fcntl.flock(shared_lock, fcntl.LOCK_EX)  # no other process removes our folder between mkdtemp and our lock
        _remove_orphans(shared)
        own = Path(tempfile.mkdtemp(dir=shared))
        lock = (own / _LOCK).open("w")
        fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        yield own
    finally:
        shutil.rmtree(own, ignore_errors=True)
        lock.close()


@asynccontextmanager
async def request_folder(spool: Path) -> AsyncIterator[Path]:
    """A folder for one request's files, removed when the request is over.

    To remove it takes descriptors, and there may be none left. To give it another name takes none, and what has
    that name goes with the next request.
    """
    folder = Path(tempfile.mkdtemp(dir=spool))
    try:
        yield folder
    finally:
        with suppress(FileNotFoundError):  # the spool is closed already
            folder.rename(folder.with_suffix(_OVER))
        await asyncio.shield(asyncio.to_thread(_remove_over, spool))  # gigabytes take a while


def _remove_over(spool: Path) -> None:
    with suppress(OSError):
        for folder in spool.glob(f"*{_OVER}"):
            shutil.rmtree(folder, ignore_errors=True)


def _remove_orphans(shared: Path) -> None:
    for folder in shared.iterdir():
        if not folder.is_dir() or _is_locked(folder / _LOCK):
            continue
        shutil.rmtree(folder, ignore_errors=True)


def _is_locked(lock: Path) -> bool:
    try:
        with lock.open("r") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False
