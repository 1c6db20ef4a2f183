"""What became of each job of a run, and what the database says of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from benchmarks.chaos.history import Payer


@dataclass(frozen=True)
class SentRecording:
    content: bytes = field(repr=False)
    name: str
    milliseconds: int
    text: str  # that its job has to give


@dataclass
class SentJob:
    number: int
    owner: Payer
    recording: SentRecording
    id: str = ""  # once it was accepted
    ids: set[str] = field(default_factory=set)  # of all answers to its submission: one, if it is right
    statuses: list[int] = field(default_factory=list)  # of every attempt to hand it over; 0: no answer
    status: str = ""  # the last one that was seen
    text: str = ""
    undisturbed: str | None = None  # what a call hears in it afterwards: a window may cut a word of the echo model's
    told: str = ""  # what was wrong
    began: float = 0.0  # seconds of the run
    accepted: float = 0.0
    ended: float = 0.0

    @property
    def name(self) -> str:
        return f"job {self.number} ({self.id[:8]}) of {self.owner.name}"


@dataclass(frozen=True)
class JobRow:
    id: str
    status: str
    attempt: int  # how often a gateway began it
    webhook_state: str
    webhook_attempts: int


@dataclass(frozen=True)
class LedgerCharge:
    """A charge in the ledger."""

    admission: str
    credits: int
    milliseconds: int | None
