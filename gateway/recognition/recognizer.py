"""A Recording → its Transcript: windows to Whisper, several at once, and a check that no speech is left undecoded."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import islice

from gateway.media.recording import Recording
from gateway.recognition.coverage import JudgedSpans, in_order, measure
from gateway.recognition.doubts import language_doubts, lost_speech, segment_doubts
from gateway.recognition.languages import (
    HeardRegion,
    main_language,
    split_by_language,
    spoken_languages,
    unsure_pieces,
)
from gateway.recognition.request import RecognitionRequest
from gateway.recognition.scripts import in_one_script
from gateway.recognition.second_look import CompletedWords, SecondLook
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
from speech.transcript import Transcript
from speech.windows import Window, plan


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
        """Cancelling this cancels every window in flight. Of a part of a recording the times are the whole's."""
        transcriber = WindowTranscriber(self._recognize, recording.pcm, request, on_progress)
        windows = await asyncio.to_thread(_plan, recording)
        transcripts = await transcriber.transcribe([(window, request.language) for window in windows], self._on_window)
        detected = [each for each in transcripts if request.language is None and each.is_speech and each.words]
        if detected:
            transcripts = await _follow_languages(transcriber, transcripts, request.languages)
        second_look = SecondLook(transcriber, recording, request.prompt)
        completed = await second_look.complete(transcripts, only_whole=request.task is Task.TRANSLATE)
        doubts = _language_doubts(detected, transcripts, request)
        return await asyncio.to_thread(_transcript, recording, request, transcripts, completed, doubts)


def _transcript(
    recording: Recording,
    request: RecognitionRequest,
    transcripts: Sequence[WindowTranscript],
    completed: CompletedWords,
    doubts: Sequence[str],
) -> Transcript:
    """Takes a second or more of a day's words, so it is for a thread.

    transcripts: of the windows, in their own languages; completed: the words that go out; doubts: of the language
    """
    translated = request.task is Task.TRANSLATE
    in_part = in_order(in_one_script(completed.words, request.script), recording.duration)
    words = [word.shifted(recording.begins) for word in in_part] if recording.begins else in_part
    language = TRANSLATED_INTO if translated else request.language or _main_language(transcripts)
    lost = lost_speech(completed.lost, recording.begins)
    segments = segment(words, language)
    judged = JudgedSpans(
        silent=[_span(each) for each in transcripts if not each.is_speech],
        # A translation says things in another order and with fewer words.
        explained=[_span(each) for each in transcripts if translated and each.words],
        lost=completed.holes,
    )
    return Transcript(
        segments=segments,
        language=language,
        duration=recording.duration,
        warnings=(*recording.warnings, *lost, *doubts, *segment_doubts(segments)),
        text=join(words, language),
        coverage=measure(in_part, recording.speech, recording.duration, judged).shifted(recording.begins),
    )


def _language_doubts(
    detected: Sequence[WindowTranscript], transcripts: Sequence[WindowTranscript], request: RecognitionRequest
) -> list[str]:
    """detected: the windows as they came first, where no language was given"""
    spoken = request.language or _main_language(transcripts)
    others = {each.language for each in transcripts} - {spoken}
    return language_doubts([each for each in detected if each.language not in others], spoken)


def _span(each: WindowTranscript) -> Region:
    return Region(each.window.start / SAMPLE_RATE, each.window.end / SAMPLE_RATE)


def _plan(recording: Recording) -> list[Window]:
    return plan(regions(recording.speech), recording.speech, recording.pcm)


async def _follow_languages(
    transcriber: WindowTranscriber, transcripts: Sequence[WindowTranscript], allowed: Sequence[str]
) -> list[WindowTranscript]:
    """Decides the language of every stretch of speech; what was decoded in another one is decoded again."""
    spoken = [each for each in transcripts if each.is_speech and each.words]
    heard = await _hear_regions(transcriber, spoken)
    pieces = await asyncio.to_thread(_in_languages, spoken, heard, allowed)
    wrong = [each for each in spoken if pieces[each.window] != [(each.window, each.language)]]
    again = iter(await transcriber.transcribe([piece for each in wrong for piece in pieces[each.window]]))
    better = {each.window: list(islice(again, len(pieces[each.window]))) for each in wrong}
    return [one for each in transcripts for one in better.get(each.window, [each])]


async def _hear_regions(
    transcriber: WindowTranscriber, spoken: Sequence[WindowTranscript]
) -> list[Sequence[HeardRegion]]:
    """What each window's regions sound like; those that are not clear beside others are read without them."""
    pieces = [piece for each in spoken for piece in unsure_pieces(each.window, each.heard)]
    alone = await transcriber.transcribe([(piece, None) for piece in pieces])
    clearer = {heard.region: heard for each in alone if each.is_speech and each.words for heard in each.heard}
    return [[clearer.get(heard.region, heard) for heard in each.heard] for each in spoken]


def _in_languages(
    spoken: Sequence[WindowTranscript], heard: Sequence[Sequence[HeardRegion]], allowed: Sequence[str]
) -> dict[Window, list[tuple[Window, str]]]:
    """Each window in pieces of one language."""
    path = iter(spoken_languages([region for regions in heard for region in regions], allowed))
    return {
        each.window: split_by_language(each.window, list(islice(path, len(regions))))
        for each, regions in zip(spoken, heard, strict=True)
    }


def _main_language(transcripts: Sequence[WindowTranscript]) -> str:
    spoken = [each for each in transcripts if each.is_speech and each.words]
    return main_language([each.language for each in spoken], [each.seconds for each in spoken])
