"""Pieces in a folder, rows in SQLite, a clock that stands still."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gateway.accounts.database import Database
from gateway.errors import BadParameter, ClientGone, NotFound, OffsetConflict, TooManyRequests
from gateway.jobs.jobs import HISTORY
from gateway.storage.objects import ObjectStorage
from gateway.uploads.store import UploadStore
from gateway.uploads.uploads import PIECE_BYTES, ResumableUploads, gathered

KEPT = 1000  # milliseconds
MOST = 100 * PIECE_BYTES


@dataclass
class UploadClock:
    now: int = 0  # milliseconds
    database: Database = field(init=False)

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> UploadClock:
    return UploadClock()


@pytest.fixture
async def uploads(tmp_path: Path, clock: UploadClock) -> AsyncIterator[ResumableUploads]:
    database = Database(f"sqlite:///{tmp_path / 'jobs.db'}", history=HISTORY)
    await database.migrate()
    yield ResumableUploads(UploadStore(database, KEPT, clock), ObjectStorage("", tmp_path / "files"), MOST)
    await database.close()


async def body(*pieces: bytes, breaks: bool = False) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if breaks:
        raise ClientGone


def stored(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in sorted((folder / "files").rglob("*")) if path.is_file()]


async def test_what_was_sent_in_pieces_of_any_size_is_one_file(uploads: ResumableUploads, tmp_path: Path) -> None:
    content = bytes(range(251)) * (2 * PIECE_BYTES // 251)
    upload = await uploads.create("ann", len(content), "talk.wav", "")

    upload = await uploads.append(upload, body(content[:7], content[7:PIECE_BYTES]))
    upload = await uploads.append(await uploads.find(upload.id, "ann"), body(content[PIECE_BYTES:]))
    await uploads.fetch(upload, tmp_path / "whole")

    assert (tmp_path / "whole").read_bytes() == content
    assert upload.left == 0


async def test_blocks_have_their_size_and_the_last_one_comes_before_the_break() -> None:
    found = []
    with pytest.raises(ClientGone):
        async for block in gathered(body(b"abcd", b"efghi", breaks=True), 4):
            found.append(block)

    assert found == [b"abcd", b"efgh", b"i"]


async def test_of_two_connections_at_the_same_place_one_counts(uploads: ResumableUploads, tmp_path: Path) -> None:
    upload = await uploads.create("ann", 8, "", "")

    await uploads.append(upload, body(b"this"))
    with pytest.raises(OffsetConflict):
        await uploads.append(upload, body(b"that"))

    assert stored(tmp_path) == [b"this"]
    assert (await uploads.find(upload.id, "ann")).received == 4


async def test_one_that_nobody_goes_on_with_is_gone_with_its_files(
    uploads: ResumableUploads, clock: UploadClock, tmp_path: Path
) -> None:
    upload = await uploads.append(await uploads.create("ann", 8, "", ""), body(b"this"))
    clock.now = KEPT - 1
    await uploads.expire()
    upload = await uploads.append(upload, body(b"too"))  # which is waited for as long again
    clock.now = KEPT + 1
    await uploads.expire()
    kept = stored(tmp_path)
    clock.now = 2 * KEPT
    with pytest.raises(NotFound):
        await uploads.find(upload.id, "ann")
    with pytest.raises(OffsetConflict):
        await uploads.append(upload, body(b"!"))
    await uploads.expire()

    assert kept == [b"this", b"too"]
    assert stored(tmp_path) == []
    assert await uploads.store.existing([upload.id]) == set()


async def test_an_account_has_so_many_bytes_and_others_have_their_own(uploads: ResumableUploads) -> None:
    first = await uploads.create("ann", MOST - 1, "", "")
    with pytest.raises(TooManyRequests):
        await uploads.create("ann", 2, "", "")
    await uploads.create("bob", MOST, "", "")
    await uploads.remove(first.id)

    await uploads.create("ann", 2, "", "")


async def test_one_whose_bytes_are_missing_is_no_file(uploads: ResumableUploads, tmp_path: Path) -> None:
    upload = await uploads.create("ann", 8, "", "")
    with pytest.raises(BadParameter, match="0 of 8 bytes"):
        await uploads.fetch(upload, tmp_path / "part")
    upload = await uploads.append(upload, body(b"whole..."))
    await uploads.storage.remove([name async for name in uploads.storage.names(upload.id)])
    with pytest.raises(NotFound):
        await uploads.fetch(upload, tmp_path / "whole")
