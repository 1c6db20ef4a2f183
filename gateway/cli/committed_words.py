"""What a live stream has heard for good, whichever gateways heard it: no word twice, none left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from speech.agreement import MAX_BOUNDARY, split, widest_pause
from speech.transcript import Word

OVERLAP = 5.0  # seconds of final words, the widest pause of which is where another gateway starts
LEAD = 0.3  # seconds before a word where there is no pause to choose


@dataclass(slots=True)
class Heard:
    """Final words, in seconds of the whole sound. A session's times count from where its sound began."""

    _settled: float = 0.0  # seconds up to which nothing is heard again
    _final: list[Word] = field(default_factory=list)  # last words after that
    _begun: float = 0.0  # seconds: where the present session's sound began
    _known: list[Word] = field(default_factory=list)  # final words that its sound holds too
    _session: list[Word] = field(default_factory=list)  # what it made final, until it has passed them

    @property
    def end(self) -> float:
        """Seconds up to which the text is final."""
        return self._final[-1].end if self._final else self._settled

    @property
    def resume(self) -> float:
        """Seconds from which another gateway has to hear: a little before the end, for a word cut in two is lost."""
        late = [word for word in self._final if word.end > self.end - OVERLAP]
        if not late:
            return self._settled
        pause = widest_pause(late)
        if pause is None:
            return max(self._settled, late[0].start - LEAD)
        before, after = pause
        return (before.end + after.start) / 2

    def begin(self, start: float) -> None:
        """A session hears the sound from there (seconds)."""
        self._begun, self._session = start, []
        self._known = [word for word in self._final if (word.start + word.end) / 2 >= start]

    def settle(self, duration: float) -> None:
        """All speech in so many seconds of the present session is final."""
        self._settled, self._final = self._begun + duration, []

    def take(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        """Words that a session made final; returns those that were not final before."""
        new = self._new(fields)
        if self._known:
            self._session += self._words(fields)
            if self._session[-1].end > self._known[-1].end + MAX_BOUNDARY:
                self._known = []
        self._final += new
        self._final = [word for word in self._final if word.end > self.end - 2 * OVERLAP]
        return new

    def glance(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        """Words that may still change; returns those that are not final."""
        return self._new(fields)

    def _new(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        words = self._words(fields)
        if not self._known:
            return words
        all_of_it = [*self._session, *words]
        return all_of_it[max(split(all_of_it, self._known), len(self._session)) :]

    def _words(self, fields: Sequence[dict[str, Any]]) -> list[Word]:
        words = [Word(each["word"], each["start"], each["end"], each["confidence"]) for each in fields]
        return [replace(word, start=word.start + self._begun, end=word.end + self._begun) for word in words]
