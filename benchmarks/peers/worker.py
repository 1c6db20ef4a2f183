"""The side of a contender's process: reads jobs from standard input, answers with what it heard and how long it took.

Each contender runs in its own process and environment, so that one's threads, allocator and libraries
cannot touch another's figures.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import sys
import time
import wave
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np

from speech.audio import Pcm


@dataclass(frozen=True)
class PeerJob:
    audio: str  # path of a 16 kHz mono WAV
    language: str = ""  # ISO 639-1, "" to detect
    words: bool = True  # word times wanted
    vad: bool = True  # voice activity detection, where the contender has one
    duration: float = 0.0  # seconds


@dataclass(frozen=True)
class PeerTranscript:
    text: str
    language: str
    words: list[list[object]] = field(default_factory=list)  # [text, start, end], seconds


class PeerModel(Protocol):
    versions: dict[str, str]

    def prepare(self, job: PeerJob) -> None:
        """What is not to be timed."""

    def transcribe(self, job: PeerJob) -> PeerTranscript: ...


def read_wav(path: str) -> Pcm:
    """The job's audio, int16 (n,), 16 kHz mono."""
    with wave.open(path, "rb") as audio:
        return np.frombuffer(audio.readframes(audio.getnframes()), dtype=np.int16)


def serve(make: Callable[[Path, int], PeerModel]) -> None:
    """Answers one JSON line per job until standard input ends."""
    options = argparse.ArgumentParser()
    options.add_argument("weights", type=Path)
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # libraries that print must not write into the answers
    contender = make(chosen.weights, chosen.threads)
    print(json.dumps({"versions": contender.versions}), file=answers)
    with contextlib.suppress(KeyboardInterrupt):
        for line in sys.stdin:
            print(json.dumps(_answer(contender, PeerJob(**json.loads(line)))), file=answers)


def _answer(contender: PeerModel, job: PeerJob) -> dict[str, object]:
    contender.prepare(job)
    processor, began = time.process_time(), time.perf_counter()
    try:
        heard = contender.transcribe(job)
    except Exception as error:
        return {"error": f"{type(error).__name__}: {error}"}
    return asdict(heard) | {
        "seconds": time.perf_counter() - began,
        "processor_seconds": time.process_time() - processor,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
