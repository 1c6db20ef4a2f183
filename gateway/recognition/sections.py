"""Recognition in sections, for those who want the text of a long recording's beginning before its end is read."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gateway.media.recording import Recording
from gateway.recognition.diarized_recognizer import RecordingRecognizer
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress
from gateway.transcript.text import join
from speech.activity import CHUNK, regions
from speech.transcript import Coverage, Segment, Transcript, Word
from speech.windows import Window, plan

WINDOWS = 4  # of a section; the first one has a single window, so that its text comes soon
IN_FLIGHT = 3  # sections

OnSegments = Callable[[Sequence[Segment], str], Awaitable[None]]  # the next ones, the language of their text


@dataclass(frozen=True, slots=True)
class SectionedRecognizer:
    """A Recognizer that tells the segments of each section as soon as those before it were told.

    A recording whose language is to be detected is in the language of its first section that has words.
    """

    recognizer: RecordingRecognizer
    on_segments: OnSegments

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress
    ) -> Transcript:
        """Cancelling this cancels every section in flight."""
        bounds = await asyncio.to_thread(section_bounds, recording)
        language, first = request.language, 0
        parts: list[Transcript] = []
        while language is None and first < len(bounds) and not (parts and parts[-1].segments):
            parts.append(await self._transcribe(recording, bounds[first], request))
            await self._tell(parts[-1])
            first += 1
        spoken = [part for part in parts if part.segments]
        request = replace(request, language=language or (spoken[-1].language if spoken else None))
        in_flight = asyncio.Semaphore(IN_FLIGHT)
        tasks = [asyncio.create_task(self._transcribe(recording, each, request, in_flight)) for each in bounds[first:]]
        try:
            for number, task in enumerate(tasks, first + 1):
                parts.append(await task)
                await self._tell(parts[-1])
                on_progress(float(number), float(len(bounds)))
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return _joined(recording, parts)

    async def _tell(self, part: Transcript) -> None:
        if part.segments:
            await self.on_segments(part.segments, part.language)

    async def _transcribe(
        self,
        recording: Recording,
        bounds: tuple[int, int],
        request: RecognitionRequest,
        in_flight: asyncio.Semaphore | None = None,
    ) -> Transcript:
        async with in_flight or asyncio.Semaphore():
            return await self.recognizer.transcribe(recording.part(*bounds), request, _ignore)


def section_bounds(recording: Recording) -> list[tuple[int, int]]:
    """First and last sample (exclusive) of every section: all of the recording, cut between windows."""
    windows = plan(regions(recording.speech), recording.speech, recording.pcm)
    starts = [0, *(_between(windows[at - 1], windows[at]) for at in range(1, len(windows), WINDOWS))]
    return list(zip(starts, [*starts[1:], len(recording.pcm)], strict=True))


def _between(before: Window, after: Window) -> int:
    return round((before.end + after.start) / 2 / CHUNK) * CHUNK


def _joined(recording: Recording, parts: Sequence[Transcript]) -> Transcript:
    segments = tuple(piece for part in parts for piece in part.segments)
    spoken = [part for part in parts if part.segments] or list(parts)
    language = spoken[0].language
    warnings = [*recording.warnings, *(warning for part in parts for warning in part.warnings)]
    return Transcript(
        segments=segments,
        language=language,
        duration=recording.duration,
        warnings=tuple(dict.fromkeys(warnings)),
        text=join([word for piece in segments for word in piece.words], language),
        coverage=sum((part.coverage for part in parts), Coverage()),
    )


def _ignore(decoded: float, planned: float) -> None:
    pass


class JoinedText:
    """Text that grows: what each further word adds, so that the additions together are the whole."""

    def __init__(self) -> None:
        self._last: Word | None = None

    def add(self, words: Sequence[Word], language: str) -> str:
        before = [] if self._last is None else [self._last]
        added = join([*before, *words], language)[len(join(before, language)) :]
        self._last = words[-1] if words else self._last
        return added
