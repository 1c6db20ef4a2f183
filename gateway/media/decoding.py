"""An uploaded file → a Recording, through ffmpeg.

Mostly one run of ffmpeg: the first audio track is decoded at once, and only if nobody speaks in it are the others
tried. A file that was joined of several is decoded piece by piece. Samples are written to disk as they come, so memory
does not grow with length.
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

from gateway.media.ffmpeg import RAW_DEMUXERS, Ffmpeg, MediaLimits
from gateway.media.process import DecodingProcess, OnDecoded
from gateway.media.recording import Recording
from gateway.media.track_decoding import MediaFile, TrackDecoder
from gateway.media.tracks import ONE_TRACK, TrackChoice
from gateway.media.verdict import check
from speech.activity import VoiceActivity

Result = TypeVar("Result")


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
        self,
        path: Path,
        name: str = "",
        on_progress: OnDecoded | None = None,
        longest: float = math.inf,
        choice: TrackChoice = ONE_TRACK,
    ) -> Recording:
        """The sound that is asked for. Cancelling ends ffmpeg and removes what was written.

        name: the file's name as its sender gave it; only its ending is looked at
        on_progress: called from another thread, where the file says how long it is
        longest: seconds of sound, of all channels together, where it may be less than of any file
        raises: UnsupportedMedia, RecordingTooLong, BadParameter
        """
        limits = replace(self.limits, duration=min(self.limits.duration, longest))
        process = DecodingProcess(self.ffmpeg, limits, on_progress)
        tracks = TrackDecoder(process, limits, self.workdir, self.activity, MediaFile(path, _demuxer(path, name)))
        return await _in_thread(self.executor, process, lambda: tracks.decode(choice))

    async def inspect(self, path: Path, name: str = "") -> MediaInfo:
        """What the file's header says, without decoding it. Raises UnsupportedMedia."""
        process = DecodingProcess(self.ffmpeg, self.limits)
        file = MediaFile(path, _demuxer(path, name))
        report = await _in_thread(self.executor, process, lambda: file.inspect(process))
        check(path, report)
        claimed = None if report.other_streams or file.structure.pieces else report.duration
        return MediaInfo(report.container, claimed, len(report.audio), report.video)


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
