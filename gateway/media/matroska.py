"""Reader of Matroska, for what ffmpeg writes: PCM with a time stamp at every frame.

A WAV stream would be simpler, but it has no clock: what the file's clock leaves out could not be told from what
follows at once, and a change of rate or channels in the middle makes ffmpeg begin its filters, and their clock, anew.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

import numpy as np
from numpy.typing import NDArray

# Elements that hold others; what is in them is read, everything else is skipped.
_OUTER = frozenset({0x18538067, 0x1654AE6B, 0xAE, 0xE1, 0x1F43B675, 0xA0})
_CHANNELS, _BLOCKS = 0x9F, frozenset({0xA3, 0xA1})
CLUSTER_TIME, TIMESTAMP_SCALE = 0xE7, 0x2AD7B1
LARGEST = 2**26  # bytes of one element: ffmpeg's own frames are far smaller

Frames = NDArray[np.int16]  # (n, channels)


@dataclass(frozen=True, slots=True)
class TimedFrames:
    start: float  # seconds by the file's clock
    frames: Frames


def read_frames(stream: IO[bytes], most_channels: int) -> Iterator[TimedFrames]:
    """Ends where the stream does, and at a track with more channels than `most_channels`."""
    channels, cluster = 0, 0
    for name, content in read_elements(stream):
        if name == _CHANNELS:
            channels = int.from_bytes(content, "big")
            if channels > most_channels:
                return
        elif name == CLUSTER_TIME:
            cluster = int.from_bytes(content, "big")
        elif name in _BLOCKS and channels:
            # One byte of track number, two of time in ms after the cluster's, one of flags.
            (after,) = struct.unpack_from(">h", content, 1)
            payload = content[4 : 4 + (len(content) - 4) // (2 * channels) * 2 * channels]
            yield TimedFrames((cluster + after) / 1000, np.frombuffer(payload, "<i2").reshape(-1, channels))


def read_elements(stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
    """Names and contents of all that is no container of others."""
    while (name := _number(stream, marked=True)) is not None:
        size = _number(stream, marked=False)
        if size is None:
            return
        if name in _OUTER:
            continue
        if size > LARGEST:
            return
        content = stream.read(size)
        if len(content) < size:
            return
        yield name, content


def _number(stream: IO[bytes], *, marked: bool) -> int | None:
    """A number whose first byte's leading zeros tell its length. marked: with the bit that ends them, as names are"""
    first = stream.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()
    rest = stream.read(length - 1)
    if len(rest) < length - 1:
        return None
    value = int.from_bytes(first + rest, "big")
    return value if marked else value & (1 << 7 * length) - 1
