"""One file's runs of ffmpeg: reads its output, within limits, and kills it when the request is cancelled."""

from __future__ import annotations

import io
import struct
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from gateway.media.downmix import BLOCK, Downmix
from gateway.media.ffmpeg import Ffmpeg, MediaLimits
from gateway.media.recording import PcmFile
from gateway.media.report import MAX_LINES, MediaReport, read_report
from speech.activity import Probabilities, VoiceActivity
from speech.audio import SAMPLE_RATE, Pcm

MAX_LINE = 2000  # bytes of one line of ffmpeg's report
HEADER_LINES = 100  # of the report, among which the duration stands

OnDecoded = Callable[[float, float], None]  # seconds decoded, seconds that the file claims


def _ignore(decoded: float, claimed: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Track:
    report: MediaReport
    loudness: float  # RMS of the loudest half second, 0..32768
    failed: bool  # ffmpeg ended with an error
    stopped: str  # the limit that the file went over, or ""
    speech: Probabilities  # (chunks,), that somebody speaks in each 32 ms
    too_long: bool = False  # the limit was that of its duration


class DecodingCancelled(RuntimeError):
    """`cancel` was called."""


class DecodingProcess:
    """Runs in a thread of its own; `cancel` may be called from any other."""

    def __init__(self, ffmpeg: Ffmpeg, path: Path, limits: MediaLimits, on_progress: OnDecoded | None = None) -> None:
        self.path = path
        self._ffmpeg = ffmpeg
        self._limits = limits
        self._on_progress = on_progress or _ignore
        self._lock = threading.Lock()
        self._child: subprocess.Popen[bytes] | None = None
        self._cancelled = False
        self._deadline = time.monotonic() + limits.wall  # of all runs together

    def start_clock(self) -> None:
        """The file's time runs from now on, not while it waits for its turn."""
        self._deadline = time.monotonic() + self._limits.wall

    def cancel(self) -> None:
        with self._lock:
            self._cancelled = True
            if self._child is not None:
                self._child.kill()

    def inspect(self, arguments: list[str]) -> MediaReport:
        """Runs ffmpeg without an output: only its report."""
        with self._run(arguments) as (child, lines):
            child.wait()
        return read_report(lines)

    def decode(self, arguments: list[str], file: PcmFile, activity: VoiceActivity) -> Track:
        """Downmixes ffmpeg's output into the file, and detects voice activity while ffmpeg goes on."""
        loudness, stopped, too_long = 0.0, "", False
        detector, speech = activity.stream(), []
        longest = int(self._limits.duration * SAMPLE_RATE)
        with self._run(arguments) as (child, lines):
            claimed = None
            for pcm in self._read(child):
                file.write(pcm)
                claimed = claimed or read_report(lines[:HEADER_LINES]).duration
                if claimed:
                    self._on_progress(file.samples / SAMPLE_RATE, claimed)
                speech.append(detector.feed(pcm))
                loudness = max(loudness, _rms(pcm))
                if file.samples > longest:
                    stopped, too_long = f"it is longer than {duration_text(self._limits.duration)}", True
                    child.kill()
                    break
            code = child.wait()
        # -9 and -24 (SIGXCPU) come from the limits, unless it was this method's own kill.
        if code < 0 and not stopped:
            stopped = "decoding it takes more time or memory than allowed"
        probabilities = np.concatenate([*speech, detector.flush()])
        return Track(read_report(lines), loudness, code != 0, stopped, probabilities, too_long)

    def _read(self, child: subprocess.Popen[bytes]) -> Iterator[Pcm]:
        assert child.stdout is not None
        stream = io.BufferedReader(cast(io.RawIOBase, child.stdout), 2**18)
        channels = _read_wav_header(stream)
        if channels == 0:
            return
        if channels > self._limits.channels:
            child.kill()
            return
        downmix = Downmix(channels)
        frame = 2 * channels
        while payload := stream.read(BLOCK * frame):
            usable = len(payload) // frame * frame
            yield downmix.mix(np.frombuffer(payload[:usable], dtype="<i2").reshape(-1, channels))

    @contextmanager
    def _run(self, arguments: list[str]) -> Iterator[tuple[subprocess.Popen[bytes], list[str]]]:
        """A running ffmpeg and the lines of its report, complete once the block is left."""
        lines: list[str] = []
        with self.path.open("rb") as source:
            child = self._ffmpeg.spawn(arguments, source.fileno(), self._limits)
        collector = threading.Thread(target=_collect, args=(child.stderr, lines), daemon=True)
        watchdog = threading.Timer(max(0.0, self._deadline - time.monotonic()), child.kill)
        watchdog.daemon = True
        with child:
            try:
                self._attach(child)
                collector.start()
                watchdog.start()
                yield child, lines
            except BaseException:
                child.kill()
                raise
            finally:
                watchdog.cancel()
                self._attach(None)
                collector.join()
        if self._cancelled:
            raise DecodingCancelled("decoding was cancelled")

    def _attach(self, child: subprocess.Popen[bytes] | None) -> None:
        with self._lock:
            self._child = child
            if child is not None and self._cancelled:
                child.kill()


def duration_text(seconds: float) -> str:
    hours = seconds / 3600
    return f"{hours:g} hours" if hours == round(hours, 1) else f"{seconds / 60:g} minutes"


def _collect(stream: IO[bytes], lines: list[str]) -> None:
    """Keeps the beginning of a report that may be endless, and reads the rest so that ffmpeg does not block."""
    reader = io.BufferedReader(cast(io.RawIOBase, stream), 2**16)
    while line := reader.readline(MAX_LINE):
        if len(lines) < MAX_LINES:
            lines.append(line.decode("utf-8", "replace").rstrip("\n"))


def _rms(pcm: Pcm) -> float:
    samples = pcm.astype(np.float32)
    return float(np.sqrt(np.mean(samples * samples))) if len(pcm) else 0.0


def _read_wav_header(stream: IO[bytes]) -> int:
    """The number of channels; 0 if nothing came. Leaves the stream at the first sample."""
    if len(stream.read(12)) < 12:
        return 0
    channels = 0
    while len(chunk := stream.read(8)) == 8:
        name, size = struct.unpack("<4sI", chunk)
        if name == b"data":
            return channels
        content = stream.read(size + size % 2)
        if name == b"fmt ":
            channels = struct.unpack_from("<H", content, 2)[0]
    return 0
