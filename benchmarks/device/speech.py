"""Recordings through scheduler and engine of a GPU, where nothing scores: what is heard is kept for another machine.

    python -m benchmarks.device.speech EXPORT CLIPS RESULTS [--provider cpu]
    python -m benchmarks score RESULTS/texts.json

CLIPS: a folder with 16-bit WAV files (mono, 16 kHz, at most 30 s each) and references.json, as docker/canary.sh makes
"""

from __future__ import annotations

import argparse
import json
import time
import wave
from pathlib import Path

import numpy as np

from benchmarks.peers.graphs_on_cpu import open_on_cpu
from speech.audio import Pcm
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.serving import ServingOptions, open_engine
from speech.whisper.timing import compile_timing
from speech.whisper.tokenizer import Tokenizer


def hear_clips(scheduler: Scheduler, clips: Path, results: Path) -> None:
    """Writes texts.json anew after each, so that whoever ends the run loses nothing: file, reference, heard, seconds
    of the clip, seconds that it took.
    """
    references: dict[str, str] = json.loads((clips / "references.json").read_text(encoding="utf-8"))
    told: list[dict[str, object]] = []
    for name, reference in references.items():
        pcm, rate = read_clip(clips / name)
        began = time.perf_counter()
        heard = scheduler.submit(Request(pcm, "en", caller="device", recording=name)).result().text
        took = time.perf_counter() - began
        told.append({"file": name, "reference": reference, "heard": heard, "audio": len(pcm) / rate, "seconds": took})
        (results / "texts.json").write_text(json.dumps(told, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def read_clip(path: Path) -> tuple[Pcm, int]:
    """Samples, and how many make a second."""
    with wave.open(str(path)) as file:
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(np.int16), file.getframerate()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("export", type=Path, help="folder of an export for the target `cuda`, with published weights")
    parser.add_argument("clips", type=Path)
    parser.add_argument("results", type=Path)
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    chosen = parser.parse_args()
    options = ServingOptions()
    opener = open_on_cpu if chosen.provider == "cpu" else open_engine
    engine = opener(chosen.export, options)
    compile_timing()
    scheduler = Scheduler(engine, Tokenizer.load(chosen.export), options.policy(engine))
    hear_clips(scheduler, chosen.clips, chosen.results)
    scheduler.close()


if __name__ == "__main__":
    main()
