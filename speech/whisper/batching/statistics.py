"""What a scheduler has done so far, for metrics. Counters only grow; rates are the reader's business."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Statistics:
    """Written by the scheduler's threads, read by anyone; a reader may see one counter ahead of another."""

    audio_seconds: float = 0.0  # encoded
    windows: int = 0  # encoded, a window encoded again counts again
    encodes: int = 0  # calls: windows / encodes is the mean batch
    steps: int = 0  # calls
    rows: int = 0  # rows / steps is the mean batch
    tokens: int = 0  # decoded, those of rejected attempts too
    finished: int = 0  # windows answered
    fallbacks: int = 0  # attempts after the first
    cancelled: int = 0
    failed: int = 0
    waiting: int = 0  # windows in the queue now
    waiting_seconds: float = 0.0  # of audio in these windows
    decoding: int = 0  # rows of the last step
    waited: float = 0.0  # seconds that admitted windows spent in the queue
    admissions: int = 0

    def admitted(self, waited: float) -> None:
        self.admissions += 1
        self.waited += waited

    def encoded(self, windows: int, seconds: float) -> None:
        self.encodes += 1
        self.windows += windows
        self.audio_seconds += seconds

    def stepped(self, rows: int) -> None:
        self.steps += 1
        self.rows += rows
        self.decoding = rows

    def decoded(self, tokens: int) -> None:
        self.tokens += tokens
