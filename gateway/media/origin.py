"""Where a file's clock has its zero, so that sound keeps its place beside a picture that ffmpeg does not decode here.

ffmpeg takes the first of the streams that it understands for the beginning. A picture whose codec is not allowed here
has no times for it in Matroska, and one that is not in use does not count in MPEG and Ogg: sound that begins later
would move to the front. A movie of which nothing is shown for more than an hour has a clock that begins elsewhere:
sound keeps its place beside what is shown first.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from gateway.media.clock import LONGEST_PAUSE
from gateway.media.edits import first_picture_or_sound
from gateway.media.matroska import CLUSTER_TIME, TIMESTAMP_SCALE, read_elements

_MATROSKA = b"\x1a\x45\xdf\xa3"
_OPEN_CLOCKS = (b"OggS", b"\0\0\1\xba")  # Ogg, MPEG-PS
_TRANSPORT_PACKETS = ((0, 188), (4, 192), (0, 204))  # first sync byte and size, of MPEG-TS and its kinds
_HEAD = 512  # bytes
_MOST_BOXES = 1000


@dataclass(frozen=True, slots=True)
class ClockOrigin:
    seconds: float | None = None  # by the file's own clock; None: ffmpeg finds it
    every_stream: bool = False  # it does if all streams are in use


def find_origin(path: Path) -> ClockOrigin:
    """Never raises for what is in the file."""
    with path.open("rb") as file:
        head = file.read(_HEAD)
        file.seek(0)
        if head.startswith(_OPEN_CLOCKS):
            return ClockOrigin(every_stream=True)
        if any(head[at : at + size + 1 : size] == b"GG" for at, size in _TRANSPORT_PACKETS):
            return ClockOrigin(every_stream=True)
        if head.startswith(_MATROSKA):
            return ClockOrigin(_first_cluster(file))
        if head[4:8] == b"ftyp" and not _is_fragmented(file):
            begin = first_picture_or_sound(path)
            return ClockOrigin(begin if begin > LONGEST_PAUSE else 0.0)
    return ClockOrigin()


# FLAC, Ogg, MP3, AIFF, CAF, AU, AMR.
_ONE_TRACK = (b"fLaC", b"OggS", b"ID3", b"FORM", b"caff", b".snd", b"#!AMR")


def may_hold_tracks(path: Path) -> bool:
    """Whether the file's kind can have several audio tracks."""
    with path.open("rb") as file:
        head = file.read(12)
    return head[8:] != b"WAVE" and not head.startswith(_ONE_TRACK) and head[:1] != b"\xff"


def _first_cluster(file: IO[bytes]) -> float | None:
    """Seconds."""
    scale = 1_000_000  # nanoseconds
    for name, content in read_elements(file):
        if name == TIMESTAMP_SCALE:
            scale = int.from_bytes(content, "big")
        if name == CLUSTER_TIME:
            return int.from_bytes(content, "big") * scale / 1e9
    return None


def _is_fragmented(file: IO[bytes]) -> bool:
    """A piece of a longer movie in fragments begins where it was cut off."""
    for _ in range(_MOST_BOXES):
        header = file.read(8)
        if len(header) < 8:
            return False
        size, name = struct.unpack(">I4s", header)
        if name in (b"moof", b"styp", b"sidx"):
            return True
        if size == 1:
            size = int.from_bytes(file.read(8), "big") - 8
        if size < 8:
            return False
        file.seek(size - 8, 1)
    return True
