"""Uploads that may be broken off and gone on with, at any gateway, also after one was killed.

What arrives is stored in pieces: each is a file of its own in the object storage, durable before it counts. Thus a
folder and an object store are used alike, and a connection that breaks costs what was gathered for one piece.

The protocol, tus 1.0, is in `gateway.routes.uploads`; docs/jobs.md says why no server of it is used.
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import hashlib
import secrets
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.errors import (
    BadParameter,
    ChecksumMismatch,
    ClientGone,
    NotFound,
    OffsetConflict,
    RequestTimeout,
    TooManyRequests,
)
from gateway.storage.objects import NotStored, ObjectStorage
from gateway.uploads.store import QuotaExceeded, UploadStore
from gateway.uploads.upload import ResumableUpload, UploadPiece

PIECE_BYTES = 4 * 1024**2
FULL_SECONDS = 3600.0  # after which an account whose uploads take all of its room may try again
GONE = "There is no upload of this id: it has expired, was deleted, or is a job already."


@dataclass(frozen=True, slots=True)
class UploadChecksum:
    """What a request's bytes have to hash to."""

    algorithm: str  # as hashlib calls it
    digest: bytes


@dataclass(frozen=True, slots=True)
class ResumableUploads:
    store: UploadStore
    storage: ObjectStorage
    most_bytes: int  # of all uploads of one account together

    async def create(self, subject: str, length: int, file_name: str, client_metadata: str) -> ResumableUpload:
        """raises: TooManyRequests, Unavailable"""
        upload = ResumableUpload(
            id=secrets.token_hex(16),
            subject=subject,
            length=length,
            file_name=file_name,
            client_metadata=client_metadata,
        )
        try:
            return await self.store.add(upload, self.most_bytes)
        except QuotaExceeded:
            message = (
                f"Your uploads would take more than {self.most_bytes} bytes together; accepted is one once others have "
                "become jobs, were deleted or have expired."
            )
            raise TooManyRequests(message, FULL_SECONDS) from None

    async def find(self, identity: str, subject: str) -> ResumableUpload:
        """raises: NotFound, also for another account's; Unavailable"""
        upload = await self.store.find(identity, subject)
        if upload is None:
            raise NotFound(GONE)
        return upload

    async def append(
        self, upload: ResumableUpload, body: AsyncIterator[bytes], checksum: UploadChecksum | None = None
    ) -> ResumableUpload:
        """The upload with what the body brings. What has come before the body breaks off is kept, unless a checksum
        is to be held against all of it.

        raises: OffsetConflict where another connection has brought some meanwhile, ChecksumMismatch, Unavailable, and
        whatever the body raises
        """
        if checksum is not None:
            return await self._append_checked(upload, body, checksum)
        async for block in gathered(body, PIECE_BYTES):
            piece = await self._keep(upload, upload.received, block)
            upload = await self._extend(upload, [piece])
        return upload

    async def fetch(self, upload: ResumableUpload, path: Path) -> None:
        """A file with all of its bytes. Raises BadParameter where some are missing, NotFound"""
        if upload.left:
            raise BadParameter(
                f"The upload is not complete: {upload.received} of {upload.length} bytes have come. Send the rest.",
                "upload",
            )
        try:
            with path.open("xb") as file:
                for name in await self.store.files(upload.id):
                    async for block in self.storage.get(name):
                        await asyncio.to_thread(file.write, block)
        except NotStored:
            raise NotFound(GONE) from None

    async def remove(self, identity: str) -> None:
        """With all that is stored of it, also by a connection that has not ended."""
        await self.store.end(identity)
        await self.storage.clear(identity)
        await self.store.remove(identity)

    async def expire(self) -> None:
        while over := await self.store.expired():
            for identity in over:
                await self.remove(identity)

    async def _append_checked(
        self, upload: ResumableUpload, body: AsyncIterator[bytes], checksum: UploadChecksum
    ) -> ResumableUpload:
        found = hashlib.new(checksum.algorithm, usedforsecurity=False)
        kept: list[UploadPiece] = []
        try:
            async for block in gathered(body, PIECE_BYTES):
                await asyncio.to_thread(found.update, block)
                kept.append(await self._keep(upload, kept[-1].end if kept else upload.received, block))
            if found.digest() != checksum.digest:
                raise ChecksumMismatch("What has come does not have the Upload-Checksum; send it again.")
        except (ChecksumMismatch, ClientGone, RequestTimeout):
            await self._forget(kept)
            raise
        return await self._extend(upload, kept) if kept else upload

    async def _keep(self, upload: ResumableUpload, start: int, block: bytes) -> UploadPiece:
        name = f"{upload.id}/{start:012}-{secrets.token_hex(4)}"  # two connections may send the same piece
        await self.storage.put(name, block)
        return UploadPiece(start, start + len(block), name)

    async def _extend(self, upload: ResumableUpload, kept: Sequence[UploadPiece]) -> ResumableUpload:
        extended = await self.store.extend(upload, kept)
        if extended is None:
            await self._forget(kept)
            raise OffsetConflict("Another connection has gone on with this upload; ask where it is by HEAD.", 1)
        return extended

    async def _forget(self, kept: Sequence[UploadPiece]) -> None:
        await self.storage.remove([piece.file for piece in kept])


async def gathered(body: AsyncIterator[bytes], size: int) -> AsyncIterator[bytes]:
    """The same in blocks of that many bytes; what comes before the body breaks off is a block, too."""
    block = bytearray()
    broken: Exception | None = None
    try:
        async for piece in body:
            block += piece
            while len(block) >= size:
                yield bytes(block[:size])
                del block[:size]
    except (ClientGone, RequestTimeout) as problem:
        broken = problem
    if block:
        yield bytes(block)
    if broken is not None:
        raise broken


def checksum_of(text: str, algorithms: Sequence[str]) -> UploadChecksum:
    """text: `sha1 BASE64`. Raises ValueError"""
    algorithm, _, encoded = text.strip().partition(" ")
    try:
        digest = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as problem:
        raise ValueError(text) from problem
    if algorithm not in algorithms or len(digest) != hashlib.new(algorithm).digest_size:
        raise ValueError(text)
    return UploadChecksum(algorithm, digest)
