"""One file's runs of ffmpeg: reads its output, within limits, and kills it when the request is cancelled."""

from __future__ import annotations

import io
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import numpy as np

from gateway.media.clock import SampleClock
from gateway.media.downmix import BLOCK
from gateway.media.edits import Edit, placed
from gateway.media.ffmpeg import Ffmpeg, MediaLimits
from gateway.media.matroska import Frames, read_frames
from gateway.media.plain_wav import PlainWav
from gateway.media.report import MAX_LINES, MediaReport, read_report
from gateway.media.sink import TrackSink
from gateway.processes.confined import ConfinedProcess, StartAbandoned
from speech.audio import SAMPLE_RATE

MAX_LINE = 2000  # bytes of one line of ffmpeg's report
HEADER_LINES = 100  # of the report, among which the duration stands
TOO_COSTLY = "decoding it takes more time or memory than allowed"

OnDecoded = Callable[[float, float], None]  # seconds decoded, seconds that the file claims


def _ignore(decoded: float, claimed: float) -> None:
    pass


@dataclass(frozen=True, slots=True)
class DecodedPiece:
    report: MediaReport
    failed: bool  # ffmpeg ended with an error
    stopped: str  # the limit that the file went over, or ""
    too_long: bool = False  # the limit was that of its duration
    filled: int = 0  # samples of silence in place of what the file does not hold
    claimed: float | None = None  # seconds that the file claims from its clock's zero on


@dataclass(frozen=True, slots=True)
class PieceClock:
    """When a piece's frames are heard."""

    origin: float = 0.0  # seconds by the file's clock
    edits: tuple[Edit, ...] = ()  # that ffmpeg left to us


class DecodingCancelled(RuntimeError):
    """`cancel` was called."""


class DecodingProcess:
    """Runs in a thread of its own; `cancel` may be called from any other."""

    def __init__(self, ffmpeg: Ffmpeg, limits: MediaLimits, on_progress: OnDecoded | None = None) -> None:
        self._ffmpeg = ffmpeg
        self._limits = limits
        self._on_progress = on_progress or _ignore
        self._lock = threading.Lock()
        self._child: ConfinedProcess | None = None
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

    def inspect(self, path: Path, arguments: list[str]) -> MediaReport:
        """Runs ffmpeg without an output: only its report."""
        with self._run(path, arguments) as (child, lines):
            child.wait()
        return read_report(lines)

    def decode(
        self, path: Path, arguments: list[str], sink: TrackSink, when: PieceClock, *, alone: bool = True
    ) -> DecodedPiece:
        """One piece of a file into a track that may hold others already.

        alone: whether it is all of the file, so that its length is the file's
        """
        stopped, clock = "", SampleClock(when.origin)
        with self._run(path, arguments) as (child, lines):
            claimed = None
            for block in self._read(child, clock, when.edits):
                sink.write(block)
                claimed = claimed or read_report(lines[:HEADER_LINES]).duration
                if claimed and alone:
                    self._on_progress(sink.samples / SAMPLE_RATE, claimed)
                if stopped := self._too_long(sink):
                    child.kill()
                    break
            code = child.wait()
        too_long = bool(stopped)
        # -9 and -24 (SIGXCPU) come from the limits, unless it was this method's own kill.
        if code < 0 and not stopped:
            stopped = TOO_COSTLY
        report = read_report(lines)
        length = None if report.duration is None else report.duration - when.origin
        return DecodedPiece(report, code != 0, stopped, too_long, clock.filled, length)

    def read(self, wav: PlainWav, sink: TrackSink) -> DecodedPiece:
        """All of a file that needs no decoding."""
        report = wav.report
        for block in wav.read():
            if self._cancelled:
                raise DecodingCancelled("reading was cancelled")
            sink.write(block)
            self._on_progress(sink.samples / SAMPLE_RATE, report.duration or 0.0)
            if stopped := self._too_long(sink):
                return DecodedPiece(report, failed=False, stopped=stopped, too_long=True)
            if time.monotonic() > self._deadline:
                return DecodedPiece(report, failed=False, stopped=TOO_COSTLY)
        return DecodedPiece(report, failed=False, stopped="", claimed=report.duration)

    def _too_long(self, sink: TrackSink) -> str:
        """The limit that is passed, or ""."""
        longest = self._limits.duration
        return f"it is longer than {duration_text(longest)}" if sink.sound > int(longest * SAMPLE_RATE) else ""

    def _read(self, child: ConfinedProcess, clock: SampleClock, edits: tuple[Edit, ...]) -> Iterator[Frames]:
        """The sound and its silence by the file's clock, in blocks of BLOCK samples."""
        stream = io.BufferedReader(cast(io.RawIOBase, child.stdout), 2**18)
        waiting, length = list[Frames](), 0
        heard = read_frames(stream, self._limits.channels)
        for timed in placed(heard, edits) if edits else heard:
            silence = clock.place(timed.start, len(timed.frames))
            for part in (*_silence(silence, timed.frames.shape[1]), timed.frames):
                waiting.append(part)
                length += len(part)
                if length >= BLOCK:
                    yield np.concatenate(waiting)
                    waiting, length = [], 0
        if length:
            yield np.concatenate(waiting)
        if stream.read(1):  # a track with too many channels
            child.kill()

    @contextmanager
    def _run(self, path: Path, arguments: list[str]) -> Iterator[tuple[ConfinedProcess, list[str]]]:
        """A running ffmpeg and the lines of its report, complete once the block is left."""
        lines: list[str] = []
        with path.open("rb") as source:
            try:
                child = self._ffmpeg.spawn(arguments, source.fileno(), self._limits, lambda: self._cancelled)
            except StartAbandoned:
                raise DecodingCancelled("decoding was cancelled") from None
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

    def _attach(self, child: ConfinedProcess | None) -> None:
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


def _silence(samples: int, channels: int) -> Iterator[Frames]:
    for first in range(0, samples, BLOCK):
        yield np.zeros((min(BLOCK, samples - first), channels), np.int16)
