"""The windows of one recording: several in flight at once, results in order, all cancelled together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gateway.recognition.request import RecognitionRequest
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word
from speech.windows import Window

IN_FLIGHT = 16  # windows of one recording at Triton at once: enough for its batches, few enough to be fair
SILENT = 0.6  # no-speech probability of a window without speech, if its words are improbable too
IMPROBABLE = -1.0  # average log-probability of words that are rather guesses

RecognizeWindow = Callable[[Pcm, RecognitionRequest], Awaitable[WindowResult]]
OnProgress = Callable[[float, float], None]  # seconds decoded, seconds to decode in all


@dataclass(frozen=True, slots=True)
class WindowTranscript:
    window: Window
    result: WindowResult
    words: tuple[Word, ...]  # in the recording's time

    @property
    def seconds(self) -> float:
        return (self.window.end - self.window.start) / SAMPLE_RATE

    @property
    def is_improbable(self) -> bool:
        return is_improbable(self.result)

    @property
    def is_speech(self) -> bool:
        return is_speech(self.result)


def is_improbable(result: WindowResult) -> bool:
    return result.average_logprob < IMPROBABLE


def is_speech(result: WindowResult) -> bool:
    """Whisper's own verdict, for windows that voice activity detection chose wrongly."""
    return not (result.no_speech_probability > SILENT and is_improbable(result))


class WindowTranscriber:
    """Transcribes windows of one recording. What `recognize` raises cancels all of them."""

    def __init__(
        self, recognize: RecognizeWindow, pcm: Pcm, request: RecognitionRequest, on_progress: OnProgress
    ) -> None:
        self._recognize = recognize
        self._pcm = pcm
        self._request = request
        self._on_progress = on_progress
        self._in_flight = asyncio.Semaphore(IN_FLIGHT)
        self._decoded = 0.0  # seconds
        self._planned = 0.0  # seconds

    async def transcribe(self, windows: Sequence[Window], language: str | None) -> list[WindowTranscript]:
        """One transcript per window, in their order."""
        self._planned += sum(window.end - window.start for window in windows) / SAMPLE_RATE
        request = replace(self._request, language=language)
        tasks = [asyncio.create_task(self._transcribe_one(window, request)) for window in windows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _transcribe_one(self, window: Window, request: RecognitionRequest) -> WindowTranscript:
        async with self._in_flight:
            result = await self._recognize(self._pcm[window.start : window.end], request)
        offset = window.start / SAMPLE_RATE
        transcript = WindowTranscript(window, result, tuple(_shift(word, offset) for word in result.words))
        self._decoded += transcript.seconds
        self._on_progress(self._decoded, self._planned)
        return transcript


def _shift(word: Word, offset: float) -> Word:
    return replace(word, start=word.start + offset, end=word.end + offset)
