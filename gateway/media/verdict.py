"""What a sender is told of a file: why it is refused, or what of it may be missing."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from gateway.errors import UnsupportedMedia
from gateway.media.pieces import FileStructure
from gateway.media.process import DecodedPiece
from gateway.media.report import MediaReport

ACCEPTED = "accepted are MP3, WAV, FLAC, OGG, M4A, AAC, OPUS, WMA, MP4, WebM, MKV, AVI, MOV, WMV, MPG, MPEG"
SHORTFALL = 0.5  # seconds: less than the file claims by more than this is damage

EXACT = 0.02  # seconds that a length may be off where nothing is missing
# What ffmpeg says of a tag or of padding behind the last frame.
_AFTER_THE_END = re.compile(r"invalid sync code|invalid frame header|decode_frame\(\) failed|^Decoding error: Invalid")

# ffmpeg's complaint → a reason that the sender can understand.
REASONS = {
    "moov atom not found": "its index (moov) is missing, as in a file that was cut off",
    "no 'data' tag found": "it has a header but no sound",
}


def check(path: Path, report: MediaReport) -> None:
    """Raises UnsupportedMedia if the file cannot hold sound."""
    if report.audio:
        return
    if path.stat().st_size == 0:
        raise UnsupportedMedia(f"the file is empty; {ACCEPTED}")
    if report.container:
        found = "a picture but no audio track" if report.video else "no audio track"
        raise UnsupportedMedia(f"the file has {found}: there is nothing to transcribe; {ACCEPTED}")
    raise UnsupportedMedia(f"the file is not a recording that can be read{_because(report)}; {ACCEPTED}")


def undecodable(report: MediaReport, track: int) -> UnsupportedMedia:
    """track: 0 is the first"""
    codec = report.audio[track].split(",")[0].split(" ")[0] if track < len(report.audio) else "unknown"
    return UnsupportedMedia(f"the file's sound ({codec}) cannot be decoded{_because(report)}; {ACCEPTED}")


def _because(report: MediaReport) -> str:
    for complaint in report.damage:
        for sign, reason in REASONS.items():
            if sign in complaint:
                return f": {reason}"
    return ""


def told_of(pieces: Sequence[DecodedPiece], structure: FileStructure, duration: float) -> tuple[str, ...]:
    """Warnings. duration: seconds that were decoded"""
    told = []
    if structure.claimed is not None:
        told.append(
            f"The file's header is wrong: it claims {structure.claimed:.1f} s of sound, but {duration:.1f} s "
            "are there; all of it was read."
        )
    if structure.cut:
        told.append(f"The file was joined of more than {len(structure.pieces)} recordings; the rest was not read.")
    return (*told, *_damage(pieces, duration))


def _damage(pieces: Sequence[DecodedPiece], duration: float) -> tuple[str, ...]:
    first = pieces[0].report
    alone = len(pieces) == 1 and not first.video and not first.other_streams
    claimed = pieces[0].claimed
    if alone and claimed is not None and duration < claimed - SHORTFALL:
        return (f"The file is damaged: of the {claimed:.1f} s that it claims, {duration:.1f} s were decoded.",)
    if any(_is_damaged(each, duration if alone else None) for each in pieces):
        return (f"The file is damaged: {duration:.1f} s were decoded, parts may be missing.",)
    return ()


def _is_damaged(piece: DecodedPiece, duration: float | None) -> bool:
    """duration: seconds that were decoded, where the file's length is that of its sound"""
    claimed = piece.claimed
    whole = duration is not None and claimed is not None and duration > claimed - EXACT and not piece.filled
    complaints = [each for each in piece.report.damage if not (whole and _AFTER_THE_END.search(each))]
    return bool(complaints) or piece.failed
