"""Timing of a network's passes in a process of its own: JSON lines, a description first, then an answer a question."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.recordings import PROJECT


class TimerFailed(RuntimeError):
    """The process could not start, ended, or could not do what it was asked."""


@dataclass(frozen=True)
class Timing:
    """Seconds."""

    encode: float  # of the whole batch, prompts read
    step: float  # of one token of each sequence
    total: float  # windows encoded and all their tokens decoded


Measure = Callable[[int, int], Timing]  # of a batch of windows of 30 s, and so many tokens of each


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


class Timer:
    """The driver's side: `python -m benchmarks.peers.<module> …`, used as a context. Raises TimerFailed."""

    def __init__(self, title: str, module: str, arguments: Sequence[object], python: Path) -> None:
        self.title = title
        command = [str(python), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": f"{PROJECT}:{os.environ.get('PYTHONPATH', '')}"}
        self._process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            self.description = self._read()
        except TimerFailed:
            self.close()
            raise

    def measure(self, batch: int, tokens: int) -> Timing:
        assert self._process.stdin
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps([batch, tokens]) + "\n")
            self._process.stdin.flush()
        return Timing(**self._read())

    def close(self) -> None:
        assert self._process.stdin
        assert self._process.stdout
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise TimerFailed(f"{self.title} ended with {self._process.wait()}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise TimerFailed(f"{self.title}: {told['error']}")
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
