"""Chained Ogg: links that differ in rate, channels or codec are pieces of their own; ffmpeg joins those alike."""

from __future__ import annotations

import struct

from gateway.media.chunks import Data, FilePiece, Pieces

_HEADER = struct.Struct("<4sBBqIIIB")
_FIRST_OF_STREAM = 2  # flag of a page


def ogg_pieces(data: Data) -> Pieces:
    links: list[tuple[int, list[bytes]]] = []  # where each begins, and what its streams are
    at, inside = 0, True
    while (at := _page(data, at)) >= 0:
        _, _, flags, _, _, _, _, segments = _HEADER.unpack_from(data, at)
        lengths = data[at + 27 : at + 27 + segments]
        content = at + 27 + segments
        if flags & _FIRST_OF_STREAM:
            if inside:
                links.append((at, []))
                inside = False
            links[-1][1].append(_parameters(data[content : content + 64]))
        else:
            inside = True
        at = content + sum(lengths)
    starts = [at for number, (at, streams) in enumerate(links) if not number or streams != links[number - 1][1]]
    if len(starts) < 2:
        return [], None
    starts[0] = 0
    return [FilePiece(ranges=(each,)) for each in zip(starts, [*starts[1:], len(data)], strict=True)], None


def _page(data: Data, at: int) -> int:
    """The next page's place; -1 at the end."""
    found = at if data[at : at + 4] == b"OggS" else data.find(b"OggS", at)
    return found if found >= 0 and found + _HEADER.size <= len(data) else -1


def _parameters(first_packet: bytes) -> bytes:
    """What a decoder cannot change while it works."""
    if first_packet.startswith(b"OpusHead"):
        return first_packet[:10]  # version, channels
    if first_packet.startswith(b"\x01vorbis"):
        return first_packet[:16]  # version, channels, rate
    if first_packet.startswith(b"\x7fFLAC"):
        return first_packet[:5] + first_packet[27:30]  # rate, channels
    return first_packet[:16]
