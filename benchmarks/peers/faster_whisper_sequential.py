"""faster-whisper as most people call it: window after window, beam of 5, voice activity detection on."""

from __future__ import annotations

from benchmarks.peers.faster_whisper import FasterWhisper
from benchmarks.peers.worker import PeerJob, PeerTranscript, serve


class SequentialFasterWhisper(FasterWhisper):
    """Its own defaults, but for voice activity detection, which it leaves off."""

    def transcribe(self, job: PeerJob) -> PeerTranscript:
        segments, info = self.model.transcribe(
            job.audio, language=job.language or None, word_timestamps=job.words, vad_filter=job.vad
        )
        pieces = list(segments)
        words = [[word.word.strip(), word.start, word.end] for piece in pieces for word in piece.words or ()]
        return PeerTranscript("".join(piece.text for piece in pieces).strip(), info.language, words)


if __name__ == "__main__":
    serve(SequentialFasterWhisper)
