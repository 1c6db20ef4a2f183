"""The window of a live session: audio that is decoded again and again until all of its words are final."""

from __future__ import annotations

from collections.abc import Sequence

from gateway.recognition.windows import believable_words, is_speech
from gateway.streaming.buffer import AudioBuffer
from gateway.streaming.policy import StreamPolicy, samples
from gateway.transcript.text import join
from speech.agreement import Agreement, widest_pause
from speech.audio import SAMPLE_RATE
from speech.transcript import WindowResult, Word


class SpeechWindow:
    """Where the window starts, how much of it was decoded, and what its hypotheses agree on.

    Positions are samples from the start of the session.
    """

    def __init__(self, buffer: AudioBuffer, policy: StreamPolicy) -> None:
        self.start = 0
        self.decoded = 0  # up to where it was decoded
        self.agreement = Agreement()
        self.hypothesis: Sequence[Word] = ()  # of the last decoding, as far as the window's audio holds it
        self._buffer = buffer
        self._policy = policy
        self._open = False

    @property
    def offset(self) -> float:
        """Its start in seconds."""
        return self.start / SAMPLE_RATE

    def draft(self, language: str) -> str:
        """What its next decoding is likely to begin with. language: ISO 639-1"""
        return join(self.hypothesis, language)

    def open(self, speech_start: int) -> None:
        """A new utterance goes on in the window of the last one, whose audio is its context, or starts its own."""
        if self._open:
            return
        self._open = True
        self.start = max(speech_start - self._policy.padding, self._buffer.start)
        self.decoded = self.start

    def close(self, keep_from: int) -> None:
        """The next utterance starts its own window; audio before `keep_from` is forgotten."""
        self.agreement, self.hypothesis, self._open = Agreement(), (), False
        self._buffer.forget_before(keep_from)

    def move_to(self, sample: int) -> None:
        """The window starts later; audio before it is forgotten."""
        self.start = max(sample, self.start)
        self.decoded = max(self.decoded, self.start)
        self.agreement.forget_before(self.offset)
        self.hypothesis = [word for word in self.hypothesis if (word.start + word.end) / 2 >= self.offset]
        self._buffer.forget_before(self.start)

    def trim(self, end: int) -> None:
        """Committed audio leaves a long window at its widest pause, so that decoding stays short."""
        committed = self.agreement.committed
        if end - self.start >= self._policy.trim and len(committed) > 1:
            # At the latest before the last of them: what was said after it is not final.
            latest = _middle(*committed[-2:])
            self.move_to(samples(min(self.late_pause(committed, self._policy.trim), latest)))

    def late_pause(self, words: Sequence[Word], length: int) -> float:
        """Seconds: the middle of the widest pause in or before the later half of a window of `length` samples.

        Never at the edge of a word: a decoding that begins there may pass it over, or hear a piece of it.
        """
        middle = (self.start + length // 2) / SAMPLE_RATE
        first_late = next((place for place, word in enumerate(words) if word.end >= middle), len(words))
        pause = widest_pause(words[max(first_late - 1, 0) :])
        if pause is not None:
            return _middle(*pause)
        return min([middle, *(word.start - self._policy.padding / SAMPLE_RATE for word in words[first_late:])])

    def before_widest_pause(self, words: Sequence[Word]) -> tuple[list[Word], float]:
        """Words of a decoding that come before its widest pause since the last final word, and the second inside it.

        Where there is no pause: none, and the second at which the final words end.
        """
        known = self.agreement.committed[-1:]
        open_words = [*known, *self.agreement.continuation(words)]
        pause = widest_pause(open_words)
        if pause is None:
            return [], known[-1].end if known else self.offset
        before, after = pause
        return open_words[len(known) : open_words.index(after)], _middle(before, after)


def _middle(before: Word, after: Word) -> float:
    """Seconds: of the pause between two words."""
    return (before.end + after.start) / 2


def words_in_session(result: WindowResult, offset: float) -> list[Word]:
    """In the session's time; none where nobody spoke. offset: seconds"""
    words = believable_words(result) if is_speech(result) else ()
    return [word.shifted(offset) for word in words]
