"""The recordings that a command line names: files, folders of files, standard input."""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.errors import WrongUse
from gateway.cli.standard_input import read_standard_input

STANDARD_INPUT = "-"
ENDINGS = (
    *(".mp3", ".wav", ".flac", ".ogg", ".m4a", ".aac", ".opus", ".wma"),
    *(".mp4", ".webm", ".mkv", ".avi", ".mov", ".wmv", ".mpg", ".mpeg"),
)
ADDRESSES = ("http://", "https://", "ftp://", "rtsp://", "s3://")


@dataclass(frozen=True, slots=True)
class RecordingFile:
    label: str  # as the user named it
    path: Path | None  # None: standard input
    place: Path  # the file's name, under its folder where a folder was named

    @property
    def name(self) -> str:
        return self.place.name


def find_recordings(arguments: Sequence[str]) -> list[RecordingFile]:
    """raises: WrongUse"""
    found = [recording for argument in arguments for recording in _expand(argument)]
    if sum(recording.path is None for recording in found) > 1:
        raise WrongUse("standard input (-) can be given once")
    return found


def is_recording(path: Path) -> bool:
    """By its name."""
    return path.suffix.lower() in ENDINGS


def check_is_file(name: str) -> Path:
    """A file, or something that can be read like one. Raises WrongUse."""
    if name.lower().startswith(ADDRESSES):
        raise WrongUse(f"{name} is an address, not a file; download the recording and give the file")
    path = Path(name)
    if not path.exists():
        raise WrongUse(f"{name}: there is no such file")
    if path.is_dir():
        raise WrongUse(f"{name} is a folder; give a file")
    return path


@asynccontextmanager
async def on_disk(recording: RecordingFile) -> AsyncIterator[Path]:
    """A file of known length: what comes through a pipe is written to a temporary one first. Raises WrongUse."""
    if recording.path is not None and recording.path.is_file():
        yield recording.path
        return
    with tempfile.NamedTemporaryFile(prefix="stt-") as copy:
        if recording.path is None:
            async for piece in read_standard_input():
                copy.write(piece)
        else:
            with recording.path.open("rb") as pipe:
                await asyncio.to_thread(shutil.copyfileobj, pipe, copy)
        copy.flush()
        if not copy.tell():
            raise WrongUse(f"{recording.label}: nothing came")
        yield Path(copy.name)


def _expand(argument: str) -> list[RecordingFile]:
    if argument == STANDARD_INPUT:
        if sys.stdin.isatty():
            raise WrongUse(
                "standard input is a terminal; pipe a recording into it, as in `stt transcribe - < talk.mp3`"
            )
        return [RecordingFile("standard input", None, Path("stdin"))]
    folder = Path(argument)
    if not folder.is_dir():
        return [RecordingFile(argument, check_is_file(argument), Path(folder.name))]
    inside = sorted(path for path in folder.rglob("*") if is_recording(path) and path.is_file())
    if not inside:
        raise WrongUse(f"{argument}: no recording lies in this folder; looked for {', '.join(ENDINGS)}")
    return [RecordingFile(str(path), path, path.relative_to(folder)) for path in inside]
