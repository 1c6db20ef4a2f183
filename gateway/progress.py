"""Progress of the requests in flight, for clients that poll it while they wait."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from gateway.api.catalogue import RequestStage


@dataclass(slots=True)
class ProgressTracker:
    """How far one request is."""

    stage: RequestStage = "receiving"
    done: float = 0.0  # share of the stage's work, 0..1
    _diarized: float = 0.0  # likewise, of the speakers, who are told apart while the words are recognized

    def received(self, size: float, of: float) -> None:
        self.done = min(1.0, size / of) if of > 0 else 0.0

    def decoded(self, seconds: float, of: float) -> None:
        self.stage = "decoding"
        self.done = min(1.0, seconds / of) if of > 0 else 0.0

    def recognized(self, seconds: float, of: float) -> None:
        self.stage = "recognizing"
        self.done = seconds / of if of > 0 else 1.0

    def diarized(self, pieces: float, of: float) -> None:
        self._diarized = pieces / of if of > 0 else 1.0
        if self.stage == "diarizing":
            self.done = self._diarized

    def diarizing(self) -> None:
        """Everything is recognized, and the speakers are not told apart yet."""
        self.stage, self.done = "diarizing", self._diarized


class ProgressRegistry:
    """By request id; an entry exists as long as its request."""

    def __init__(self) -> None:
        self._entries: dict[str, ProgressTracker] = {}

    @contextmanager
    def follow(self, identity: str) -> Iterator[ProgressTracker]:
        """A second request under the same id is not shown: it must not take the first one's place."""
        progress = ProgressTracker()
        self._entries.setdefault(identity, progress)
        try:
            yield progress
        finally:
            if self._entries.get(identity) is progress:
                del self._entries[identity]

    @property
    def entries(self) -> Mapping[str, ProgressTracker]:
        """As they are now, by request id."""
        return dict(self._entries)

    def find(self, identity: str) -> ProgressTracker | None:
        return self._entries.get(identity)
