"""How long each part of the engine takes, and how much arithmetic and memory traffic it cannot avoid.

Runs in the service's environment (`.venv`). Prints JSON.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.ideal import decoder_operations, encoder_operations
from benchmarks.machine import best_time
from speech.audio import SAMPLE_RATE, Pcm, to_samples
from speech.whisper.engine import GREEDY, Engine
from speech.whisper.log_mel import log_mel
from speech.whisper.serving import ServingOptions, open_cpu_engine
from speech.whisper.tokenizer import Tokenizer

FRAMES_PER_SECOND = 50  # of the encoder's output
CONTEXTS = (768, 1500)  # encoder frames: the shortest that is safe, and 30 s
ROWS = (1, 4, 8)  # sequences stepped together
STEPS = 40
UNREAD = ("embedding", "positions")  # of the decoder's file: looked up by row, not read whole in a step


@dataclass(frozen=True)
class Part:
    name: str
    seconds: float  # of one call
    operations: float  # multiplications and additions
    bytes: float  # that must come from memory: weights once, and each sequence's cross-attention


def parts(engine: Engine, folder: Path, speech: Sequence[Pcm]) -> Iterator[Part]:
    sizes = engine.dimensions
    mel = best_time(lambda: log_mel(to_samples(speech[0]), sizes.n_mels, 2 * sizes.n_audio_ctx))
    yield Part("log-mel, 30 s, one thread", mel, 0.0, 0.0)
    batch = engine.encode_batch
    for frames in CONTEXTS:
        windows = [clip[: frames * SAMPLE_RATE // FRAMES_PER_SECOND] for clip in speech[:batch]]
        call = range(batch), windows, [frames] * batch
        seconds = best_time(lambda call=call: engine.encode(*call), 2.0)  # type: ignore[misc]
        yield Part(
            f"encoder, {batch} windows, {frames} frames", seconds, batch * encoder_operations(sizes, frames), 0.0
        )
    weights = _decoder_bytes(folder)
    for rows in ROWS:
        frames = CONTEXTS[-1]
        seconds = _step_seconds(engine, folder, speech, rows)
        cross = rows * frames * 2 * sizes.n_text_state * sizes.n_text_layer  # one byte each
        operations = rows * decoder_operations(sizes, frames, STEPS // 2)
        yield Part(f"decoder step, {rows} sequences, {frames} frames", seconds, operations, weights + cross)


def _step_seconds(engine: Engine, folder: Path, speech: Sequence[Pcm], rows: int) -> float:
    """The median step of fresh sequences: their first tokens, as in a window of speech."""
    slots = list(range(rows))
    for slot in slots:
        engine.encode([slot], [speech[slot % len(speech)]], [engine.dimensions.n_audio_ctx])
    engine.prefill(slots, [Tokenizer.load(folder).sot_sequence("en")] * rows)
    times = []
    for _ in range(STEPS):
        began = time.perf_counter()
        engine.step(slots, [GREEDY] * rows).result()
        times.append(time.perf_counter() - began)
    return float(np.percentile(times, 25))


def _decoder_bytes(folder: Path) -> float:
    with np.load(folder / "decoder.npz") as arrays:
        return float(sum(arrays[name].nbytes for name in arrays if name not in UNREAD))


def main() -> None:
    options = argparse.ArgumentParser()
    options.add_argument("folder", type=Path)
    options.add_argument("speech", type=Path, help="16-bit PCM, 16 kHz mono, no header, two windows at least")
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    pcm = np.fromfile(chosen.speech, dtype=np.int16)
    speech = list(pcm[: len(pcm) // (30 * SAMPLE_RATE) * 30 * SAMPLE_RATE].reshape(-1, 30 * SAMPLE_RATE))
    engine = open_cpu_engine(chosen.folder, ServingOptions(threads=chosen.threads))
    print(json.dumps([asdict(part) for part in parts(engine, chosen.folder, speech)]))


if __name__ == "__main__":
    main()
