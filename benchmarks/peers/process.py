"""The driver's side of a process of its own: JSON lines, a description first, then an answer to each question."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

from benchmarks.environments import PROJECT


class PeerFailed(RuntimeError):
    """The process could not start, ended, or could not do what it was asked."""


class PeerProcess:
    """`python -m benchmarks.peers.<module> …`, used as a context.

    raises: PeerFailed
    """

    STDERR: ClassVar[int | None] = None  # where its other output goes; none: where ours does

    def __init__(
        self, title: str, module: str, arguments: Sequence[object], python: Path, environment: Mapping[str, str]
    ) -> None:
        self.title = title
        command = [str(python), "-m", f"benchmarks.peers.{module}", *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env={**os.environ, **environment}, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.STDERR,
        )  # fmt: skip
        try:
            self.description = self._read()
        except PeerFailed:
            self.close()
            raise

    def ask(self, question: object) -> dict[str, Any]:
        assert self.process.stdin
        with suppress(BrokenPipeError):
            self.process.stdin.write(json.dumps(question) + "\n")
            self.process.stdin.flush()
        return self._read()

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        with suppress(BrokenPipeError):
            self.process.stdin.close()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.process.stdout.close()

    def _read(self) -> dict[str, Any]:
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise PeerFailed(f"{self.title} ended with {self.process.wait()}")
        told: dict[str, Any] = json.loads(line)
        if "error" in told:
            raise PeerFailed(f"{self.title}: {told['error']}")
        return told

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
