"""WAV, RF64 and their `data` chunks: what a header says of the sound is checked against what follows it."""

from __future__ import annotations

import struct

from gateway.media.chunks import TRAILING, UNKNOWN, Data, FilePiece, Pieces, Range, chunk_name, few_bytes_follow, is_tag


class ChunkError(ValueError):
    """The structure is not what its first bytes promise."""


def wav_pieces(data: Data) -> Pieces:
    """Every `data` chunk, whatever the header says of its length."""
    pieces, claimed, at = [], None, 0
    while at < len(data):
        form = RiffWave(data, at)
        pieces.append(form.piece)
        claimed = claimed if form.claimed is None else (claimed or 0.0) + form.claimed
        at = form.end
    return pieces, claimed


class RiffWave:
    """One RIFF of WAVE, from `start` on."""

    def __init__(self, data: Data, start: int) -> None:
        self.data, self.start = data, start
        if not _wave_at(data, start):
            raise ChunkError("no WAV")
        self.format, self.end = b"", len(data)
        self.sound: list[Range] = []
        self.claimed: float | None = None  # seconds, where more follows
        self.long_size = 0  # bytes of sound that RF64 tells apart
        at = start + 12
        while at + 8 <= len(data):
            name, size = data[at : at + 4], struct.unpack_from("<I", data, at + 4)[0]
            if at > start + 12 and _wave_at(data, at):
                self.end = at
                break
            if name == b"ds64":
                self.long_size = struct.unpack_from("<Q", data, at + 16)[0]
            if name == b"data":
                at = self._read_sound(at + 8, size)
                continue
            if not chunk_name(name):
                break
            if name == b"fmt ":
                self.format = data[at : at + 8 + size + size % 2]
            at += 8 + size + size % 2

    def _read_sound(self, first: int, size: int) -> int:
        """returns: where the next chunk begins"""
        size = self.long_size if size == UNKNOWN else size
        stop = first + size
        unknown = size in (0, UNKNOWN) or stop > len(self.data)
        if unknown:
            stop = len(self.data)
        elif (following := _following(self.data, stop)) is None:
            stop = len(self.data)
            self.claimed = size / max(1, struct.unpack_from("<I", self.format, 16)[0])
        else:
            self.sound.append((first, stop))
            return following
        self.sound.append((first, stop))
        return stop

    @property
    def piece(self) -> FilePiece:
        """As it stands, if that is what ffmpeg reads as well."""
        if not self.sound or not self.format or (len(self.sound) == 1 and self.claimed is None):
            return FilePiece(ranges=((self.start, self.end),))
        size = sum(stop - first for first, stop in self.sound)
        header = b"WAVE" + self.format + b"data" + struct.pack("<I", min(size, UNKNOWN))
        return FilePiece(tuple(self.sound), b"RIFF" + struct.pack("<I", min(size + len(header), UNKNOWN)) + header)


def _wave_at(data: Data, at: int) -> bool:
    return data[at : at + 4] in (b"RIFF", b"RF64") and data[at + 8 : at + 12] == b"WAVE"


def _following(data: Data, at: int) -> int | None:
    """Where the chunk behind the sound begins, its padding byte left out; the file's end if only a tag follows; None
    if what follows is no chunk and may be sound."""
    for padding in (0, 1):
        first = at + padding
        if first >= len(data) or is_tag(data, first):
            return len(data)
        name, size = data[first : first + 4], data[first + 4 : first + 8]
        if len(size) == 4 and chunk_name(name) and first + 8 + struct.unpack("<I", size)[0] <= len(data) + 1:
            return first
        if _wave_at(data, first) or name == b"data":  # whose length may be unknown
            return first
    return len(data) if len(data) - at <= TRAILING and not any(data[at:]) else few_bytes_follow(data, at)
