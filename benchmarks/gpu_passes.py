"""Passes of an export on a GPU, batch by batch and round by round, in turn with the plain torch model."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.ideal import WINDOW
from benchmarks.peers.process import PeerFailed
from benchmarks.peers.timed import Timer, Timing


@dataclass(frozen=True)
class Passes:
    """One model's timings at each batch size, the medians of all rounds."""

    description: dict[str, Any]  # by the process that ran them
    ours: dict[int, Timing]
    torch: dict[int, Timing] = field(default_factory=dict)
    skipped: str = ""  # why torch has none, or not all


class TimeLimit:
    """When to stop, with what is known until then."""

    def __init__(self, seconds: float) -> None:
        """seconds: 0 for none"""
        self._end = time.monotonic() + seconds if seconds else float("inf")

    @property
    def passed(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def left(self) -> float | None:
        """Seconds; None without a limit."""
        return None if self._end == float("inf") else max(1.0, self._end - time.monotonic())


Known = Callable[[Passes], None]  # is told what is known after each batch


def time_passes(folder: Path, options: argparse.Namespace, limit: TimeLimit, known: Known) -> Passes:
    """Both in turn. folder: the model's, with its export in 1/; raises: PeerFailed"""
    with ExitStack() as stack:
        wanted = ["--provider", options.provider, "--slots", max(options.batches)]
        ours = stack.enter_context(Timer("this engine", "graphs", [folder / "1", *wanted], options.python))
        torch, skipped = None, "not asked for" if options.without_peer else ""
        if not options.without_peer:
            try:
                device = "cpu" if options.provider == "cpu" else "cuda"
                sizes = json.dumps(ours.description["dimensions"])
                torch = stack.enter_context(
                    Timer("plain torch", "torch_whisper", [sizes, "--device", device], options.peer_python)
                )
            except PeerFailed as error:
                skipped = str(error)
        batches = [batch for batch in options.batches if batch <= ours.description["slots"]]
        described = dict(ours.description)
        if torch:
            described["versions"] |= torch.description["versions"]
        passes = Passes(described, {}, {}, skipped)
        for timings in _rounds([ours, *([torch] if torch else [])], batches, options, limit):
            theirs = timings[torch.title] if torch else {}
            passes = Passes(described, timings[ours.title], theirs, skipped)
            known(passes)
        if torch and set(passes.torch) != set(passes.ours):
            passes = Passes(described, passes.ours, passes.torch, "it failed at the largest batches")
        return passes


def _rounds(
    timers: list[Timer], batches: list[int], options: argparse.Namespace, limit: TimeLimit
) -> Iterator[dict[str, dict[int, Timing]]]:
    """The medians so far, after each timing; the first round warms up."""
    measured: dict[str, dict[int, list[Timing]]] = {timer.title: {} for timer in timers}
    failed: set[tuple[str, int]] = set()
    for number in range(options.rounds + 1):
        for batch, timer in _turns(timers, batches, number):
            if limit.passed:
                return
            if (timer.title, batch) in failed:
                continue
            try:
                timing = timer.measure(batch, options.tokens if number else 2)
            except PeerFailed as error:  # a batch that is too large for the card's memory
                if timer is timers[0]:
                    raise
                print(error, file=sys.stderr)
                failed.add((timer.title, batch))
                continue
            if number:
                measured[timer.title].setdefault(batch, []).append(timing)
                print(f"{timer.title}, batch {batch}: {batch * WINDOW / timing.total:.1f}", file=sys.stderr, flush=True)
                yield {title: {size: _median(each) for size, each in of.items()} for title, of in measured.items()}


def _turns(timers: list[Timer], batches: list[int], number: int) -> Iterator[tuple[int, Timer]]:
    for batch in batches:
        for timer in timers if number % 2 else reversed(timers):
            yield batch, timer


def _median(timings: list[Timing]) -> Timing:
    parts = zip(*((each.encode, each.step, each.total) for each in timings), strict=True)
    return Timing(*(statistics.median(part) for part in parts))
