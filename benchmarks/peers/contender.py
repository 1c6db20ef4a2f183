"""The driver's side of a contender: starts its process, hands it recordings, keeps what it heard."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from benchmarks.peers.worker import Job
from benchmarks.recordings import PROJECT, Recording


class ContenderFailed(RuntimeError):
    """The contender's process ended, or could not transcribe."""


@dataclass(frozen=True)
class Outcome:
    """What one contender made of one recording."""

    text: str
    language: str
    seconds: float  # wall clock, reading of the file included, loading of the model not
    processor_seconds: float  # of all its threads
    words: tuple[tuple[str, float, float], ...] = ()  # text, start and end in seconds
    peak_mb: float = 0.0


class Contender:
    """A peer in its own process: `python -m benchmarks.peers.<module> WEIGHTS`, used as a context."""

    def __init__(self, module: str, weights: Path, python: Path, threads: int = 2) -> None:
        self.name = module
        command = [str(python), "-m", f"benchmarks.peers.{module}", str(weights), "--threads", str(threads)]
        environment = os.environ | {
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": str(PROJECT),
            "HF_HUB_OFFLINE": "1",
        }
        self.process = subprocess.Popen(
            command, cwd=PROJECT, env=environment, text=True,
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        self.versions: dict[str, str] = self._read()["versions"]

    def transcribe(self, recording: Recording, *, words: bool, language: str = "", vad: bool = True) -> Outcome:
        """Raises ContenderFailed when the contender could not."""
        job = Job(str(recording.path), language, words, vad, recording.duration)
        assert self.process.stdin
        try:
            self.process.stdin.write(json.dumps(asdict(job)) + "\n")
            self.process.stdin.flush()
        except BrokenPipeError as error:
            raise ContenderFailed(f"{self.name} ended") from error
        answer = self._read()
        if "error" in answer:
            raise ContenderFailed(f"{self.name}: {answer['error']}")
        answer["words"] = tuple((str(text), float(start), float(end)) for text, start, end in answer["words"])
        return Outcome(**answer)

    def _read(self) -> dict:  # type: ignore[type-arg]  # JSON as the worker wrote it
        assert self.process.stdout
        line = self.process.stdout.readline()
        if not line:
            raise ContenderFailed(f"{self.name} ended with {self.process.wait()}")
        answer: dict = json.loads(line)  # type: ignore[type-arg]
        return answer

    def close(self) -> None:
        assert self.process.stdin
        self.process.stdin.close()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
