"""An uploaded file → a Recording, through ffmpeg.

One run of ffmpeg per file: the first audio track is decoded at once, and only if it turns out silent
are the others tried. Samples are downmixed and written to a file as they come, so memory does not grow with length.
"""

from __future__ import annotations

import asyncio
import contextvars
import math
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from gateway.errors import RecordingTooLong, UnsupportedMedia
from gateway.media.ffmpeg import (
    RAW_DEMUXERS,
    Ffmpeg,
    MediaLimits,
    decode_arguments,
    input_arguments,
)
from gateway.media.process import DecodingProcess, OnDecoded, Track
from gateway.media.recording import PcmFile, Recording
from gateway.media.report import MediaReport
from speech.activity import VoiceActivity

ACCEPTED = "accepted are MP3, WAV, FLAC, OGG, M4A, AAC, OPUS, WMA, MP4, WebM, MKV, AVI, MOV, WMV, MPG, MPEG"
AUDIBLE = 10.0  # RMS of the loudest half second, of 32768: -70 dBFS
SHORTFALL = 0.5  # seconds: less than the file claims by more than this is damage

Result = TypeVar("Result")

# ffmpeg's complaint → a reason that the sender can understand.
REASONS = {
    "moov atom not found": "its index (moov) is missing, as in a file that was cut off",
    "no 'data' tag found": "it has a header but no sound",
}


@dataclass(frozen=True, slots=True)
class MediaInfo:
    container: str  # ffmpeg's name of the format
    duration: float | None  # seconds that the file claims for its sound; None if it does not say
    audio_tracks: int
    video: bool


@dataclass(frozen=True)
class MediaDecoder:
    """Decodes files into PcmFiles in `workdir`. Build it once: it looks for ffmpeg then."""

    workdir: Path
    limits: MediaLimits = field(default_factory=MediaLimits)
    ffmpeg: Ffmpeg = field(default_factory=Ffmpeg.find)
    activity: VoiceActivity = field(default_factory=VoiceActivity)
    executor: Executor | None = None  # in whose threads files wait and are decoded; None: one for each call

    @property
    def unconfined(self) -> list[str]:
        """What this machine lacks to confine ffmpeg, by name."""
        return self.ffmpeg.sandbox.missing

    async def decode(
        self, path: Path, name: str = "", on_progress: OnDecoded | None = None, longest: float = math.inf
    ) -> Recording:
        """The first audio track that has sound. Cancelling ends ffmpeg and removes what was written.

        name: the file's name as its sender gave it; only its ending is looked at
        on_progress: called from another thread, where the file says how long it is
        longest: seconds of sound, where it may be less than of any file
        raises: UnsupportedMedia, RecordingTooLong
        """
        limits = replace(self.limits, duration=min(self.limits.duration, longest))
        process = DecodingProcess(self.ffmpeg, path, limits, on_progress)
        return await _in_thread(self.executor, process, lambda: self._decode(process, _demuxer(path, name)))

    async def inspect(self, path: Path, name: str = "") -> MediaInfo:
        """What the file's header says, without decoding it. Raises UnsupportedMedia."""
        process = DecodingProcess(self.ffmpeg, path, self.limits)
        arguments = input_arguments(_demuxer(path, name))
        report = await _in_thread(self.executor, process, lambda: process.inspect(arguments))
        _check(path, report)
        claimed = None if report.other_streams else report.duration
        return MediaInfo(report.container, claimed, len(report.audio), report.video)

    def _decode(self, process: DecodingProcess, demuxer: str | None) -> Recording:
        kept: tuple[Track, PcmFile] | None = None
        number = 0
        while number == 0 or number < min(len(kept[0].report.audio) if kept else 0, self.limits.tracks):
            file = PcmFile(self.workdir)
            try:
                track = process.decode(decode_arguments(number, demuxer), file, self.activity)
            except BaseException:
                file.close()
                if kept:
                    kept[1].close()
                raise
            if kept is None or track.loudness > AUDIBLE:
                if kept:
                    kept[1].close()
                kept = (track, file)
            else:
                file.close()
            if track.loudness > AUDIBLE:
                break
            number += 1
        assert kept is not None
        unread = len(kept[0].report.audio) - number - 1 if kept[0].loudness > AUDIBLE else 0
        return self._finish(process.path, *kept, unread)

    def _finish(self, path: Path, track: Track, file: PcmFile, unread: int) -> Recording:
        """unread: audio tracks that may have sound, too"""
        try:
            if track.too_long:
                raise RecordingTooLong(f"the file is refused: {track.stopped}")
            if track.stopped:
                raise UnsupportedMedia(f"the file is refused: {track.stopped}")
            _check(path, track.report)
            if file.samples == 0:
                raise UnsupportedMedia(
                    f"the file's sound ({_codec(track.report)}) cannot be decoded{_because(track.report)}; {ACCEPTED}"
                )
            pcm = file.read()
            recording = Recording(pcm, self.activity.find_speech(pcm, track.speech), file=file)
            recording.warnings = (*_unread(track.report, unread), *_warnings(track, recording.duration))
            return recording
        except BaseException:
            file.close()
            raise


async def _in_thread(executor: Executor | None, process: DecodingProcess, work: Callable[[], Result]) -> Result:
    def run() -> Result:
        process.start_clock()
        return work()

    if executor is None:
        with ThreadPoolExecutor(1) as own:
            return await _in_thread(own, process, work)
    job = executor.submit(contextvars.copy_context().run, run)
    future = asyncio.wrap_future(job)
    try:
        return await asyncio.shield(future)
    except asyncio.CancelledError:
        process.cancel()
        if job.cancel():  # it was still waiting for a thread
            raise
        await asyncio.wait((future,))
        if future.exception() is None and isinstance(result := future.result(), Recording):
            result.close()
        raise


def _demuxer(path: Path, name: str) -> str | None:
    return RAW_DEMUXERS.get(Path(name or path.name).suffix.lower())


def _check(path: Path, report: MediaReport) -> None:
    """Raises UnsupportedMedia if the file cannot hold sound."""
    if report.audio:
        return
    if path.stat().st_size == 0:
        raise UnsupportedMedia(f"the file is empty; {ACCEPTED}")
    if report.container:
        found = "a picture but no audio track" if report.video else "no audio track"
        raise UnsupportedMedia(f"the file has {found}: there is nothing to transcribe; {ACCEPTED}")
    raise UnsupportedMedia(f"the file is not a recording that can be read{_because(report)}; {ACCEPTED}")


def _because(report: MediaReport) -> str:
    for complaint in report.damage:
        for sign, reason in REASONS.items():
            if sign in complaint:
                return f": {reason}"
    return ""


def _codec(report: MediaReport) -> str:
    return report.audio[0].split(",")[0].split(" ")[0] if report.audio else "unknown"


def _unread(report: MediaReport, unread: int) -> tuple[str, ...]:
    return (f"The file has {len(report.audio)} sound tracks; only one of them was read.",) if unread > 0 else ()


def _warnings(track: Track, duration: float) -> tuple[str, ...]:
    claimed = track.report.duration
    others = track.report.video or track.report.other_streams
    if claimed is not None and not others and duration < claimed - SHORTFALL:
        return (f"The file is damaged: of the {claimed:.1f} s that it claims, {duration:.1f} s were decoded.",)
    if track.report.damage or track.failed:
        return (f"The file is damaged: {duration:.1f} s were decoded, parts may be missing.",)
    return ()
