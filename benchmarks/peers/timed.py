"""Timing of a network's passes in a process of its own: JSON lines, a description first, then an answer a question."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.environments import PROJECT
from benchmarks.peers.process import PeerProcess


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    encode: float  # of the whole batch, prompts read
    step: float  # of one token of each sequence
    total: float  # windows encoded and all their tokens decoded


Measure = Callable[[int, int], Any]  # → a dataclass: Timing, of a batch of windows of 30 s and so many tokens of each


def answer(open_timer: Callable[[], tuple[dict[str, Any], Measure]]) -> None:
    """The process's side, until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries that print must not write into the answers
    try:
        description, measure = open_timer()
    except Exception as error:
        print(json.dumps({"error": _said(error)}), file=answers)
        return
    print(json.dumps(description), file=answers)
    with suppress(KeyboardInterrupt):
        for line in sys.stdin:
            try:
                told = asdict(measure(*json.loads(line)))
            except Exception as error:
                told = {"error": _said(error)}
            print(json.dumps(told), file=answers)


def _said(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"


class Timer(PeerProcess):
    """The driver's side."""

    def __init__(self, title: str, module: str, arguments: Sequence[object], python: Path) -> None:
        path = f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"
        super().__init__(title, module, arguments, python, {"PYTHONPATH": path})

    def measure(self, batch: int, tokens: int) -> Timing:
        """raises: PeerFailed"""
        return Timing(**self.ask([batch, tokens]))
