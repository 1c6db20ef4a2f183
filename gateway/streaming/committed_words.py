"""The committed text of a live stream across reconnections: every word once, whichever gateway recognised it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from speech.agreement import MAX_BOUNDARY, split, widest_pause
from speech.transcript import Word

OVERLAP = 5.0  # seconds of committed words; the next session starts in the widest pause among them
SAFE_PAUSE = 1.0  # seconds of silence in which no word is cut
LEAD = 0.3  # seconds before a word where there is no pause to choose


@dataclass(slots=True)
class CommittedTranscript:
    """Committed words, timed from the start of the whole audio. A session's own times start where its audio does."""

    _complete_until: float = 0.0  # seconds; audio before it is never sent again
    _committed: list[Word] = field(default_factory=list)  # the last words after that
    _session_start: float = 0.0  # seconds: where the audio of the current session starts
    _overlapping: list[Word] = field(default_factory=list)  # committed words that its audio contains too
    _session_words: list[Word] = field(default_factory=list)  # what it committed, until it is past the overlap

    @property
    def end(self) -> float:
        """Seconds up to which the text is final."""
        return self._committed[-1].end if self._committed else self._complete_until

    @property
    def resume(self) -> float:
        """Seconds from which another gateway needs the audio: a little before the end, so that no word is cut."""
        late = [word for word in self._committed if word.end > self.end - OVERLAP]
        if not late:
            return self._complete_until
        pause = widest_pause(late)
        if pause is None:
            return max(self._complete_until, late[0].start - LEAD)
        before, after = pause
        return (before.end + after.start) / 2

    @classmethod
    def resumed(cls, words: Sequence[Word]) -> CommittedTranscript:
        """Goes on after words that were committed before."""
        return cls(_committed=list(words))

    def start_session(self, start: float) -> None:
        """A new session gets the audio from `start` (seconds)."""
        self._session_start, self._session_words = start, []
        self._overlapping = [word for word in self._committed if (word.start + word.end) / 2 >= start]

    def hand_over(self, duration: float) -> float:
        """The current session ends, and all speech in its first `duration` seconds is committed; returns where that is.

        Where a word ends just there it may be cut by what its time was taken for, and the next session hears it again.
        """
        joint = self._session_start + duration
        if joint - self.end > SAFE_PAUSE:
            self.complete(duration)
        return joint

    def complete(self, duration: float) -> None:
        """All speech in the first `duration` seconds of the current session is committed."""
        self._complete_until, self._committed = self._session_start + duration, []

    def commit(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        """Words that the session made final; returns those that were not committed before."""
        new = self._new(fields)
        if self._overlapping:
            self._session_words += self._words(fields)
            if self._session_words[-1].end > self._overlapping[-1].end + MAX_BOUNDARY:
                self._overlapping = []
        self._committed += new
        self._committed = [word for word in self._committed if word.end > self.end - 2 * OVERLAP]
        return new

    def preview(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        """Words that may still change; returns those that are not committed."""
        return self._new(fields)

    def _new(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        words = self._words(fields)
        if not self._overlapping:
            return words
        session = [*self._session_words, *words]
        return session[max(split(session, self._overlapping), len(self._session_words)) :]

    def _words(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        words = [
            Word(each["word"], each["start"], each["end"], each["confidence"], each.get("speaker")) for each in fields
        ]
        return [word.shifted(self._session_start) for word in words]
