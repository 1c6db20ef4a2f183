"""How the commands find the service that runs here: a file that `stt serve` writes and removes again.

It lies in XDG_RUNTIME_DIR, else in the data folder, and holds the address and a key for whoever may read it: the user
that runs the service (mode 0600). The service holds a lock on it, so what a killed service left behind is recognised.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

PATTERN = "service-*.json"


@dataclass(frozen=True, slots=True)
class RunningService:
    url: str  # for clients on this machine
    key: str = field(repr=False)  # valid until the service stops; for its own user, without limits
    data: str  # its data folder
    store: str  # of its accounts: a file's path, or "" where it is no file
    started: float  # seconds since 1970


def runtime_folder(data: Path) -> Path:
    """data: the service's data folder"""
    named = Path(os.environ.get("XDG_RUNTIME_DIR", ""))
    return named / "stt" if named.is_absolute() and os.access(named, os.W_OK) else data


@contextmanager
def publish(service: RunningService) -> Iterator[Path]:
    """The file exists until the block ends, whole from its first moment."""
    folder = runtime_folder(Path(service.data))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / PATTERN.replace("*", str(os.getpid()))
    unfinished = path.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        json.dump(asdict(service), file)
        file.flush()
        unfinished.rename(path)
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)


def find_services(data: Path) -> list[RunningService]:
    """Services of this user that run now: those with this data folder first, then the latest first."""
    found = []
    for path in {*runtime_folder(data).glob(PATTERN), *data.glob(PATTERN)}:
        with contextlib.suppress(OSError, ValueError, TypeError):
            if (service := _read(path)) is not None:
                found.append(service)
    here = str(data.absolute())
    return sorted(found, key=lambda service: (service.data != here, -service.started))


def _read(path: Path) -> RunningService | None:
    """None where another user wrote it or may write it, or its service is gone."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), encoding="utf-8") as file:
        status = os.fstat(file.fileno())
        if status.st_uid != os.getuid() or stat.S_IMODE(status.st_mode) & 0o077:
            return None
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return RunningService(**json.load(file))
    path.unlink(missing_ok=True)
    return None
