"""Files by name in a folder, in S3, Google Cloud Storage or Azure, all of them through obstore.

A file that was put is durable: in a folder it is flushed to the disk before `put` returns.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import obstore
from obstore.store import LocalStore, from_url

PIECE_BYTES = 8 * 1024**2  # of what is read or written at once: more than the least part that S3 takes


class NotStored(Exception):
    """There is no file of this name."""


class ObjectStorage:
    def __init__(self, url: str, folder: Path, options: dict[str, Any] | None = None) -> None:
        """url: s3://bucket/prefix, gs://…, az://…, file:///folder; "": the folder. options: of the client, as obstore
        names them

        raises: ValueError
        """
        scheme, _, path = url.partition("://")
        self.folder = Path(unquote(path)) if scheme == "file" else None if url else folder
        try:
            if self.folder is None:
                self._store: Any = from_url(url, **(options or {}))
            else:
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._store = LocalStore(prefix=self.folder)
        except Exception as problem:
            raise ValueError(f"STT_JOBS_STORAGE cannot be used: {problem}") from problem

    async def put(self, name: str, source: Path | Iterable[bytes]) -> None:
        """source: its pieces, or a file, which may be moved there"""
        if self.folder is not None and isinstance(source, Path):
            await asyncio.to_thread(_move, source, self.folder / name)
        else:
            await obstore.put_async(self._store, name, source if isinstance(source, Path) else iter(source))
        if self.folder is not None:
            await asyncio.to_thread(_flush, self.folder / name)

    async def get(self, name: str) -> AsyncIterator[bytes]:
        """Its pieces. Raises NotStored."""
        try:
            answer = await obstore.get_async(self._store, name)
        except FileNotFoundError as problem:
            raise NotStored(name) from problem
        async for piece in answer.stream(min_chunk_size=PIECE_BYTES):
            yield bytes(piece)

    async def fetch(self, name: str, path: Path) -> Path:
        """A file with its content, to be read only: `path`, or the stored file itself. Raises NotStored."""
        if self.folder is not None:
            kept = self.folder / name
            if not kept.is_file():
                raise NotStored(name)
            return kept
        with path.open("wb") as file:
            async for piece in self.get(name):
                await asyncio.to_thread(file.write, piece)
        return path

    async def remove(self, names: Sequence[str]) -> None:
        """Those that are not there are gone already."""
        for name in names:
            try:
                await obstore.delete_async(self._store, name)
            except FileNotFoundError:
                continue
            if self.folder is not None:
                await asyncio.to_thread(_remove_empty, (self.folder / name).parent)

    async def names(self, folder: str) -> AsyncIterator[str]:
        """Of all files below it."""
        async for batch in obstore.list(self._store, prefix=folder):
            for entry in batch:
                yield str(entry["path"])

    async def older(self, seconds: float) -> AsyncIterator[str]:
        """Names of all files that were stored so long ago."""
        before = datetime.now(UTC) - timedelta(seconds=seconds)
        async for batch in obstore.list(self._store):
            for entry in batch:
                if entry["last_modified"] < before:
                    yield str(entry["path"])


def in_pieces(content: memoryview) -> Iterator[bytes]:
    for start in range(0, len(content), PIECE_BYTES):
        yield bytes(content[start : start + PIECE_BYTES])


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.partial")
    shutil.move(source, partial)  # which copies from another file system
    partial.replace(target)


def _flush(path: Path) -> None:
    for each in (path, path.parent, path.parent.parent):
        descriptor = os.open(each, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _remove_empty(folder: Path) -> None:
    try:
        folder.rmdir()
    except OSError:
        return
