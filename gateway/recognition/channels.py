"""A recording with a speaker on each channel → one transcript in order of time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.concurrency import run_together
from gateway.media.recording import Recording
from gateway.recognition.crosstalk import without_doubles, without_leakage
from gateway.recognition.diarized_recognizer import RecordingRecognizer
from gateway.recognition.languages import main_language
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress
from gateway.transcript.segments import segment
from gateway.transcript.text import join
from speech.transcript import Coverage, SpeechGap, Transcript, Word


@dataclass(frozen=True, slots=True)
class ChannelRecognizer:
    """Transcribes each channel for itself; who speaks is known by the channel."""

    recognizer: RecordingRecognizer
    names: tuple[str, ...] = ()  # of the channels, in order; those without one are numbered

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress
    ) -> Transcript:
        """Cancelling this cancels every channel."""
        channels = await asyncio.to_thread(without_leakage, recording.channels)
        request = replace(request, diarize=False, speakers=0)
        progress = _ChannelProgress(on_progress, len(channels))
        work = [
            self.recognizer.transcribe(replace(channel, warnings=()), request, progress.of(at))
            for at, channel in enumerate(channels)
        ]
        async with run_together(*work) as tasks:
            transcripts: list[Transcript] = await asyncio.gather(*tasks)
        return await asyncio.to_thread(self._joined, recording, transcripts)

    def _joined(self, recording: Recording, transcripts: Sequence[Transcript]) -> Transcript:
        spoken = [each for each in transcripts if each.segments] or list(transcripts[:1])
        seconds = [sum(piece.end - piece.start for piece in each.segments) for each in spoken]
        language = main_language([each.language for each in spoken], seconds)
        said = without_doubles([_words(each, language) for each in transcripts], recording.channels)
        segments = sorted(
            (
                piece
                for at, words in enumerate(said)
                for piece in segment([replace(word, speaker=self._name(at)) for word in words], language)
            ),
            key=lambda piece: (piece.start, piece.end),
        )
        return Transcript(
            segments=tuple(segments),
            language=language,
            duration=recording.duration,
            speakers=tuple(dict.fromkeys(piece.speaker for piece in segments if piece.speaker)),
            warnings=(*recording.warnings, *self._warnings(transcripts)),
            text=join([word for piece in segments for word in piece.words], language),
            coverage=_coverage(transcripts),
        )

    def _name(self, at: int) -> str:
        return self.names[at] if at < len(self.names) else f"Channel {at + 1}"

    def _warnings(self, transcripts: Sequence[Transcript]) -> tuple[str, ...]:
        told = [f"{self._name(at)}: {warning}" for at, each in enumerate(transcripts) for warning in each.warnings]
        more = len(self.names) - len(transcripts)
        if more > 0:
            told.append(f"The recording has {len(transcripts)} channels, and {len(self.names)} were named.")
        return tuple(told)


def _words(transcript: Transcript, language: str) -> list[Word]:
    """Each with its language, where that is not the answer's."""
    own = None if transcript.language == language else transcript.language
    return [replace(word, language=word.language or own) for piece in transcript.segments for word in piece.words]


def _coverage(transcripts: Sequence[Transcript]) -> Coverage:
    """Of all channels; gaps that overlap are one."""
    whole = sum((each.coverage for each in transcripts), Coverage())
    gaps: list[SpeechGap] = []
    for gap in sorted(whole.gaps, key=lambda gap: gap.start):
        if gaps and gap.start <= gaps[-1].end:
            gaps[-1] = SpeechGap(gaps[-1].start, max(gaps[-1].end, gap.end))
        else:
            gaps.append(gap)
    return replace(whole, gaps=tuple(gaps))


class _ChannelProgress:
    """All channels' as one."""

    def __init__(self, on_progress: OnProgress, channels: int) -> None:
        self._on_progress = on_progress
        self._done, self._of = [0.0] * channels, [0.0] * channels

    def of(self, channel: int) -> OnProgress:
        def on_progress(done: float, of: float) -> None:
            self._done[channel], self._of[channel] = done, of
            self._on_progress(sum(self._done), sum(self._of))

        return on_progress
