"""What a file consists of, by its own structure: recordings that were joined, and sound behind a header that lies.

ffmpeg reads the first recording of a joined file and believes a header. Here the structure alone is walked, so that
each piece can be given to ffmpeg as the whole file that it once was.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from gateway.media.chunks import (
    Data,
    FilePiece,
    Pieces,
    aiff_pieces,
    caf_pieces,
    mp4_pieces,
    w64_pieces,
    wavpack_pieces,
)
from gateway.media.ogg import ogg_pieces
from gateway.media.wav import wav_pieces

MOST_PIECES = 500  # of one file; what follows is told as missing

# Formats that say nothing of where they end: each beginning with the same bytes is another recording.
_BEGINNINGS = (
    b"fLaC\0\0\0\x22",
    b"#!AMR\n",
    b"#!AMR-WB\n",
    b"TTA1\x01\0",
    b"Creative Voice File\x1a",
    b"nut/multimedia container\0",
    b"FLV\x01\x04\0\0\0\x09",
    b"FLV\x01\x05\0\0\0\x09",
    b"\x30\x26\xb2\x75\x8e\x66\xcf\x11\xa6\xd9\x00\xaa\x00\x62\xce\x6c",  # ASF: WMA and WMV
)


Walker = Callable[[Data], Pieces]
_WALKERS: tuple[tuple[int, bytes, Walker], ...] = (
    (8, b"WAVE", wav_pieces),
    (8, b"AIFF", aiff_pieces),
    (8, b"AIFC", aiff_pieces),
    (0, b"caff", caf_pieces),
    (0, b"riff", w64_pieces),
    (0, b"wvpk", wavpack_pieces),
    (0, b"OggS", ogg_pieces),
    (4, b"ftyp", mp4_pieces),
)


@dataclass(frozen=True, slots=True)
class FileStructure:
    pieces: tuple[FilePiece, ...] = ()  # (): the file is one whole
    claimed: float | None = None  # seconds of sound that its header tells, where more follows
    cut: bool = False  # there are more pieces than are read


def find_structure(path: Path) -> FileStructure:
    """Never raises for what is in the file: one that is not understood is one whole."""
    if path.stat().st_size == 0:
        return FileStructure()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        try:
            pieces, claimed = _walker(data)(data)
        except (struct.error, IndexError, ValueError, ArithmeticError):
            return FileStructure()
        whole = len(pieces) == 1 and pieces[0] == FilePiece(ranges=((0, len(data)),))
        if whole or not pieces:
            return FileStructure()
        return FileStructure(tuple(pieces[:MOST_PIECES]), claimed, len(pieces) > MOST_PIECES)


def _walker(data: Data) -> Walker:
    for at, name, walker in _WALKERS:
        if data[at : at + len(name)] == name:
            return walker
    return _split_at_beginnings


def _split_at_beginnings(data: Data) -> Pieces:
    beginning = next((each for each in _BEGINNINGS if data[: len(each)] == each), None)
    if beginning is None:
        return [], None
    bounds, at = [0], data.find(beginning, len(beginning))
    while at != -1 and len(bounds) <= MOST_PIECES:
        bounds.append(at)
        at = data.find(beginning, at + len(beginning))
    return [FilePiece(ranges=(each,)) for each in zip(bounds, [*bounds[1:], len(data)], strict=True)], None
