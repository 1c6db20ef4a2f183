"""Parser of ffmpeg's report on standard error: container, tracks, duration, damage."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

UNDETERMINED = "und"  # ISO 639-2 for a language that nobody told
MAX_LINES = 2000  # a damaged file may bring one complaint per packet


@dataclass(frozen=True, slots=True)
class MediaReport:
    container: str  # ffmpeg's name of the format; "" if the file was not recognised
    duration: float | None  # seconds that the file claims for its longest stream, None if it claims nothing reliable
    audio: tuple[str, ...]  # one description per audio track
    tags: tuple[str, ...]  # the language of each as the file writes it, mostly ISO 639-2; "" for none
    video: bool  # a moving picture, not a cover
    other_streams: bool  # subtitles, or a second audio track: the file's length may be theirs
    damage: tuple[str, ...]  # complaints about the data


_INPUT = re.compile(r"^\[info\] Input #0, (\S+), from")
_DURATION = re.compile(r"^\[info\]   Duration: (\d+):(\d\d):(\d\d\.\d+)")
_STREAM = re.compile(r"^\[info\]   Stream #0:\d+(?:\[\w+\])?(?:\(([\w-]+)\))?: (\w+): (.+)$")
_OUTPUT = re.compile(r"^\[info\] (?:Stream mapping|Output #0)")
_COMPLAINT = re.compile(
    r"^(?:\[([^\]]*) @ 0x[0-9a-f]+\] )?(?:\[[^\]]* @ 0x[0-9a-f]+\] )*\[(error|fatal|warning)\] (.+)$"
)
_MAPPED = re.compile(r"^\[info\]   Stream #0:(\d+) -> #0:0")
_OF_STREAM = re.compile(r"\bstream (?:= )?(\d+)\b")
# Warnings that tell of lost data; all others are remarks.
_LOSS = re.compile(r"corrupt|truncat|invalid|missing|damaged|overread|partial|premature", re.IGNORECASE)
_REMARKS = re.compile(
    r"Estimating duration|not supported|Could not find codec parameters|not on whitelist|"
    "non monotonically increasing dts to muxer"
)
# A WAV written to a pipe does not know its length: its last packet always looks cut.
_ENDLESS_WAV = "Ignoring maximum wav data size"
# Where two MP3 files were joined, the second one's header is no frame: nothing is lost there.
_JOINED_MP3 = "invalid concatenated file detected"
_SEAM = re.compile(rf"Header missing|Error submitting packet|{_JOINED_MP3}")
_CUT_PACKET = re.compile(r"corrupt input packet|Packet corrupt")


def read_report(lines: Iterable[str]) -> MediaReport:
    """Metadata that a user wrote stands deeper indented in ffmpeg's report, so it cannot pose as a track."""
    lines = list(lines)
    end = next((at for at, line in enumerate(lines) if _OUTPUT.match(line)), len(lines))
    head = lines[:end]
    inputs = [found[1].rstrip(",") for line in head if (found := _INPUT.match(line))]
    durations = [found for line in head if (found := _DURATION.match(line))]
    streams = [(found[2], found[3]) for line in head if (found := _STREAM.match(line))]
    tags = [found[1] or "" for line in head if (found := _STREAM.match(line)) and found[2] == "Audio"]
    estimated = any("Estimating duration" in line for line in head)
    return MediaReport(
        container=inputs[0] if inputs else "",
        duration=_seconds(durations[0]) if durations and not estimated else None,
        audio=tuple(what for kind, what in streams if kind == "Audio"),
        tags=tuple("" if tag == UNDETERMINED else tag for tag in tags),
        video=any(kind == "Video" and "(attached pic)" not in what for kind, what in streams),
        other_streams=sum(kind != "Video" for kind, _ in streams) > 1,
        damage=_damage(lines),
    )


def _seconds(clock: re.Match[str]) -> float:
    return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3])


def _damage(lines: list[str]) -> tuple[str, ...]:
    """Complaints about the decoded track and its container, not about another one."""
    complaints = [found for line in lines if (found := _COMPLAINT.match(line))]
    decoded = next((found[1] for line in lines if (found := _MAPPED.match(line))), None)
    pictures = {
        found[3].split(",")[0].split(" ")[0] for line in lines if (found := _STREAM.match(line)) and found[2] == "Video"
    }
    losses = [
        found[3]
        for found in complaints
        if (found[2] != "warning" or _LOSS.search(found[3]))
        and not _REMARKS.search(found[3])
        and found[1] not in pictures
        and not (decoded and (other := _OF_STREAM.search(found[3])) and other[1] != decoded)
    ]
    if any(_JOINED_MP3 in line for line in lines):
        losses = [it for it in losses if not _SEAM.search(it)]
    if any(_ENDLESS_WAV in loss for loss in losses):
        return tuple(it for it in losses if _ENDLESS_WAV not in it and not _CUT_PACKET.search(it))
    return tuple(losses)
