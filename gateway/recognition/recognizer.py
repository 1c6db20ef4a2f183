"""A Recording → its Transcript: windows to Whisper, several at once, and a check that nothing is missing."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace

from gateway.media.recording import Recording
from gateway.recognition.coverage import gaps, in_order, merge, tighten
from gateway.recognition.language import dissents, vote
from gateway.recognition.whisper import WindowRequest
from gateway.recognition.windows import Heard, Progress, Reader, Recognize
from gateway.transcript.segments import segment
from gateway.transcript.text import join
from speech.activity import Region, regions
from speech.audio import SAMPLE_RATE
from speech.tensors import Priority
from speech.transcript import Transcript, Word
from speech.windows import Window, plan

AGAIN_MARGIN = 0.2  # seconds around speech without words that are read with it
AGAIN_LONGEST = 12.0  # seconds: what yielded nothing as a whole is read again in pieces
UNHEARD = 1.5  # seconds of speech without words, after all, that the caller is told of


@dataclass(frozen=True, slots=True)
class TranscribeOptions:
    model: str  # a Whisper id, such as "base"
    language: str | None = None  # ISO 639-1; None: found out from the speech
    prompt: str = ""  # words that are likely to occur
    caller: str = ""  # with whom the machine is shared fairly
    priority: Priority = Priority.FILE


def _ignore(read: float, planned: float) -> None:
    pass


class Recognizer:
    """`recognize` sends one window to a model; what it raises ends the transcription."""

    def __init__(self, recognize: Recognize) -> None:
        self._recognize = recognize

    async def transcribe(
        self, recording: Recording, options: TranscribeOptions, progress: Progress = _ignore
    ) -> Transcript:
        """Cancelling this cancels every window at work."""
        request = WindowRequest(options.model, None, options.prompt, options.priority, options.caller)
        reader = Reader(self._recognize, recording.pcm, request, progress)
        windows = await asyncio.to_thread(_plan, recording)
        heard = await reader.read(windows, options.language)
        language = options.language or vote([each for each in heard if each.is_speech and each.words])
        if options.language is None:
            heard = await _reconsider(reader, heard, language)
        words, warnings = await _complete(reader, recording, heard, language)
        words = in_order(words, recording.duration)
        return Transcript(
            segments=segment(words, language),
            language=language,
            duration=recording.duration,
            warnings=(*recording.warnings, *warnings),
            text=join(words, language),
        )


def _plan(recording: Recording) -> list[Window]:
    return plan(regions(recording.speech), recording.speech, recording.pcm)


async def _reconsider(reader: Reader, heard: Sequence[Heard], language: str) -> list[Heard]:
    """Windows that guessed another language than the recording's, without certainty, are read in it."""
    unsure = [each.window for each in heard if each.is_speech and each.words and dissents(each, language)]
    again = {each.window: each for each in await reader.read(unsure, language)}
    return [again.get(each.window, each) for each in heard]


async def _complete(
    reader: Reader, recording: Recording, heard: Sequence[Heard], language: str
) -> tuple[list[Word], list[str]]:
    """All words, and what is still missing after a second look at speech without believable words."""
    spoken = [replace(each, words=tighten(each.words, recording.speech)) for each in heard if each.is_speech]
    missing = {each.window: _gaps(_believed(each), each.window, recording) for each in spoken}
    pieces = {gap: _pieces(gap, recording) for gaps in missing.values() for gap in gaps}
    again = await reader.read([window for windows in pieces.values() for window in windows], language)
    found = [word for each in again if each.is_speech and not each.is_improbable for word in each.words]
    words: list[Word] = []
    warnings: list[str] = []
    for each in spoken:
        complete: Sequence[Word] = _believed(each)
        for gap in missing[each.window]:
            complete = merge(complete, found, gap)
        complete = complete or each.words  # a guess is better than nothing
        words += complete
        lost = _gaps(complete, each.window, recording)
        warnings += [_warning(gap) for gap in lost if gap.end - gap.start >= UNHEARD]
    return words, warnings


def _believed(each: Heard) -> tuple[Word, ...]:
    return () if each.is_improbable else each.words


def _gaps(words: Sequence[Word], window: Window, recording: Recording) -> list[Region]:
    return gaps(words, recording.speech, _span(window))


def _warning(gap: Region) -> str:
    return f"Speech from {gap.start:.1f} s to {gap.end:.1f} s could not be turned into words."


def _span(window: Window) -> Region:
    return Region(window.start / SAMPLE_RATE, window.end / SAMPLE_RATE)


def _pieces(gap: Region, recording: Recording) -> list[Window]:
    """Windows over the gap, with a little of what surrounds it."""
    start, end = max(0.0, gap.start - AGAIN_MARGIN), min(recording.duration, gap.end + AGAIN_MARGIN)
    return plan([Region(start, end)], recording.speech, recording.pcm, AGAIN_LONGEST)
