"""Runs of two contenders in turn, A B A B, so that whatever else the machine does falls on both alike."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from benchmarks.peers.contender import Outcome
from benchmarks.recordings import CorpusRecording
from benchmarks.scoring import WordErrorRate, WordErrors, count_errors, word_error_rate


class Transcriber(Protocol):
    """A contender that is ready to work."""

    name: str

    def transcribe(
        self, recording: CorpusRecording, *, words: bool, language: str = "", vad: bool = True
    ) -> Outcome: ...


@dataclass(frozen=True)
class Entrant:
    """One contender and how it is to be run."""

    title: str
    transcriber: Transcriber
    words: bool = True


@dataclass(frozen=True)
class Run:
    """All recordings once, one after another."""

    title: str
    seconds: float  # wall clock
    processor_seconds: float
    longest: float  # seconds, the slowest recording
    errors: tuple[WordErrors, ...]  # one per recording

    @property
    def wer(self) -> WordErrorRate:
        return word_error_rate(self.errors)


def run(entry: Entrant, recordings: Sequence[CorpusRecording]) -> Run:
    outcomes = [
        entry.transcriber.transcribe(recording, words=entry.words, language=recording.language or "")
        for recording in recordings
    ]
    errors = [
        count_errors(recording.text or "", outcome.text, recording.language)
        for recording, outcome in zip(recordings, outcomes, strict=True)
    ]
    return Run(
        title=entry.title,
        seconds=sum(outcome.seconds for outcome in outcomes),
        processor_seconds=sum(outcome.processor_seconds for outcome in outcomes),
        longest=max(outcome.seconds for outcome in outcomes),
        errors=tuple(errors),
    )


def interleave(
    entries: Sequence[Entrant], recordings: Sequence[CorpusRecording], rounds: int, tell: Callable[[Run], None]
) -> list[list[Run]]:
    """`rounds` times every entry in turn, the order reversed every other round. One warm-up clip each."""
    warm_up = min(recordings, key=lambda recording: recording.duration)
    for entry in entries:
        entry.transcriber.transcribe(warm_up, words=entry.words, language=warm_up.language or "")
    results: list[list[Run]] = []
    for index in range(rounds):
        order = entries if index % 2 == 0 else tuple(reversed(entries))
        runs = {}
        for entry in order:
            runs[entry.title] = run(entry, recordings)
            tell(runs[entry.title])
        results.append([runs[entry.title] for entry in entries])
    return results


def ratio(rounds: Sequence[Sequence[Run]], entry: int, processor: bool = False) -> tuple[float, float, float]:
    """How many times longer than the first entry: median, least and most of the per-round ratios."""
    ratios = [
        runs[entry].processor_seconds / runs[0].processor_seconds
        if processor
        else runs[entry].seconds / runs[0].seconds
        for runs in rounds
    ]
    return statistics.median(ratios), min(ratios), max(ratios)
