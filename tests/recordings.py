"""Recordings with references: those of the checkout, and more from a folder that STT_TEST_RECORDINGS names."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np

from speech.audio import Pcm

DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class TestRecording:
    """One line of a manifest."""

    __test__ = False  # not a test class

    id: str
    path: Path
    group: str  # A-read, A-command, A-telephone, B-lang, B-langid, C-conv, E-nonspeech, …
    language: str | None  # ISO 639-1; None: nobody speaks
    text: str | None  # None: no reference; "": nobody speaks
    duration: float  # seconds


@cache
def recordings(*groups: str) -> list[TestRecording]:
    """Those of `groups`, the checkout's first."""
    more = os.environ.get("STT_TEST_RECORDINGS")
    folders = [DATA, *([Path(more)] if more else [])]
    return [each for folder in folders for each in _read(folder) if each.group in groups]


def _read(folder: Path) -> list[TestRecording]:
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text(encoding="utf-8").splitlines()]
    fields = ("id", "group", "language", "text", "duration")
    return [TestRecording(path=folder / line["path"], **{name: line.get(name) for name in fields}) for line in lines]


def read_pcm(path: Path) -> Pcm:
    """int16 (n,), 16 kHz mono."""
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-ac", "1", "-ar", "16000"]
    raw = subprocess.run([*command, "-f", "s16le", "-"], capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.int16)
