"""An upload as the store has it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ResumableUpload:
    id: str
    subject: str  # the account whose upload it is
    length: int  # bytes, as they were announced
    received: int = 0  # bytes that are stored
    file_name: str = ""
    client_metadata: str = ""  # the header Upload-Metadata, as it was sent
    expires_at: int = 0  # milliseconds since 1970

    @property
    def left(self) -> int:
        """Bytes that have not come yet."""
        return self.length - self.received


@dataclass(frozen=True, slots=True)
class UploadPiece:
    """Some of an upload's bytes, a file in the object storage."""

    start: int  # bytes of the upload before it
    end: int
    file: str  # its name there
