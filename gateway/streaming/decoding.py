"""Parts of a live session's audio → words: which language they are in, and how long decoding takes."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from gateway.recognition.windows import is_speech
from gateway.streaming import messages
from gateway.streaming.audio_input import AudioInput
from gateway.streaming.end_of_turn import TurnEvidence, loudness_fall
from gateway.streaming.language import LanguageVote
from gateway.streaming.messages import Message
from gateway.streaming.policy import samples
from gateway.streaming.window import SpeechWindow, words_in_session
from speech.activity import Region
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult, Word

# Samples, language (None: detect), what they are likely to say; retries itself.
Recognize = Callable[[Pcm, str | None, str], Awaitable[WindowResult]]
Emit = Callable[[Message], Awaitable[None]]


class SpeechDecoder:
    """Words are in the session's time."""

    def __init__(
        self,
        recognize: Recognize,
        audio: AudioInput,
        emit: Emit,
        language: str | None,
        took: Callable[[float], None],
    ) -> None:
        """language: ISO 639-1; None: detect; took: told how many seconds each decoding of the window takes"""
        self.unspoken = False  # the last decoding found that nobody spoke
        self._end_probability = 0.0  # of its text's end
        self.vote = LanguageVote(language)
        self._asked_language = language
        self._recognize, self._audio, self._emit, self._took = recognize, audio, emit, took

    def reconfigure(self, recognize: Recognize, language: str | None) -> None:
        """From the next decoding on. language: ISO 639-1; None: detect; one that is asked for already stays settled"""
        self._recognize = recognize
        if language != self._asked_language:
            self._asked_language, self.vote = language, LanguageVote(language)

    async def decode(self, window: SpeechWindow, end: int) -> list[Word]:
        """Words of the window up to sample `end`."""
        pcm = self._audio.buffer.samples(window.start, end)
        began = time.monotonic()
        result = await self._recognize(pcm, self.vote.settled, window.draft(self.vote.best))
        self._took(time.monotonic() - began)
        if self.vote.add(result.language, result.language_probability, (end - window.decoded) / SAMPLE_RATE):
            await self._emit(messages.language_settled(self.vote.best, self.vote.share))
        window.decoded = end
        self.unspoken = not is_speech(result)
        self._end_probability = result.end_probability
        words = window.hypothesis = words_in_session(result, window.offset)
        return words

    def evidence(self, window: SpeechWindow, silence: int) -> TurnEvidence:
        """Of the window as it was decoded last. silence: samples at its end in which nobody speaks"""
        pcm = self._audio.buffer.samples(window.start, window.decoded)
        last = window.hypothesis[-1].text if window.hypothesis else ""
        return TurnEvidence(self._end_probability, last, loudness_fall(pcm, silence))

    async def decode_span(self, span: Region) -> list[Word]:
        """Words of a stretch by itself."""
        buffer, last = self._audio.buffer, self._audio.analysed
        start, end = (min(max(samples(edge), buffer.start), last) for edge in (span.start, span.end))
        result = await self._recognize(buffer.samples(start, end), self.vote.settled, "")
        return words_in_session(result, start / SAMPLE_RATE)
