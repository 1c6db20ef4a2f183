"""An export of random numbers on the GPU and on the processor: whether both say the same, and how steps run.

    python -m benchmarks.device.check FOLDER RESULTS [--provider cpu]

Seconds, before anything is timed: a wrong address or a graph that replays the wrong step shows here.
"""

from __future__ import annotations

import argparse
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.graphs_on_cpu import open_on_cpu
from speech.whisper.engine import GREEDY, Sampling, read_prompts
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.serving import ServingOptions, open_for_timing

SLOTS = 5
STEPS = 24
SHORT = 768  # frames of a short window
DRAFTED, WRONG = 8, 77  # tokens of a draft, and one that is not said
DRAWN = 4  # the slot that does not decode greedily


@dataclass(frozen=True)
class Decoding:
    tokens: list[list[int]]  # of each step
    logprobs: list[list[float]]
    language: NDArray[np.float32]
    no_speech: float
    alignment: NDArray[np.float32]
    short: list[int]  # what a short window says, step by step
    drafted: list[list[int]]  # and by drafts of it, of which one is wrong in the middle


def decode(engine: GraphEngine) -> Decoding:
    """Rows that pause now and then, one that draws, and a prompt in two parts."""
    prompt = engine.manifest.sot_sequence("en")
    sound = list(np.random.default_rng(1).integers(-5000, 5000, (3, 480_000), np.int16))
    engine.encode([0, 2], sound[:2], [1500] * 2)
    engine.encode([4], sound[2:], [1500])
    first = read_prompts(engine, [0, 2, 4], [prompt, prompt[:1], prompt])[0]
    read_prompts(engine, [2], [prompt[1:]])
    tokens, logprobs = [], []
    for number in range(STEPS):
        slots = [0, 2, 4] if number % 3 else [0, 4]
        drawn = Sampling(1.0, (number + 0.5) / STEPS)
        step = engine.step(slots, [drawn if slot == DRAWN else GREEDY for slot in slots]).result()
        tokens.append(step.tokens.tolist())
        logprobs.append(step.logprobs.tolist())
    alignment = engine.alignment(0, STEPS - 4, 1500)
    language, no_speech = first.language_probabilities, first.no_speech_probability
    return Decoding(tokens, logprobs, language, no_speech, alignment, *_follow_drafts(engine))


def _follow_drafts(engine: GraphEngine) -> tuple[list[int], list[list[int]]]:
    prompt, drafted = engine.manifest.sot_sequence("en"), []
    engine.encode([1], [np.random.default_rng(2).integers(-5000, 5000, 9000, np.int16)], [SHORT])
    read_prompts(engine, [1], [prompt])
    words = [int(engine.step([1], [GREEDY]).result().tokens[0]) for _ in range(DRAFTED + 1)]
    for draft in (words[:DRAFTED], [*words[: DRAFTED // 2], WRONG, *words[DRAFTED // 2 + 1 :]]):
        engine.rewind(1)
        engine.prefill([1], [prompt])
        drafted.append(engine.verify(1, draft, [GREEDY] * (len(draft) + 1)).tokens.tolist())
    return words, drafted


def compare(ours: Decoding, expected: Decoding) -> dict[str, object]:
    same = [one == other for one, other in zip(ours.tokens, expected.tokens, strict=True)]
    until = same.index(False) if False in same else len(same)
    gaps = [np.subtract(*rows) for rows in zip(ours.logprobs[:until], expected.logprobs[:until], strict=True)]
    return {
        "steps with the same tokens": f"{sum(same)} of {len(same)}, the first {until}",
        "largest gap of a log-probability": max((float(np.abs(gap).max()) for gap in gaps), default=None),
        "of an alignment weight": float(np.abs(ours.alignment - expected.alignment).max()),
        "of a language": float(np.abs(ours.language - expected.language).max()),
        "of no_speech": abs(ours.no_speech - expected.no_speech),
        "a short window says the same": ours.short == expected.short,
        "and so do drafts of it": ours.drafted == [ours.short, ours.short[: DRAFTED // 2 + 1]],
    }


def check(folder: Path, provider: str) -> dict[str, object]:
    options = ServingOptions(slots=SLOTS)
    processor = open_on_cpu(folder, options)
    opened = open_on_cpu(folder, options) if provider == "cpu" else open_for_timing(folder, options)
    assert isinstance(opened, GraphEngine)
    expected, here = decode(processor), decode(opened)
    with ThreadPoolExecutor(1) as another:  # the scheduler's thread is not the one that opens the engine
        there = another.submit(decode, opened).result()
    found = {"captured": opened.captured, "this thread": compare(here, expected)}
    found["another thread"] = compare(there, expected)
    opened.close()
    processor.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an export for the target `cuda`, of a small size")
    parser.add_argument("results", type=Path, help="folder")
    parser.add_argument("--provider", choices=("gpu", "cpu"), default="gpu")
    chosen = parser.parse_args()
    text = json.dumps(check(chosen.folder, chosen.provider), indent=1)
    (chosen.results / "check.json").write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
