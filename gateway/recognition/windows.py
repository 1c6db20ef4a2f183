"""The windows of one recording at work: several at once, in order when done, all cancelled together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gateway.recognition.whisper import WindowRequest
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word
from speech.windows import Window

IN_FLIGHT = 16  # windows of one recording at Triton at once: enough for its batches, few enough to be fair
SILENT = 0.6  # no-speech probability of a window without speech, if its words are improbable too
IMPROBABLE = -1.0  # average log-probability of words that are rather guesses

Recognize = Callable[[Pcm, WindowRequest], Awaitable[WindowResult]]
Progress = Callable[[float, float], None]  # seconds read, seconds to read in all


@dataclass(frozen=True, slots=True)
class Heard:
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
    """Whisper's own judgement, where voice activity was mistaken."""
    return not (result.no_speech_probability > SILENT and is_improbable(result))


class Reader:
    """Reads windows of one recording. What `recognize` raises ends all of them."""

    def __init__(self, recognize: Recognize, pcm: Pcm, request: WindowRequest, progress: Progress) -> None:
        self._recognize = recognize
        self._pcm = pcm
        self._request = request
        self._progress = progress
        self._places = asyncio.Semaphore(IN_FLIGHT)
        self._read = 0.0  # seconds
        self._planned = 0.0  # seconds

    async def read(self, windows: Sequence[Window], language: str | None) -> list[Heard]:
        """One Heard per window, in their order."""
        self._planned += sum(window.end - window.start for window in windows) / SAMPLE_RATE
        request = replace(self._request, language=language)
        tasks = [asyncio.create_task(self._read_one(window, request)) for window in windows]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _read_one(self, window: Window, request: WindowRequest) -> Heard:
        async with self._places:
            result = await self._recognize(self._pcm[window.start : window.end], request)
        offset = window.start / SAMPLE_RATE
        heard = Heard(window, result, tuple(_shift(word, offset) for word in result.words))
        self._read += heard.seconds
        self._progress(self._read, self._planned)
        return heard


def _shift(word: Word, offset: float) -> Word:
    return replace(word, start=word.start + offset, end=word.end + offset)
