"""The driver's side of a contender: starts its process, hands it recordings, keeps what it heard."""

from __future__ import annotations

import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.environments import PROJECT
from benchmarks.peers.process import PeerProcess
from benchmarks.peers.worker import PeerJob
from benchmarks.recordings import CorpusRecording


@dataclass(frozen=True)
class Outcome:
    """What one contender made of one recording."""

    text: str
    language: str
    seconds: float  # wall clock, reading of the file included, loading of the model not
    processor_seconds: float  # of all its threads
    words: tuple[tuple[str, float, float], ...] = ()  # text, start and end in seconds
    peak_mb: float = 0.0


class Contender(PeerProcess):
    """A peer in its own process: `python -m benchmarks.peers.<module> WEIGHTS`, used as a context."""

    STDERR = subprocess.DEVNULL

    def __init__(self, module: str, weights: Path, python: Path, threads: int = 2) -> None:
        self.name = module
        environment = {
            "OMP_WAIT_POLICY": "PASSIVE",
            "OMP_NUM_THREADS": str(threads),
            "PYTHONPATH": str(PROJECT),
            "HF_HUB_OFFLINE": "1",
        }
        super().__init__(module, module, [weights, "--threads", threads], python, environment)
        self.versions: dict[str, str] = self.description["versions"]

    def transcribe(self, recording: CorpusRecording, *, words: bool, language: str = "", vad: bool = True) -> Outcome:
        """raises: PeerFailed when the contender could not"""
        answer = self.ask(asdict(PeerJob(str(recording.path), language, words, vad, recording.duration)))
        answer["words"] = tuple((str(text), float(start), float(end)) for text, start, end in answer["words"])
        return Outcome(**answer)
