"""The windows of one recording: several in flight at once, results in order, all cancelled together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from gateway.concurrency import run_together
from gateway.recognition.languages import HeardRegion
from gateway.recognition.request import RecognitionRequest
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import Task
from speech.transcript import WindowResult, Word
from speech.windows import Window

IN_FLIGHT = 16  # windows of one recording at Triton at once: enough for its batches, few enough to be fair
SILENT = 0.6  # no-speech probability of a window without speech, if its words are improbable too
UNHEARD = 0.02  # probability below which a word is not shown
TRANSLATED_INTO = "en"
PAUSE_KEPT = 0.5  # seconds beside a region that belong to it, as far as nobody speaks there
IMPROBABLE = -1.0  # average log-probability of words that are rather guesses

RecognizeWindow = Callable[[Pcm, RecognitionRequest], Awaitable[WindowResult]]
OnProgress = Callable[[float, float], None]  # seconds decoded, seconds to decode in all


def ignore(done: float, of: float) -> None:
    """Nobody follows."""


@dataclass(frozen=True, slots=True)
class WindowTranscript:
    window: Window
    result: WindowResult
    words: tuple[Word, ...]  # in the recording's time

    @property
    def seconds(self) -> float:
        return (self.window.end - self.window.start) / SAMPLE_RATE

    @property
    def language(self) -> str:
        return self.result.language

    @property
    def heard(self) -> list[HeardRegion]:
        """Its regions with their languages, the window's where the model tells no regions apart."""
        whole = {self.result.language: self.result.language_probability}
        told = self.result.region_languages or (whole,) * len(self.window.regions)
        return [HeardRegion(*each) for each in zip(self.window.regions, told, strict=True)]

    @property
    def is_improbable(self) -> bool:
        return is_improbable(self.result)

    @property
    def is_speech(self) -> bool:
        return is_speech(self.result)


def believable_words(result: WindowResult) -> tuple[Word, ...]:
    """Without those of next to no probability: they were not heard, only written."""
    return tuple(word for word in result.words if word.probability >= UNHEARD)


def is_improbable(result: WindowResult) -> bool:
    return result.average_logprob < IMPROBABLE


def is_speech(result: WindowResult) -> bool:
    """Whisper's own verdict, for windows that voice activity detection chose wrongly."""
    return not (result.no_speech_probability > SILENT and is_improbable(result))


OnWindow = Callable[[WindowTranscript], None]


class WindowTranscriber:
    """Transcribes windows of one recording. What `recognize` raises cancels all of them."""

    def __init__(
        self, recognize: RecognizeWindow, pcm: Pcm, request: RecognitionRequest, on_progress: OnProgress
    ) -> None:
        self._recognize = recognize
        self._pcm = pcm
        self._request = request
        self._on_progress = on_progress
        self._decoded = 0.0  # seconds
        self._planned = 0.0  # seconds

    async def transcribe(
        self, windows: Sequence[tuple[Window, str | None]], on_window: OnWindow | None = None
    ) -> list[WindowTranscript]:
        """One transcript per window, in their order; each window comes with its language, None to detect it.

        on_window: hears of each as soon as it and those before it are there
        """
        self._planned += sum(window.end - window.start for window, _ in windows) / SAMPLE_RATE
        numbered = enumerate(windows)
        found: dict[int, WindowTranscript] = {}
        upcoming = 0  # number of the next one that `on_window` hears of

        async def work() -> None:
            nonlocal upcoming
            for at, each in numbered:
                found[at] = await self._transcribe_one(*each)
                while on_window is not None and upcoming in found:
                    on_window(found[upcoming])
                    upcoming += 1

        # Not a task for each window: a day has thousands of them, and to start them all stops the event loop.
        async with run_together(*(work() for _ in range(min(IN_FLIGHT, len(windows))))) as tasks:
            await asyncio.gather(*tasks)
        return [found[at] for at in range(len(windows))]

    async def _transcribe_one(self, window: Window, language: str | None) -> WindowTranscript:
        regions = () if language else _bounds(window)
        request = replace(self._request, language=language, regions=regions)
        result = await self._recognize(self._pcm[window.start : window.end], request)
        offset = window.start / SAMPLE_RATE
        written = TRANSLATED_INTO if request.task is Task.TRANSLATE else result.language
        words = tuple(_place(word, offset, written) for word in believable_words(result))
        transcript = WindowTranscript(window, result, words)
        self._decoded += transcript.seconds
        self._on_progress(self._decoded, self._planned)
        return transcript


def _bounds(window: Window) -> tuple[tuple[int, int], ...]:
    """The window's regions, in its samples and none empty, with the pauses around them: without those the decoder
    misjudges their language."""
    length = window.end - window.start
    starts = [window.start, *(round(region.start * SAMPLE_RATE) for region in window.regions[1:])]
    ends = [*(round(region.end * SAMPLE_RATE) for region in window.regions[:-1]), window.end]
    bounds = []
    for at, region in enumerate(window.regions):
        before = ends[at - 1] if at else window.start
        after = starts[at + 1] if at + 1 < len(starts) else window.end
        first = max(before, round((region.start - PAUSE_KEPT) * SAMPLE_RATE)) - window.start
        stop = min(after, round((region.end + PAUSE_KEPT) * SAMPLE_RATE)) - window.start
        first = min(max(0, first), length - 1)
        bounds.append((first, min(max(first + 1, stop), length)))
    return tuple(bounds)


def _place(word: Word, offset: float, language: str) -> Word:
    return replace(word.shifted(offset), language=language)
