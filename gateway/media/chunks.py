"""Files made of chunks: WAV, AIFF, CAF, Wave64 and MP4. Their walk tells what a header leaves out.

Where behind the sound comes no chunk that could be one, the sound goes on: the header was written before the recorder
died, or by one that lies.
"""

from __future__ import annotations

import mmap
import struct
from dataclasses import dataclass

Data = mmap.mmap | bytes
Range = tuple[int, int]

UNKNOWN = 0xFFFFFFFF  # a length of 32 bits that is not known, or does not fit
TRAILING = 4096  # bytes behind the sound that may be anything: less is never sound that a header leaves out
_TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN", b"3DI")
_W64_GUID = b"\xf3\xac\xd3\x11\x8c\xd1\x00\xc0\x4f\x8e\xdb\x8a"  # the end of every Wave64 name but the first


@dataclass(frozen=True, slots=True)
class FilePiece:
    """One recording inside a file."""

    ranges: tuple[Range, ...]  # bytes of the file, in order
    header: bytes = b""  # that comes before them


Pieces = tuple[list[FilePiece], float | None]  # and the seconds that a header claims, where it leaves sound out


def few_bytes_follow(data: Data, at: int) -> int | None:
    """A few odd bytes at the end are not worth a word."""
    return len(data) if len(data) - at < 64 else None


def is_tag(data: Data, at: int) -> bool:
    return any(data[at : at + len(tag)] == tag for tag in _TAGS)


def chunk_name(name: bytes) -> bool:
    return len(name) == 4 and all(0x20 <= byte < 0x7F for byte in name)


def aiff_pieces(data: Data) -> Pieces:
    """The first SSND chunk, to the end of the file where no chunk follows it; and forms that were joined."""
    pieces, claimed, start = [], None, 0
    while start < len(data):
        at, end, patched = start + 12, len(data), None
        rate = 0
        while at + 8 <= len(data):
            name, size = data[at : at + 4], struct.unpack_from(">I", data, at + 4)[0]
            if name == b"FORM":
                end = at
                break
            if not chunk_name(name):
                break
            if name == b"COMM":
                rate = _aiff_rate(data, at + 8)
            stop = at + 8 + size
            if name == b"SSND" and size and stop < len(data) and not _big_endian_follows(data, stop):
                claimed = (size - 8) / rate if rate else 0.0
                patched = (at, size)
                break
            at = stop + size % 2
        if patched is None:
            pieces.append(FilePiece(ranges=((start, end),)))
        else:
            pieces.append(_longer_aiff(data, start, *patched))
        start = end
    return pieces, claimed


def _longer_aiff(data: Data, start: int, sound: int, size: int) -> FilePiece:
    """With the sound's length, and the frames that COMM counts, as the file really holds them."""
    first = sound + 8
    whole = len(data) - first
    header = bytearray(data[start:first])
    struct.pack_into(">I", header, 4, min(len(data) - start - 8, UNKNOWN))
    struct.pack_into(">I", header, sound - start + 4, min(whole, UNKNOWN))
    common = header.find(b"COMM")
    if common >= 0 and size > 8:
        frames, bits = struct.unpack_from(">IH", header, common + 10)
        frame = struct.unpack_from(">H", header, common + 8)[0] * -(-bits // 8)
        if not frame or frames * frame < whole - 8 - frame:
            struct.pack_into(">I", header, common + 10, min(frames * (whole - 8) // (size - 8), UNKNOWN))
    return FilePiece(((first, len(data)),), bytes(header))


def _aiff_rate(data: Data, at: int) -> int:
    """Bytes of sound a second, of a COMM chunk's content; its rate is an 80-bit float."""
    channels, _, bits, exponent, mantissa = struct.unpack_from(">HIHHQ", data, at)
    rate = mantissa / 2 ** (16383 + 63 - exponent) if 16383 <= exponent < 16383 + 40 else 0
    return int(channels * -(-bits // 8) * rate)


def _big_endian_follows(data: Data, at: int) -> bool:
    for first in (at, at + 1):
        if first >= len(data) or is_tag(data, first):
            return True
        name, size = data[first : first + 4], data[first + 4 : first + 8]
        if len(size) == 4 and chunk_name(name) and first + 8 + struct.unpack(">I", size)[0] <= len(data) + 1:
            return True
    return few_bytes_follow(data, at) is not None


def caf_pieces(data: Data) -> Pieces:
    """The `data` chunk, to the end of the file where no chunk follows it; and files that were joined."""
    pieces, claimed, start = [], None, 0
    while start < len(data):
        at, end, rate, patched = start + 8, len(data), 0.0, -1
        while at + 12 <= len(data):
            name, size = data[at : at + 4], struct.unpack_from(">q", data, at + 4)[0]
            if name == b"caff":
                end = at
                break
            if not chunk_name(name) or size < 0:
                break
            if name == b"desc":
                hertz, _, _, packet, frames = struct.unpack_from(">d4sIII", data, at + 12)
                rate = hertz * packet / max(frames, 1)
            stop = at + 12 + size
            if name == b"data" and stop < len(data) and not _caf_follows(data, stop):
                claimed = (size - 4) / rate if rate else 0.0
                patched = at
                break
            at = stop
        if patched < 0:
            pieces.append(FilePiece(ranges=((start, end),)))
        else:
            header = data[start : patched + 4] + struct.pack(">q", end - patched - 12)
            pieces.append(FilePiece(((patched + 12, end),), header))
        start = end
    return pieces, claimed


def _caf_follows(data: Data, at: int) -> bool:
    name, size = data[at : at + 4], data[at + 4 : at + 12]
    if name == b"caff" or is_tag(data, at) or few_bytes_follow(data, at) is not None:
        return True
    return len(size) == 8 and chunk_name(name) and 0 <= struct.unpack(">q", size)[0] <= len(data) - at


def w64_pieces(data: Data) -> Pieces:
    """The `data` chunk, to the end of the file where no chunk follows it; and files that were joined."""
    pieces, claimed, start = [], None, 0
    while start < len(data):
        at, end, rate, patched = start + 40, len(data), 0, -1
        while at + 24 <= len(data):
            name, size = data[at : at + 4], struct.unpack_from("<Q", data, at + 16)[0]
            if name == b"riff":
                end = at
                break
            if data[at + 4 : at + 16] != _W64_GUID or size < 24:
                break
            if name == b"fmt ":
                rate = struct.unpack_from("<I", data, at + 24 + 8)[0]
            stop = at + -(-size // 8) * 8
            if name == b"data" and stop < len(data) and not _w64_follows(data, stop):
                claimed = (size - 24) / rate if rate else 0.0
                patched = at
                break
            at = stop
        if patched < 0:
            pieces.append(FilePiece(ranges=((start, end),)))
        else:
            header = data[start : patched + 16] + struct.pack("<Q", end - patched)
            pieces.append(FilePiece(((patched + 24, end),), header))
        start = end
    return pieces, claimed


def _w64_follows(data: Data, at: int) -> bool:
    name = data[at : at + 4]
    return data[at + 4 : at + 16] == _W64_GUID or name == b"riff" or few_bytes_follow(data, at) is not None


def mp4_pieces(data: Data) -> Pieces:
    """Movies that were joined. One in fragments may repeat its beginning, and is one."""
    bounds, fragmented, at = [0], False, 0
    while at + 8 <= len(data):
        size, name = struct.unpack_from(">I4s", data, at)
        if size == 1:
            (size,) = struct.unpack_from(">Q", data, at + 8)
        fragmented = fragmented or name in (b"moof", b"sidx", b"styp")
        if name == b"ftyp" and at:
            bounds.append(at)
        if size < 8:
            break
        at += size
    if fragmented or len(bounds) == 1:
        return [], None
    return [FilePiece(ranges=(each,)) for each in zip(bounds, [*bounds[1:], len(data)], strict=True)], None


def wavpack_pieces(data: Data) -> Pieces:
    """Files that were joined: their blocks begin to count anew."""
    bounds, before, at = [0], 0, 0
    while at + 32 <= len(data):
        if data[at : at + 4] != b"wvpk":
            at = data.find(b"wvpk", at)
            if at < 0:
                break
        size, _, high, _, _, low = struct.unpack_from("<IHBBII", data, at + 4)
        index = high << 32 | low
        if index < before:
            bounds.append(at)
        before = index
        at += 8 + size
    return [FilePiece(ranges=(each,)) for each in zip(bounds, [*bounds[1:], len(data)], strict=True)], None
