"""The tracks of one file → a Recording: which are decoded, from which pieces, and what is said of the rest."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO

import numpy as np

from gateway.errors import RecordingTooLong, UnsupportedMedia
from gateway.media.chunks import FilePiece
from gateway.media.downmix import BLOCK
from gateway.media.edits import find_edits
from gateway.media.ffmpeg import MediaLimits, decode_arguments, input_arguments
from gateway.media.origin import ClockOrigin, find_origin, may_hold_tracks
from gateway.media.pieces import FileStructure, find_structure
from gateway.media.plain_wav import PlainWav, find_plain_wav
from gateway.media.process import DecodedPiece, DecodingProcess, PieceClock
from gateway.media.recording import Recording
from gateway.media.report import MediaReport
from gateway.media.sink import ChannelSink, TrackSink
from gateway.media.tracks import TrackChoice, unread_tracks
from gateway.media.verdict import check, told_of, undecodable
from speech.activity import Probabilities, VoiceActivity, regions
from speech.audio import SAMPLE_RATE

AUDIBLE = 10.0  # RMS of the loudest half second, of 32768: -70 dBFS


@dataclass(frozen=True)
class MediaFile:
    path: Path
    demuxer: str | None  # of RAW_DEMUXERS; None: as the content says

    @cached_property
    def structure(self) -> FileStructure:
        return find_structure(self.path)

    @cached_property
    def plain(self) -> PlainWav | None:
        """The file, where it can be read as it lies."""
        return None if self.demuxer else find_plain_wav(self.path)

    @property
    def pieces(self) -> Sequence[FilePiece | None]:
        """None: the file as it is."""
        return self.structure.pieces or (None,)

    def inspect(self, process: DecodingProcess) -> MediaReport:
        return self.plain.report if self.plain else process.inspect(self.path, input_arguments(self.demuxer))

    @contextmanager
    def open_piece(self, piece: FilePiece | None, workdir: Path) -> Iterator[Path]:
        """A file that holds it. A piece is copied, one at a time."""
        if piece is None:
            yield self.path
            return
        with tempfile.NamedTemporaryFile(dir=workdir) as copy, self.path.open("rb") as source:
            copy.write(piece.header)
            for first, stop in piece.ranges:
                source.seek(first)
                _copy(source, copy, stop - first)
            copy.flush()
            yield Path(copy.name)


@dataclass(frozen=True, slots=True)
class DecodedTrack:
    number: int  # 0 is the first
    sink: TrackSink
    pieces: tuple[DecodedPiece, ...]
    speech: tuple[Probabilities, ...]  # of each channel

    @property
    def report(self) -> MediaReport:
        return self.pieces[0].report

    @property
    def stopped(self) -> DecodedPiece | None:
        return next((each for each in self.pieces if each.stopped), None)

    @property
    def worth(self) -> tuple[bool, bool]:
        """Whether somebody speaks, and whether there is anything to hear."""
        return any(regions(each) for each in self.speech), self.sink.loudness > AUDIBLE

    @property
    def is_silent(self) -> bool:
        return self.sink.samples > 0 and self.sink.loudness <= AUDIBLE


@dataclass(frozen=True)
class TrackDecoder:
    """Decodes what one request wants of one file."""

    process: DecodingProcess
    limits: MediaLimits
    workdir: Path
    activity: VoiceActivity
    file: MediaFile

    def decode(self, choice: TrackChoice) -> Recording:
        """raises: UnsupportedMedia, RecordingTooLong, BadParameter"""
        sinks: list[TrackSink] = []
        kept: TrackSink | None = None
        try:
            track, read = self._mixed(choice, sinks) if choice.mix else self._best(choice, sinks)
            recording = self._recording(track)
            recording.warnings = (*unread_tracks(track.report, read), *recording.warnings)
            kept = track.sink
            return recording
        finally:
            for sink in sinks:
                if sink is not kept:
                    sink.close()

    def _best(self, choice: TrackChoice, sinks: list[TrackSink]) -> tuple[DecodedTrack, list[int]]:
        """The first of the candidates in which somebody speaks; else one that can be heard. Those that turned out
        silent count as read."""
        first = 0
        if choice.needs_tags and may_hold_tracks(self.file.path):
            first = choice.candidates(self.file.inspect(self.process))[0]
        best = self._read(first, sinks, separate=choice.separate)
        silent: list[int] = []
        for number in choice.candidates(best.report)[: self.limits.tracks]:
            if best.stopped or best.worth == (True, True):
                break
            if number == first:
                continue
            other = self._read(number, sinks, separate=choice.separate)
            better, worse = (other, best) if other.worth > best.worth else (best, other)
            worse.sink.close()
            silent += [worse.number] if worse.is_silent else []
            best = better
        return best, [best.number, *silent]

    def _mixed(self, choice: TrackChoice, sinks: list[TrackSink]) -> tuple[DecodedTrack, list[int]]:
        """All tracks as if they were the channels of one."""
        numbers = choice.candidates(self.file.inspect(self.process))[: self.limits.tracks]
        tracks = [self._read(number, sinks) for number in numbers]
        failed = next((each for each in tracks if each.stopped), None)
        heard = [each for each in tracks if each.sink.samples]
        if failed or len(heard) < 2:
            one = failed or (heard or tracks)[0]
            return one, [one.number]
        mixed = TrackSink(self.workdir, self.activity)
        sinks.append(mixed)
        sounds = [each.sink.channels[0].file.read() for each in heard]
        for first in range(0, max(map(len, sounds)), BLOCK):
            parts = [sound[first : first + BLOCK] for sound in sounds]
            longest = max(map(len, parts))
            mixed.write(np.stack([np.pad(part, (0, longest - len(part))) for part in parts], axis=1))
        pieces = tuple(piece for each in heard for piece in each.pieces)
        return DecodedTrack(heard[0].number, mixed, pieces, mixed.finish()), [each.number for each in heard]

    def _read(self, number: int, sinks: list[TrackSink], *, separate: bool = False) -> DecodedTrack:
        sink = TrackSink(self.workdir, self.activity, separate=separate)
        sinks.append(sink)
        pieces: list[DecodedPiece] = []
        for piece in self.file.pieces:
            sink.begin_piece()
            with self.file.open_piece(piece, self.workdir) as path:
                pieces.append(self._run(path, number, sink))
            if pieces[-1].stopped:
                break
        return DecodedTrack(number, sink, tuple(pieces), sink.finish())

    def _run(self, path: Path, number: int, sink: TrackSink) -> DecodedPiece:
        if self.file.plain and number == 0:
            return self.process.read(self.file.plain, sink)
        origin, before = find_origin(path), sink.samples
        decoded = self._run_from(origin, path, number, sink)
        if origin.every_stream and decoded.failed and not decoded.stopped and sink.samples == before:
            # A picture that ffmpeg knows too little of cannot be passed on.
            return self._run_from(ClockOrigin(), path, number, sink)
        return decoded

    def _run_from(self, origin: ClockOrigin, path: Path, number: int, sink: TrackSink) -> DecodedPiece:
        edits = find_edits(path, number)
        arguments = decode_arguments(number, self.file.demuxer, origin, edited=bool(edits))
        alone = len(self.file.pieces) == 1
        return self.process.decode(path, arguments, sink, PieceClock(origin.seconds or 0.0, edits), alone=alone)

    def _recording(self, track: DecodedTrack) -> Recording:
        stopped, path = track.stopped, self.file.path
        if stopped:
            error = RecordingTooLong if stopped.too_long else UnsupportedMedia
            raise error(f"the file is refused: {stopped.stopped}")
        check(path, track.report)
        if track.sink.samples == 0:
            raise undecodable(track.report, track.number)
        seconds = track.sink.samples / SAMPLE_RATE
        warnings = told_of(track.pieces, self.file.structure, seconds)
        channels = tuple(
            self._channel(sink, speech, warnings)
            for sink, speech in zip(track.sink.channels, track.speech, strict=True)
        )
        first = channels[0]
        return Recording(first.pcm, first.speech, warnings, first.file, channels if track.sink.separate else ())

    def _channel(self, sink: ChannelSink, speech: Probabilities, warnings: tuple[str, ...]) -> Recording:
        pcm = sink.file.read()
        return Recording(pcm, self.activity.find_speech(pcm, speech), warnings, sink.file)


def _copy(source: IO[bytes], target: IO[bytes], count: int) -> None:
    while count > 0 and (block := source.read(min(count, 2**20))):
        target.write(block)
        count -= len(block)
