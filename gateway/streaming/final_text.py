"""The text of a live session that never changes, and what is shown behind it."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.recognition.coverage import measure
from gateway.recognition.doubts import language_guess, segment_doubts
from gateway.streaming import messages
from gateway.streaming.decoding import Emit, SpeechDecoder
from gateway.streaming.live_speakers import NoSpeakers, SpeakerLabels
from gateway.transcript.segments import segment
from gateway.transcript.text import join
from speech.activity import Probabilities
from speech.transcript import Coverage, Word


class FinalText:
    def __init__(self, emit: Emit, decoder: SpeechDecoder) -> None:
        """decoder: knows the language"""
        self.words: list[Word] = []
        self.speakers: SpeakerLabels = NoSpeakers()
        self._emit, self._decoder = emit, decoder

    @property
    def text(self) -> str:
        return join(self.words, self._decoder.vote.best)

    @property
    def doubts(self) -> list[str]:
        """What may be wrong in it, as the warnings of a file tell it."""
        vote = self._decoder.vote
        guess = [] if vote.given else language_guess(vote.best, vote.share)
        return [*guess, *segment_doubts(segment(self.words, vote.best))]

    def coverage(self, speech: Probabilities, until: float) -> Coverage:
        """How much of the speech it accounts for. until: seconds of audio whose text it is"""
        return measure([word for word in self.words if word.start < until], speech, until)

    async def add(self, words: Sequence[Word]) -> None:
        """Words that are final from now on."""
        if words:
            words = await self.speakers.label(words)
            self.words += words
            await self._emit(messages.final_text(words, self._decoder.vote.best))

    async def preview(self, words: Sequence[Word]) -> None:
        """Words that may still change."""
        await self._emit(messages.partial_text(self.speakers.recall(words), self._decoder.vote.best))
