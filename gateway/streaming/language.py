"""Which language a live session speaks: given, or settled after a few seconds of speech."""

from __future__ import annotations

from collections import defaultdict

SURE_SECONDS = 3.0  # of speech, when one language has SURE_SHARE of the votes
SURE_SHARE = 0.7
LATEST_SECONDS = 9.0  # of speech, after which the best one is taken


class LanguageVote:
    """Each decoding votes with its probability times the speech that is new in it."""

    def __init__(self, given: str | None) -> None:
        self.settled = given  # ISO 639-1; None: not yet
        self.given = given is not None
        self._votes: defaultdict[str, float] = defaultdict(float)
        self._seconds = 0.0  # seconds

    @property
    def best(self) -> str:
        """The settled language, or the likeliest so far ("" before the first vote)."""
        if self.settled is not None:
            return self.settled
        return max(self._votes, key=lambda code: self._votes[code], default="")

    @property
    def share(self) -> float:
        """Probability mass of the best language, 0..1."""
        return self._votes[self.best] / self._seconds if self._seconds else 0.0

    def add(self, language: str, probability: float, seconds: float) -> bool:
        """Counts a decoding of so many new seconds; True when it settles the language."""
        if self.settled is not None:
            return False
        self._votes[language] += probability * seconds
        self._seconds += seconds
        sure = self._seconds >= SURE_SECONDS and self.share >= SURE_SHARE
        if sure or self._seconds >= LATEST_SECONDS:
            self.settled = self.best
        return self.settled is not None
