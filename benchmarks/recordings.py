"""Recordings with references: the development set beside the project, and files joined from its clips."""

from __future__ import annotations

import json
import os
import subprocess
import wave
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from benchmarks.environments import PROJECT
from speech.audio import SAMPLE_RATE, Pcm

SPEECH = Path(os.environ.get("STT_TEST_RECORDINGS", PROJECT.parent / "shared" / "speech"))
CACHE = PROJECT / "var" / "benchmarks"


class RecordingsMissing(FileNotFoundError):
    """The folder of development recordings is not on this machine."""


@dataclass(frozen=True)
class CorpusRecording:
    """One file and what is known of it, as the manifest's line says."""

    id: str
    path: Path
    group: str
    language: str | None  # ISO 639-1; None: no speech, or unknown
    text: str | None  # None: no reference; "": nothing must be transcribed
    duration: float  # seconds; 0 if the file is broken
    speaker: str | None = None
    note: str = ""
    rttm: Path | None = None
    segments: tuple[dict[str, object], ...] = ()

    @cached_property
    def pcm(self) -> Pcm:
        """The first audio track, int16 (n,), 16 kHz mono."""
        return read_pcm(self.path)


def load(groups: Iterable[str] = (), folder: Path = SPEECH) -> list[CorpusRecording]:
    """The manifest's recordings, of these groups or of all.

    raises: RecordingsMissing without the folder
    """
    manifest = folder / "manifest.jsonl"
    if not manifest.exists():
        raise RecordingsMissing(f"{manifest} is missing: these benchmarks need the development recordings")
    wanted = set(groups)
    recordings = [_recording(json.loads(line), folder) for line in manifest.read_text().splitlines()]
    return [recording for recording in recordings if not wanted or recording.group in wanted]


def _recording(line: dict[str, object], folder: Path) -> CorpusRecording:
    rttm = line.get("rttm")
    segments = line.get("segments")
    return CorpusRecording(
        id=str(line["id"]),
        path=folder / str(line["path"]),
        group=str(line["group"]),
        language=_text(line.get("language")),
        text=_text(line.get("text")),
        duration=float(str(line.get("duration", 0))),
        speaker=_text(line.get("speaker")),
        note=str(line.get("note", "")),
        rttm=folder / str(rttm) if rttm else None,
        segments=tuple(segments) if isinstance(segments, list) else (),
    )


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def read_pcm(path: Path) -> Pcm:
    """Any file that libav decodes → int16 (n,), 16 kHz mono; in the service's environment ffmpeg does it."""
    if find_spec("av") is None:
        return _read_by_ffmpeg(path)
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
    pieces: list[Pcm] = []
    with av.open(str(path)) as container:
        for frame in container.decode(audio=0):
            pieces += [out.to_ndarray()[0] for out in resampler.resample(frame)]
        pieces += [out.to_ndarray()[0] for out in resampler.resample(None)]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)


def _read_by_ffmpeg(path: Path) -> Pcm:
    import imageio_ffmpeg

    arguments = [
        "-v",
        "error",
        "-i",
        str(path),
        "-map",
        "0:a:0",
        "-ac",
        "1",
        "-ar",
        str(SAMPLE_RATE),
        "-f",
        "s16le",
        "-",
    ]
    command = [imageio_ffmpeg.get_ffmpeg_exe(), *arguments]
    return np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, np.int16)


def write_wav(pcm: Pcm, path: Path) -> Path:
    """16 kHz mono WAV; the form in which every contender is given its audio."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(pcm.tobytes())
    return path


def as_wav(recording: CorpusRecording) -> CorpusRecording:
    """The same recording as a 16 kHz WAV in the cache, so that decoding of the file costs all the same."""
    path = CACHE / "wav" / f"{recording.id}.wav"
    if not path.exists():
        write_wav(recording.pcm, path)
    return CorpusRecording(**{**_fields(recording), "path": path})  # type: ignore[arg-type]


def _fields(recording: CorpusRecording) -> dict[str, object]:
    return {name: getattr(recording, name) for name in CorpusRecording.__dataclass_fields__}


def join(recordings: Sequence[CorpusRecording], name: str, pause: float = 0.6) -> CorpusRecording:
    """Clips one after another with `pause` seconds of silence between: a long file whose text is known."""
    silence = np.zeros(int(pause * SAMPLE_RATE), dtype=np.int16)
    pieces = [piece for recording in recordings for piece in (recording.pcm, silence)]
    pcm = np.concatenate(pieces)
    return CorpusRecording(
        id=name,
        path=write_wav(pcm, CACHE / "wav" / f"{name}.wav"),
        group="joined",
        language=recordings[0].language,
        text=" ".join(recording.text or "" for recording in recordings),
        duration=len(pcm) / SAMPLE_RATE,
    )


def english_files() -> list[CorpusRecording]:
    """More than ten minutes of English as people upload it: long files, not clips."""
    read = load(["A-read"])
    long = [as_wav(recording) for recording in load(["D-long"]) if recording.language == "en"]
    return [join(read, "a-read-joined"), *long]


def english_clips(longest: float = 12.0) -> list[CorpusRecording]:
    """Every English clip with a text that is shorter than `longest` seconds."""
    clips = load(["A-read", "A-command", "A-telephone"])
    return [as_wav(clip) for clip in clips if clip.duration < longest]
