"""Scheduler, words and engine of a GPU together, with random weights: what a service of this export carries.

Runs in the service's environment: `python -m benchmarks.peers.gpu_service FOLDER [--provider cpu]`. What random
weights say never ends by itself, so every text is made to end after as many tokens as a window has on average.
"""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.ideal import TOKENS
from benchmarks.peers.graphs_on_cpu import open_on_cpu
from benchmarks.peers.timed import Measure, answer
from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import Priority
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.engine import Engine, PendingStep, Sampling, Step
from speech.whisper.serving import ServingOptions, open_for_timing
from speech.whisper.timing import compile_timing
from speech.whisper.tokenizer import Tokenizer

LIVE_SECONDS = 8  # of a live window, on average
UPDATE_SECONDS = 1 / 1.2  # between two decodings of a live session
LOGPROB = -0.2  # of every token, so that its text is believed


@dataclass(frozen=True)
class ServiceRun:
    audio: float  # seconds of the files' windows
    seconds: float  # until the last of them was answered
    live: int  # live windows that were answered meanwhile
    live_median: float | None  # seconds until a live window's answer
    live_p95: float | None


class EndingEngine:
    """The engine, whose texts end after `tokens` tokens. What it chose itself goes on in its caches."""

    def __init__(self, engine: Engine, tokens: int, end_of_text: int) -> None:
        self._engine = engine
        self._said = np.zeros(engine.slots, np.int64)  # tokens of each slot's text
        self._text = np.random.default_rng(0).integers(300, 30_000, (engine.slots, tokens), np.int32)
        self._text[:, -1] = end_of_text

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> Any:
        self._said[list(slots)] = 0
        return self._engine.prefill(slots, prompts)

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> PendingStep:
        rows = np.asarray(slots)
        at = np.minimum(self._said[rows], self._text.shape[1] - 1)
        self._said[rows] += 1
        return EndingStep(self._engine.step(slots, sampling), self._text[rows, at])


@dataclass(frozen=True)
class EndingStep:
    pending: PendingStep
    tokens: NDArray[np.int32]

    def result(self) -> Step:
        step = self.pending.result()
        return Step(self.tokens, np.full_like(step.logprobs, LOGPROB))


class ServiceLoad:
    """Files of many windows at once, and live sessions beside them."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        noise = np.random.default_rng(0).integers(-3000, 3000, 30 * SAMPLE_RATE, np.int16)
        self._window: Pcm = noise
        self._live: Pcm = noise[: LIVE_SECONDS * SAMPLE_RATE]

    def measure(self, windows: int, sessions: int) -> ServiceRun:
        waited: list[float] = []
        over = threading.Event()
        speakers = [threading.Thread(target=self._speak, args=(n, over, waited)) for n in range(sessions)]
        for speaker in speakers:
            speaker.start()
        began = time.perf_counter()
        futures = [
            self._scheduler.submit(Request(self._window, "en", caller=f"file {n % 8}", recording=f"file {n % 8}"))
            for n in range(windows)
        ]
        for future in futures:
            future.result()
        seconds = time.perf_counter() - began
        over.set()
        for speaker in speakers:
            speaker.join()
        quantiles = np.quantile(waited, [0.5, 0.95]).tolist() if waited else [None, None]
        return ServiceRun(windows * 30.0, seconds, len(waited), *quantiles)

    def _speak(self, number: int, over: threading.Event, waited: list[float]) -> None:
        request = Request(self._live, "en", priority=Priority.LIVE, caller=f"live {number}", recording=f"live {number}")
        while not over.is_set():
            began = time.perf_counter()
            self._scheduler.submit(request).result()
            waited.append(time.perf_counter() - began)
            over.wait(max(0.0, UPDATE_SECONDS - waited[-1]))


def _open(folder: Path, provider: str, tokens: int, slots: int) -> tuple[dict[str, Any], Measure]:
    options = ServingOptions(slots=slots)
    engine = open_on_cpu(folder, options) if provider == "cpu" else open_for_timing(folder, options)
    tokenizer = Tokenizer.load(folder)
    compile_timing()
    ending = EndingEngine(engine, tokens, tokenizer.special.end_of_text)
    load = ServiceLoad(Scheduler(ending, tokenizer, options.policy(engine)))
    load.measure(2, 0)  # what is made at first use
    return {"slots": engine.slots, "captured": getattr(engine, "captured", None)}, load.measure


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    parser.add_argument("--tokens", type=int, default=TOKENS)
    parser.add_argument("--slots", type=int, default=0)
    chosen = parser.parse_args()
    answer(lambda: _open(chosen.folder, chosen.provider, chosen.tokens, chosen.slots))


if __name__ == "__main__":
    main()
