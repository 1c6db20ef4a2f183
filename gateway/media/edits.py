"""Edit lists of MP4 and MOV with a hole in the middle, which ffmpeg fills with the sound of the beginning."""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from gateway.media.chunks import Data
from gateway.media.matroska import TimedFrames
from speech.audio import SAMPLE_RATE

EMPTY = -1  # media time of an edit in which there is nothing
_MOST_EDITS = 10_000


@dataclass(frozen=True, slots=True)
class Edit:
    """A stretch of a track's sound, in seconds."""

    place: float  # in the movie
    start: float  # in the track
    length: float


def find_edits(path: Path, track: int) -> tuple[Edit, ...]:
    """Of an audio track (0 is the first) whose edit list ffmpeg does not follow; () for any other. Never raises for
    what is in the file."""
    if path.stat().st_size == 0:
        return ()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[4:8] != b"ftyp":
            return ()
        try:
            return _edits(data, track)
        except (struct.error, IndexError, StopIteration, ArithmeticError):
            return ()


def first_picture_or_sound(path: Path) -> float:
    """Seconds by the movie's clock before which its edit lists show nothing of any track; 0.0 for what is no movie.
    Never raises for what is in the file."""
    if path.stat().st_size == 0:
        return 0.0
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        if data[4:8] != b"ftyp":
            return 0.0
        try:
            return _nothing_before(data)
        except (struct.error, IndexError, StopIteration, ArithmeticError):
            return 0.0


def placed(frames: Iterable[TimedFrames], edits: tuple[Edit, ...]) -> Iterator[TimedFrames]:
    """What the edits show of a track's frames, by the movie's clock. The edits are in order in both."""
    for timed in frames:
        for edit in edits:
            first = max(0, round((edit.start - timed.start) * SAMPLE_RATE))
            stop = min(len(timed.frames), round((edit.start + edit.length - timed.start) * SAMPLE_RATE))
            if first < stop:
                shown = timed.start + first / SAMPLE_RATE
                yield TimedFrames(edit.place + shown - edit.start, timed.frames[first:stop])


def _edits(data: Data, track: int) -> tuple[Edit, ...]:
    movie = next(_boxes(data, (0, len(data)), b"moov"), None)
    if movie is None:
        return ()
    scale = _timescale(data, movie, b"mvhd")
    sounds = []
    for each in _boxes(data, movie, b"trak"):
        media = next(_boxes(data, each, b"mdia"))
        handler = next(_boxes(data, media, b"hdlr"))
        if data[handler[0] + 8 : handler[0] + 12] == b"soun":
            sounds.append((each, media))
    if track >= len(sounds):
        return ()
    each, media = sounds[track]
    entries = _track_entries(data, each)
    shown = [start for _, start in entries if start != EMPTY]
    first = _first_shown(entries)
    if shown != sorted(set(shown)) or all(start != EMPTY for _, start in entries[first:]):
        return ()
    return _placed_entries(entries, scale, _timescale(data, media, b"mdhd"))


def _nothing_before(data: Data) -> float:
    movie = next(_boxes(data, (0, len(data)), b"moov"))
    scale = _timescale(data, movie, b"mvhd")
    empty = []
    for each in _boxes(data, movie, b"trak"):
        entries = _track_entries(data, each)
        first = _first_shown(entries)
        empty.append(sum(length for length, _ in entries[:first]))
    return min(empty, default=0) / scale


def _track_entries(data: Data, track: tuple[int, int]) -> list[tuple[int, int]]:
    """Of its edit list, if it has one."""
    lists = [box for edts in _boxes(data, track, b"edts") for box in _boxes(data, edts, b"elst")]
    return _entries(data, lists[0]) if lists else []


def _first_shown(entries: list[tuple[int, int]]) -> int:
    """Of the first entry that shows something; their number where none does."""
    return next((at for at, (_, start) in enumerate(entries) if start != EMPTY), len(entries))


def _placed_entries(entries: list[tuple[int, int]], scale: int, media_scale: int) -> tuple[Edit, ...]:
    edits, place = [], 0
    for length, start in entries:
        if start != EMPTY:
            edits.append(Edit(place / scale, start / media_scale, length / scale))
        place += length
    return tuple(edits)


def _entries(data: Data, box: tuple[int, int]) -> list[tuple[int, int]]:
    """(length by the movie's clock, media time) of each."""
    version, count = data[box[0]], struct.unpack_from(">I", data, box[0] + 4)[0]
    form = struct.Struct(">QqI" if version else ">IiI")
    return [form.unpack_from(data, box[0] + 8 + at * form.size)[:2] for at in range(min(count, _MOST_EDITS))]


def _timescale(data: Data, outer: tuple[int, int], name: bytes) -> int:
    """Units a second, of a movie or a track."""
    first, _ = next(_boxes(data, outer, name))
    scale: int = struct.unpack_from(">I", data, first + (20 if data[first] else 12))[0]
    return scale


def _boxes(data: Data, outer: tuple[int, int], name: bytes) -> Iterator[tuple[int, int]]:
    """First byte of the content, and the end, of each box of this name right inside another."""
    at, end = outer
    while at + 8 <= end:
        size, found = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1:
            (size,), head = struct.unpack_from(">Q", data, at + 8), 16
        size = end - at if size == 0 else size
        if size < head:
            return
        if found == name:
            yield at + head, min(at + size, end)
        at += size
