"""This project's engine and scheduler in process: the service's recognition without HTTP, Triton and files.

Runs in the service's environment. The windows are those that the service cuts; finding them is not timed.
"""

from __future__ import annotations

from concurrent.futures import Future
from functools import cache
from pathlib import Path

import onnxruntime

from benchmarks.peers.worker import PeerJob, PeerTranscript, read_wav, serve
from speech.activity import VoiceActivity, regions
from speech.audio import SAMPLE_RATE, Pcm
from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.serving import OpenEngine, ServingOptions, open_engine
from speech.whisper.timing import compile_timing
from speech.whisper.tokenizer import Tokenizer
from speech.windows import Window, plan


class EnginePeer:
    """Submits every window of a recording at once and waits for the last."""

    def __init__(self, weights: Path, threads: int, opener: OpenEngine = open_engine) -> None:
        options = ServingOptions(threads=threads)  # the defaults are those of config.pbtxt
        tokenizer = Tokenizer.load(weights / "1")
        compile_timing()
        engine = opener(weights / "1", options)
        self.scheduler = Scheduler(engine, tokenizer, options.policy(engine))
        self.windows = cache(_windows)
        self.versions = {"onnxruntime": onnxruntime.__version__}

    def prepare(self, job: PeerJob) -> None:
        self.windows(job.audio)

    def transcribe(self, job: PeerJob) -> PeerTranscript:
        pcm, windows = self.windows(job.audio)
        futures = [self._submit(pcm[window.start : window.end], job) for window in windows]
        results = [future.result() for future in futures]
        words: list[list[object]] = [
            [word.text, word.start + window.start / SAMPLE_RATE, word.end + window.start / SAMPLE_RATE]
            for window, result in zip(windows, results, strict=True)
            for word in result.words
        ]
        language = results[0].language if results else job.language
        return PeerTranscript(" ".join(result.text for result in results), language, words)

    def _submit(self, pcm: Pcm, job: PeerJob) -> Future[WindowResult]:
        return self.scheduler.submit(Request(pcm, job.language, caller="benchmark", recording=job.audio))


def _windows(path: str) -> tuple[Pcm, list[Window]]:
    pcm = read_wav(path)
    probabilities = VoiceActivity().probabilities(pcm)
    return pcm, plan(regions(probabilities), probabilities, pcm)


if __name__ == "__main__":
    serve(EnginePeer)
