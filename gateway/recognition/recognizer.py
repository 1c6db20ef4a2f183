"""A Recording → its Transcript: windows to Whisper, several at once, and a check that no speech is left undecoded."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice

from gateway.media.recording import Recording
from gateway.recognition.coverage import (
    gaps,
    in_order,
    inside,
    is_better,
    measure,
    merge,
    replace_words,
    tighten,
    unexplained,
)
from gateway.recognition.doubts import language_doubts, segment_doubts
from gateway.recognition.languages import main_language, split_by_language, spoken_languages
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.scripts import in_one_script
from gateway.recognition.windows import (
    TRANSLATED_INTO,
    OnProgress,
    OnWindow,
    RecognizeWindow,
    WindowTranscriber,
    WindowTranscript,
)
from gateway.transcript.segments import segment
from gateway.transcript.text import join
from speech.activity import Region, regions
from speech.audio import SAMPLE_RATE
from speech.tensors import Task
from speech.transcript import Transcript, Word
from speech.windows import Window, plan

GAP_MARGIN = 0.2  # seconds around speech without words that are decoded with it
GAP_WINDOW = 12.0  # seconds: what yielded nothing as a whole is decoded again in pieces of at most this length
LOST = 1.5  # seconds of speech that stay without words and are reported to the caller


def _ignore(decoded: float, planned: float) -> None:
    pass


class Recognizer:
    """`recognize` sends one window to a model; what it raises ends the transcription."""

    def __init__(self, recognize: RecognizeWindow, on_window: OnWindow | None = None) -> None:
        """on_window: hears, in order of time, what the windows say at the first look"""
        self._recognize = recognize
        self._on_window = on_window

    async def transcribe(
        self, recording: Recording, request: RecognitionRequest, on_progress: OnProgress = _ignore
    ) -> Transcript:
        """Cancelling this cancels every window in flight."""
        transcriber = WindowTranscriber(self._recognize, recording.pcm, request, on_progress)
        windows = await asyncio.to_thread(_plan, recording)
        transcripts = await transcriber.transcribe([(window, request.language) for window in windows], self._on_window)
        detected = [each for each in transcripts if request.language is None and each.is_speech and each.words]
        if detected:
            transcripts = await _follow_languages(transcriber, transcripts, request.languages)
        filling = await asyncio.to_thread(GapFilling, recording, transcripts, only_whole=request.task is Task.TRANSLATE)
        again = await transcriber.transcribe(filling.looks)
        return await asyncio.to_thread(_written, filling, again, request, detected)


def _written(
    filling: GapFilling,
    again: Sequence[WindowTranscript],
    request: RecognitionRequest,
    detected: Sequence[WindowTranscript],
) -> Transcript:
    """Takes a second or more of a day's words, so it is for a thread."""
    recording, transcripts = filling.recording, filling.transcripts
    words, warnings = filling.complete(again)
    words = in_order(in_one_script(words, request.script), recording.duration)
    translated = request.task is Task.TRANSLATE
    spoken = request.language or _main_language(transcripts)
    language = TRANSLATED_INTO if translated else spoken
    segments = segment(words, language)
    others = {each.language for each in transcripts} - {spoken}
    votes = [each for each in detected if each.language not in others]
    doubts = [*language_doubts(votes, spoken), *segment_doubts(segments)]
    return Transcript(
        segments=segments,
        language=language,
        duration=recording.duration,
        warnings=(*recording.warnings, *warnings, *doubts),
        text=join(words, language),
        coverage=measure(
            words,
            recording.speech,
            recording.duration,
            silent=[_span(each) for each in transcripts if not each.is_speech],
            # A translation says things in another order and with fewer words.
            explained=[_span(each) for each in transcripts if translated and each.words],
        ),
    )


def _span(each: WindowTranscript) -> Region:
    return Region(each.window.start / SAMPLE_RATE, each.window.end / SAMPLE_RATE)


def _plan(recording: Recording) -> list[Window]:
    return plan(regions(recording.speech), recording.speech, recording.pcm)


async def _follow_languages(
    transcriber: WindowTranscriber, transcripts: Sequence[WindowTranscript], allowed: Sequence[str]
) -> list[WindowTranscript]:
    """Decides the language of every stretch of speech; what was decoded in another one is decoded again."""
    spoken = [each for each in transcripts if each.is_speech and each.words]
    pieces = await asyncio.to_thread(_in_languages, spoken, allowed)
    wrong = [each for each in spoken if pieces[each.window] != [(each.window, each.language)]]
    again = iter(await transcriber.transcribe([piece for each in wrong for piece in pieces[each.window]]))
    better = {each.window: list(islice(again, len(pieces[each.window]))) for each in wrong}
    return [one for each in transcripts for one in better.get(each.window, [each])]


def _in_languages(spoken: Sequence[WindowTranscript], allowed: Sequence[str]) -> dict[Window, list[tuple[Window, str]]]:
    """Each window in pieces of one language."""
    path = iter(spoken_languages([heard for each in spoken for heard in each.heard], allowed))
    return {each.window: split_by_language(each.window, list(islice(path, len(each.heard)))) for each in spoken}


class GapFilling:
    """Speech without credible words is decoded again: `looks` says where, `complete` merges what came of it.

    A window's words meet the gaps of that window alone, so the work grows with the recording and not with its square.
    only_whole: a window with credible words has no gaps. A translation says things in another order and with
    fewer words, so that speech beside its words is not speech that was missed.
    """

    def __init__(self, recording: Recording, transcripts: Sequence[WindowTranscript], *, only_whole: bool) -> None:
        self.recording = recording
        self.transcripts = transcripts
        self._only_whole = only_whole
        self._spoken = [
            replace(each, words=tighten(each.words, recording.speech)) for each in transcripts if each.is_speech
        ]
        self._missing = {
            each.window: [] if only_whole and _credible(each) else _gaps(_credible(each), each.window, recording)
            for each in self._spoken
        }
        self._looks = [
            (gap, window, each)
            for each in self._spoken
            for gap in self._missing[each.window]
            for window in _windows_over(_surroundings(gap, each.window), recording)
        ]

    @property
    def looks(self) -> list[tuple[Window, str | None]]:
        """Windows to decode again, with their languages."""
        return [(window, each.language) for _, window, each in self._looks]

    def complete(self, again: Sequence[WindowTranscript]) -> tuple[list[Word], list[str]]:
        """All words, and warnings of what stays missing. again: of `looks`, in their order"""
        found: dict[Region, list[Word]] = defaultdict(list)
        for (gap, _, _), look in zip(self._looks, again, strict=True):
            found[gap] += look.words if look.is_speech and not look.is_improbable else ()
        words: list[Word] = []
        warnings: list[str] = []
        for each in self._spoken:
            complete: Sequence[Word] = _credible(each)
            for gap in self._missing[each.window]:
                complete = _completed(complete, found[gap], gap, each.window)
            complete = complete or each.words  # a guess is better than nothing
            words += complete
            lost = [] if self._only_whole and complete else _gaps(complete, each.window, self.recording)
            warnings += [_warning(gap) for gap in lost if gap.end - gap.start >= LOST]
        return words, warnings


def _completed(words: Sequence[Word], found: Sequence[Word], gap: Region, window: Window) -> list[Word]:
    """The words with what a second look found: in place of those around the gap where it is better, else inside it."""
    span = _surroundings(gap, window)
    reach = Region(span.start - GAP_MARGIN, span.end + GAP_MARGIN)
    better = inside(found, reach)
    if is_better(better, inside(words, reach)):
        return replace_words(words, better, reach)
    return merge(words, found, gap)


def _credible(each: WindowTranscript) -> tuple[Word, ...]:
    return () if each.is_improbable else each.words


def _gaps(words: Sequence[Word], window: Window, recording: Recording) -> list[Region]:
    found = gaps(words, recording.speech, Region(window.start / SAMPLE_RATE, window.end / SAMPLE_RATE))
    silent = [each for each in unexplained(words, window.regions) if not any(_meet(each, gap) for gap in found)]
    return sorted([*found, *silent], key=lambda gap: gap.start)


def _meet(one: Region, other: Region) -> bool:
    return one.start < other.end and other.start < one.end


def _warning(gap: Region) -> str:
    return f"Speech from {gap.start:.1f} s to {gap.end:.1f} s could not be turned into words."


def _surroundings(gap: Region, window: Window) -> Region:
    """The gap with the rest of the stretches of speech that it lies in, unless they are long."""
    around = [region for region in window.regions if region.end > gap.start and region.start < gap.end]
    start, end = (
        min((each.start for each in around), default=gap.start),
        max((each.end for each in around), default=gap.end),
    )
    whole = Region(min(start, gap.start), max(end, gap.end))
    return whole if whole.end - whole.start <= GAP_WINDOW else gap


def _windows_over(gap: Region, recording: Recording) -> list[Window]:
    """Windows over the gap, with a little of what surrounds it."""
    start, end = max(0.0, gap.start - GAP_MARGIN), min(recording.duration, gap.end + GAP_MARGIN)
    return plan([Region(start, end)], recording.speech, recording.pcm, GAP_WINDOW)


def _main_language(transcripts: Sequence[WindowTranscript]) -> str:
    spoken = [each for each in transcripts if each.is_speech and each.words]
    return main_language([each.language for each in spoken], [each.seconds for each in spoken])
