"""Files by name in a folder, in S3, Google Cloud Storage or Azure, all of them through obstore.

A file that was put is durable: in a folder it is flushed to the disk before `put` returns. A store that does not
answer is tried again for some seconds, then it is `Unavailable`, as is one that has no room.
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
from obstore.exceptions import BaseError
from obstore.store import LocalStore, from_url

from gateway.errors import Unavailable
from gateway.spool import NO_ROOM

PIECE_BYTES = 8 * 1024**2  # of what is read or written at once: more than the least part that S3 takes
PARTS_AT_ONCE = 4  # of one file that is written to an object store
AWAY_SECONDS = 15.0  # after which a client may ask again
CLIENT: dict[str, Any] = {
    "client_options": {
        "allow_http": True,  # where the operator's own endpoint says so; all others are https
        "connect_timeout": timedelta(seconds=5),
        "timeout": timedelta(seconds=60),  # of one request, that is of one piece
    },
    "retry_config": {
        "max_retries": 3,
        "retry_timeout": timedelta(seconds=10),
        "backoff": {"init_backoff": timedelta(milliseconds=200), "max_backoff": timedelta(seconds=2), "base": 2},
    },
}

_log = logging.getLogger(__name__)


class NotStored(Exception):
    """There is no file of this name."""


class ObjectStorage:
    def __init__(self, url: str, folder: Path) -> None:
        """url: s3://bucket/prefix, gs://…, az://…, file:///folder; "": the folder

        raises: ValueError
        """
        scheme, _, path = url.partition("://")
        self.folder = Path(unquote(path)) if scheme == "file" else None if url else folder
        try:
            if self.folder is None:
                self._store: Any = from_url(url, **CLIENT)
            else:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._store = LocalStore(prefix=self.folder)
        except Exception as problem:
            why = str(problem).partition("\n")[0]
            raise ValueError(f"STT_JOBS_STORAGE cannot be used: {why}") from problem

    @property
    def is_here(self) -> bool:
        """Whether its files are read where they lie, without a copy in the spool."""
        return self.folder is not None

    async def put(self, name: str, source: Path | bytes | Iterable[bytes]) -> None:
        """source: all of it, its pieces, or a file, which may be moved there. Raises Unavailable"""
        with _answers(name):
            if self.folder is not None:
                await asyncio.to_thread(_write, source, self.folder / name)
            elif isinstance(source, bytes):
                await obstore.put_async(self._store, name, source, use_multipart=False)
            else:
                content = source if isinstance(source, Path) else iter(source)
                await obstore.put_async(self._store, name, content, max_concurrency=PARTS_AT_ONCE)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Its pieces, each asked for by itself, so that what breaks is small. Raises NotStored, Unavailable"""
        with _answers(name):
            size = (await obstore.head_async(self._store, name))["size"]
        for start in range(0, size, PIECE_BYTES):
            with _answers(name):
                length = min(PIECE_BYTES, size - start)
                piece = await obstore.get_range_async(self._store, name, start=start, length=length)
            yield bytes(piece)

    async def fetch(self, name: str, path: Path) -> Path:
        """A file with its content, to be read only: `path`, or the stored file itself. Raises NotStored, Unavailable"""
        if self.folder is not None:
            kept = self.folder / name
            if not kept.is_file():
                raise NotStored(name)
            return kept
        with _answers(name), path.open("wb") as file:
            async for piece in self.get(name):
                await asyncio.to_thread(file.write, piece)
        return path

    async def remove(self, names: Sequence[str]) -> None:
        """Those that are not there are gone already. Raises Unavailable"""
        if self.folder is not None:
            return await asyncio.to_thread(_remove, [self.folder / name for name in names])
        if names:
            with _answers(names[0]):
                await obstore.delete_async(self._store, names)

    async def clear(self, folder: str) -> None:
        """Removes all that is stored below it. Raises Unavailable"""
        if self.folder is not None:
            return await asyncio.to_thread(_remove_below, self.folder / folder)
        await self.remove([name async for name in self.names(folder)])

    async def names(self, folder: str) -> AsyncIterator[str]:
        """Of all files below it. Raises Unavailable"""
        async for entry in self._entries(folder):
            yield str(entry["path"])

    async def older(self, seconds: float) -> AsyncIterator[str]:
        """Names of all files that were stored so long ago. Raises Unavailable"""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        async for entry in self._entries(None):
            if entry["last_modified"] < before:
                yield str(entry["path"])

    async def _entries(self, folder: str | None) -> AsyncIterator[Any]:
        with _answers(folder or "all files"):
            async for batch in obstore.list(self._store, prefix=folder):
                for entry in batch:
                    yield entry


@contextmanager
def _answers(name: str) -> Iterator[None]:
    """raises: NotStored, Unavailable"""
    try:
        yield
    except FileNotFoundError as problem:
        raise NotStored(name) from problem
    except BaseError as problem:
        _log.warning("the storage of recordings does not answer: %s", str(problem).partition("\n")[0][:300])
        raise Unavailable("The storage of recordings does not answer at the moment.", AWAY_SECONDS) from problem
    except OSError as problem:
        if problem.errno in NO_ROOM:
            raise Unavailable("There is no room for the recording at the moment.", 60) from problem
        raise


def in_pieces(content: memoryview) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield bytes(content[start : start + PIECE_BYTES])


def _write(source: Path | bytes | Iterable[bytes], target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    try:
        if isinstance(source, Path):
            shutil.move(source, partial)  # which copies from another file system
        else:
            with partial.open("wb") as file:
                file.writelines([source] if isinstance(source, bytes) else source)
        _flush(partial)
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _flush(target.parent, target.parent.parent)


def _flush(*paths: Path) -> None:
    for path in paths:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_below(folder: Path) -> None:
    try:
        shutil.rmtree(folder)
    except OSError:  # it is gone, or something came into it meanwhile
        shutil.rmtree(folder, ignore_errors=True)


def _remove(paths: Iterable[Path]) -> None:
    for path in paths:
        path.unlink(missing_ok=True)
        try:
            path.parent.rmdir()
        except OSError:  # others are in it, or it is gone
            continue
