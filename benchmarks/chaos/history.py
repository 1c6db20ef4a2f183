"""What clients asked, what they heard, and what they cannot know: the history of a run, for the checkers."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from benchmarks.chaos.sounds import SpokenSound

Kind = Literal["file", "keyed", "twins", "live", "summary", "leaver", "damaged"]
Outcome = Literal["ok", "refused", "unknown", "wrong"]


@dataclass(frozen=True)
class Payer:
    name: str
    key: str  # "": anonymous
    poor: bool = False  # its credits end during the run
    revoked: bool = False  # its key ends during the run

    @property
    def live(self) -> bool:
        """Whether it pays for live sessions, and for nothing else."""
        return self.name.startswith("live")


@dataclass
class ClientOperation:
    number: int
    kind: Kind
    payer: Payer
    sound: SpokenSound | None = None
    began: float = 0.0  # seconds of the run
    ended: float = 0.0
    outcome: Outcome = "unknown"
    answers: list[bytes] = field(default_factory=list)  # of each request that was answered with 200
    lost: int = 0  # requests whose answer never came: they may have been charged, once each
    told: str = ""  # the last refusal, or what was wrong
    statuses: list[int] = field(default_factory=list)  # of every attempt; 0: no answer
    sent: list[float] = field(default_factory=list)  # seconds that each connection of a live session sent
    heard: list[float] = field(default_factory=list)  # of these, what it was told was heard; 0: it ended without a word

    @property
    def name(self) -> str:
        return f"{self.kind} {self.number} of {self.payer.name}"
