"""Recordings that scales are calibrated on, as windows of 30 s."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from speech.audio import SAMPLE_RATE, Samples, to_samples
from speech.whisper.log_mel import MAX_SAMPLES

MOST_WINDOWS = 64  # half an hour of speech


class InvalidRecordings(ValueError):
    """The folder holds nothing to calibrate on."""


def read_windows(folder: Path) -> Iterator[Samples]:
    """float32 (n,) at 16 kHz, n ≤ 480_000, from every file of a folder, MOST_WINDOWS at most.

    raises: InvalidRecordings
    """
    files = sorted(path for path in folder.glob("*") if path.is_file())
    windows = (window for path in files for window in _cut(_decode(path)))
    found = [window for window, _ in zip(windows, range(MOST_WINDOWS), strict=False)]
    if not found:
        raise InvalidRecordings(f"no recordings in {folder}: some minutes of speech are needed, as it will be heard")
    yield from found


def _cut(samples: Samples) -> Iterator[Samples]:
    for start in range(0, len(samples), MAX_SAMPLES):
        yield samples[start : start + MAX_SAMPLES]


def _decode(path: Path) -> Samples:
    import imageio_ffmpeg  # needed by 8-bit exports alone

    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", str(path), "-vn", "-ac", "1"]
    command += ["-ar", str(SAMPLE_RATE), "-f", "s16le", "-"]
    done = subprocess.run(command, capture_output=True, check=False)
    if done.returncode:
        reason = done.stderr.decode(errors="replace").strip()
        raise InvalidRecordings(f"{path.name} is no recording that ffmpeg reads: {reason}")
    return to_samples(np.frombuffer(done.stdout, np.int16))
