"""whisper.cpp through pywhispercpp, float16 weights: the most widely used library on a CPU."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path

from _pywhispercpp import whisper_full_lang_id, whisper_lang_str
from pywhispercpp.model import Model

from benchmarks.peers.worker import PeerJob, PeerTranscript, read_wav, serve
from speech.audio import to_samples


class WhisperCpp:
    """Greedy. Word times the cheap way that its own command line has (one word a segment), not by DTW."""

    def __init__(self, weights: Path, threads: int) -> None:
        quiet = {"print_progress": False, "print_realtime": False, "print_timestamps": False}
        self.model = Model(str(weights), n_threads=threads, **quiet)
        self.versions = {"pywhispercpp": version("pywhispercpp")}

    def prepare(self, job: PeerJob) -> None:
        pass

    def transcribe(self, job: PeerJob) -> PeerTranscript:
        segments = self.model.transcribe(
            to_samples(read_wav(job.audio)),
            language=job.language or "auto",
            token_timestamps=job.words,
            split_on_word=job.words,
            max_len=1 if job.words else 0,
        )
        pieces = [piece for piece in segments if piece.text]
        words = [[piece.text, piece.t0 / 100, piece.t1 / 100] for piece in pieces] if job.words else []
        heard = whisper_lang_str(whisper_full_lang_id(self.model._ctx))
        return PeerTranscript(" ".join(piece.text for piece in pieces), heard, words)


if __name__ == "__main__":
    serve(WhisperCpp)
