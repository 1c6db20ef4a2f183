"""A Recording → its Transcript: windows to Whisper, several at once, and a check that no speech is left undecoded."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from gateway.media.recording import Recording
from gateway.recognition.coverage import gaps, in_order, merge, tighten
from gateway.recognition.doubts import language_doubts, segment_doubts
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.windows import OnProgress, RecognizeWindow, WindowTranscriber, WindowTranscript
from gateway.transcript.segments import segment
from gateway.transcript.text import join
from speech.activity import Region, regions
from speech.audio import SAMPLE_RATE
from speech.tensors import Task
from speech.transcript import Transcript, Word
from speech.windows import Window, plan

CERTAIN = 0.8  # probability from which a window's language may differ from the recording's
SILENT_LANGUAGE = "en"  # where nobody speaks
TRANSLATED_INTO = "en"
GAP_MARGIN = 0.2  # seconds around speech without words that are decoded with it
GAP_WINDOW = 12.0  # seconds: what yielded nothing as a whole is decoded again in pieces of at most this length
LOST = 1.5  # seconds of speech that stay without words and are reported to the caller


def _ignore(decoded: float, planned: float) -> None:
    pass


class Recognizer:
    """`recognize` sends one window to a model; what it raises ends the transcription."""

    def __init__(self, recognize: RecognizeWindow) -> None:
        self._recognize = recognize

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress = _ignore
    ) -> Transcript:
        """Cancelling this cancels every window in flight."""
        transcriber = WindowTranscriber(self._recognize, recording.pcm, request, on_progress)
        windows = await asyncio.to_thread(_plan, recording)
        transcripts = await transcriber.transcribe(windows, request.language)
        voting = [each for each in transcripts if each.is_speech and each.words]
        language = request.language or _vote(voting)
        doubts: list[str] = []
        if request.language is None:
            doubts = language_doubts(voting, language)
            transcripts = await _unify_language(transcriber, transcripts, language)
        translated = request.task is Task.TRANSLATE
        words, warnings = await _fill_gaps(transcriber, recording, transcripts, language, only_whole=translated)
        words = in_order(words, recording.duration)
        written = TRANSLATED_INTO if translated else language
        segments = segment(words, written)
        doubts += segment_doubts(segments)
        return Transcript(
            segments=segments,
            language=written,
            duration=recording.duration,
            warnings=(*recording.warnings, *warnings, *doubts),
            text=join(words, written),
        )


def _plan(recording: Recording) -> list[Window]:
    return plan(regions(recording.speech), recording.speech, recording.pcm)


def _vote(transcripts: Sequence[WindowTranscript]) -> str:
    """The language with the most seconds of speech, weighted by the probability of each window's detection."""
    weights: dict[str, float] = defaultdict(float)
    for each in transcripts:
        weights[each.result.language] += each.result.language_probability * each.seconds
    return max(weights, key=lambda language: weights[language], default=SILENT_LANGUAGE)


def _disagrees(each: WindowTranscript, language: str) -> bool:
    """The window was decoded in another language, which was not detected with certainty."""
    return each.result.language != language and each.result.language_probability < CERTAIN


async def _unify_language(
    transcriber: WindowTranscriber, transcripts: Sequence[WindowTranscript], language: str
) -> list[WindowTranscript]:
    """Windows that disagree with the recording's language without certainty are decoded again in it."""
    uncertain = [each.window for each in transcripts if each.is_speech and each.words and _disagrees(each, language)]
    again = {each.window: each for each in await transcriber.transcribe(uncertain, language)}
    return [again.get(each.window, each) for each in transcripts]


async def _fill_gaps(
    transcriber: WindowTranscriber,
    recording: Recording,
    transcripts: Sequence[WindowTranscript],
    language: str,
    *,
    only_whole: bool,
) -> tuple[list[Word], list[str]]:
    """All words, and warnings of what stays missing after speech without credible words was decoded again.

    only_whole: a window with credible words has no gaps. A translation says things in another order and with
    fewer words, so that speech beside its words is not speech that was missed.
    """
    spoken = [replace(each, words=tighten(each.words, recording.speech)) for each in transcripts if each.is_speech]
    missing = {
        each.window: [] if only_whole and _credible(each) else _gaps(_credible(each), each.window, recording)
        for each in spoken
    }
    pieces = {gap: _windows_over(gap, recording) for gaps in missing.values() for gap in gaps}
    again = await transcriber.transcribe([window for windows in pieces.values() for window in windows], language)
    found = [word for each in again if each.is_speech and not each.is_improbable for word in each.words]
    words: list[Word] = []
    warnings: list[str] = []
    for each in spoken:
        complete: Sequence[Word] = _credible(each)
        for gap in missing[each.window]:
            complete = merge(complete, found, gap)
        complete = complete or each.words  # a guess is better than nothing
        words += complete
        lost = [] if only_whole and complete else _gaps(complete, each.window, recording)
        warnings += [_warning(gap) for gap in lost if gap.end - gap.start >= LOST]
    return words, warnings


def _credible(each: WindowTranscript) -> tuple[Word, ...]:
    return () if each.is_improbable else each.words


def _gaps(words: Sequence[Word], window: Window, recording: Recording) -> list[Region]:
    return gaps(words, recording.speech, Region(window.start / SAMPLE_RATE, window.end / SAMPLE_RATE))


def _warning(gap: Region) -> str:
    return f"Speech from {gap.start:.1f} s to {gap.end:.1f} s could not be turned into words."


def _windows_over(gap: Region, recording: Recording) -> list[Window]:
    """Windows over the gap, with a little of what surrounds it."""
    start, end = max(0.0, gap.start - GAP_MARGIN), min(recording.duration, gap.end + GAP_MARGIN)
    return plan([Region(start, end)], recording.speech, recording.pcm, GAP_WINDOW)
