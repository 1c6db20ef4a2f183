"""faster-whisper on the GPU: batched, float16."""

from __future__ import annotations

from functools import partial

from benchmarks.peers.faster_whisper import FasterWhisper
from benchmarks.peers.worker import serve

if __name__ == "__main__":
    serve(partial(FasterWhisper, cuda=True))
