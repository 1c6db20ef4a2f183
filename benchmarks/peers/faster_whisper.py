"""faster-whisper, batched: int8 on a CPU, where it is the fastest open library; float16 on a GPU."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from benchmarks.peers.worker import PeerJob, PeerTranscript, read_wav, serve
from speech.audio import SAMPLE_RATE

BATCH = 8
GPU_BATCH = 16


class FasterWhisper:
    """Greedy, voice activity detection on (its default when batched), language as the job says."""

    def __init__(self, weights: Path, threads: int, *, cuda: bool = False) -> None:
        device, kind, self.batch = ("cuda", "float16", GPU_BATCH) if cuda else ("cpu", "int8", BATCH)
        self.model = WhisperModel(str(weights), device=device, compute_type=kind, cpu_threads=threads)
        self.batched = BatchedInferencePipeline(self.model)
        self.versions = {name: version(name) for name in ("faster-whisper", "ctranslate2")}

    def prepare(self, job: PeerJob) -> None:
        pass

    def transcribe(self, job: PeerJob) -> PeerTranscript:
        segments, info = self.batched.transcribe(
            job.audio,
            language=job.language or None,
            beam_size=1,
            batch_size=self.batch,
            word_timestamps=job.words,
            vad_filter=job.vad,
            clip_timestamps=None if job.vad else _thirties(len(read_wav(job.audio)) / SAMPLE_RATE),
        )
        pieces = list(segments)
        words = [[word.word.strip(), word.start, word.end] for piece in pieces for word in piece.words or ()]
        return PeerTranscript("".join(piece.text for piece in pieces).strip(), info.language, words)


def _thirties(duration: float) -> list[dict[str, float]]:
    """The whole recording in Whisper's windows of 30 s, for runs without voice activity detection."""
    return [{"start": at, "end": min(at + 30.0, duration)} for at in np.arange(0.0, duration, 30.0).tolist()]


if __name__ == "__main__":
    serve(FasterWhisper)
