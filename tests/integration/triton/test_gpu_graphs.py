"""The GPU's engine on real speech: base's own graphs, run by ONNX Runtime on the CPU.

All that a GPU would do but the GPU: the same graphs, slots, batches and caches written in place, float16 throughout.
With GPU_EXPORT=model_repository/whisper-base/1, an export of base for `tensorrt` or `cuda`, the card here does it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import jiwer
import numpy as np
import pytest

from export.sizes import published
from speech.audio import Pcm
from speech.tensors import Priority
from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.cpu.engine import CpuEngine
from speech.whisper.cpu.int8_kernels import HAS_KERNELS
from speech.whisper.engine import GREEDY, Engine, Sampling, read_prompts
from speech.whisper.gpu.device_memory import HostMemory
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.factory import open_runner
from speech.whisper.gpu.memory_plan import ModelSize
from speech.whisper.gpu.onnx_library import OnnxLibrary, SessionSettings, load_sessions
from speech.whisper.manifest import read_manifest
from speech.whisper.serving import ServingOptions, open_engine
from speech.whisper.timing import token_starts
from speech.whisper.tokenizer import Tokenizer
from tests.integration.triton.small_triton import REPOSITORY

BASE = REPOSITORY / "whisper-base" / "1"
SLOTS = 3
PASSAGE, SENTENCE = 0, 2  # slots, one left empty between them


@pytest.fixture(scope="module")
def engine(gpu_export: Path) -> Iterator[GraphEngine]:
    if exported := os.environ.get("GPU_EXPORT"):
        opened = open_engine(Path(exported), ServingOptions(slots=SLOTS))
        assert isinstance(opened, GraphEngine)
        yield opened
        opened.close()
        return
    manifest = read_manifest(gpu_export)
    sessions = load_sessions(gpu_export, SessionSettings("CPUExecutionProvider", threads=2))
    memory = HostMemory()
    engine = GraphEngine(manifest, open_runner(manifest, OnnxLibrary(sessions, memory.device), SLOTS, 2, memory))
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def listening(engine: GraphEngine, sentence: Pcm, passage: Pcm) -> GraphEngine:
    """The engine with two recordings in its slots, encoded in one batch."""
    engine.encode([SENTENCE, PASSAGE], [sentence, passage], [1500, 1500])
    return engine


def decode(
    engine: GraphEngine, slots: Sequence[int], steps: int, sampling: Sampling = GREEDY, prompt: Sequence[int] = ()
) -> dict[int, list[int]]:
    """Tokens by slot, from the beginning of each."""
    for slot in slots:
        engine.rewind(slot)
    read_prompts(engine, slots, [[*prompt, *engine.manifest.sot_sequence("en")]] * len(slots))
    heard: dict[int, list[int]] = {slot: [] for slot in slots}
    for _ in range(steps):
        step = engine.step(slots, [sampling] * len(slots)).result()
        for slot, token in zip(slots, step.tokens.tolist(), strict=True):
            heard[slot].append(token)
    return heard


def transcribe(
    engine: Engine, tokenizer: Tokenizer, windows: Sequence[Pcm], keyterms: tuple[str, ...] = ()
) -> list[WindowResult]:
    scheduler = Scheduler(engine, tokenizer)
    try:
        asked = [Request(window, "en" if keyterms else "", "", keyterms, priority=Priority.LIVE) for window in windows]
        futures = [scheduler.submit(request) for request in asked]
        return [future.result(600) for future in futures]  # a hang ends the test; kernels may be compiled first
    finally:
        scheduler.close()


def test_windows_are_heard_as_the_cpu_hears_them(
    engine: GraphEngine, gpu_export: Path, sentence: Pcm, passage: Pcm
) -> None:
    tokenizer = Tokenizer.load(gpu_export)
    cpu = CpuEngine(BASE, slots=2, threads=2)

    expected = transcribe(cpu, tokenizer, [sentence, passage])
    heard = transcribe(engine, tokenizer, [sentence, passage])

    cpu.close()
    assert [each.text for each in heard] == [
        "He was not an ill-disposed young man.",
        "And Mr. John Dashwood had then leisure to consider how much there might be prudently in his power "
        "to do for them.",
    ]
    for ours, theirs in zip(heard, expected, strict=True):
        assert (ours.language, theirs.language) == ("en", "en")
        # Without 8-bit dot products ONNX Runtime encodes for the CPU, and less exactly: a syllable may differ.
        assert jiwer.cer(ours.text, theirs.text) <= (0.0 if HAS_KERNELS else 0.1)
        assert ours.average_logprob == pytest.approx(theirs.average_logprob, abs=0.05 if HAS_KERNELS else 0.1)
        starts = [[word.start for word in each.words] for each in (ours, theirs)]
        assert np.median(np.abs(np.subtract(starts[0], starts[1]))) <= 0.06


def test_key_terms_are_heard_as_the_cpu_hears_them(engine: GraphEngine, gpu_export: Path, passage: Pcm) -> None:
    """With a step in flight ahead of the one that is read."""
    tokenizer, terms = Tokenizer.load(gpu_export), ("Dashwoud", "Metformin")
    cpu = CpuEngine(BASE, slots=2, threads=2)

    (expected,) = transcribe(cpu, tokenizer, [passage], terms)
    heard = transcribe(engine, tokenizer, [passage, passage], terms)

    cpu.close()
    assert "And Mr. John Dashwoud had then leisure" in expected.text
    assert [each.text for each in heard] == [expected.text] * 2


def test_slots_do_not_hear_each_other(listening: GraphEngine) -> None:
    together = decode(listening, [SENTENCE, PASSAGE], 9)

    assert decode(listening, [PASSAGE], 9)[PASSAGE] == together[PASSAGE]
    assert decode(listening, [SENTENCE], 9)[SENTENCE] == together[SENTENCE]
    assert together[PASSAGE] != together[SENTENCE]


def test_a_draft_is_what_steps_would_say_as_far_as_it_is_right(listening: GraphEngine) -> None:
    words = decode(listening, [PASSAGE], 12)[PASSAGE]
    expected = listening.alignment(PASSAGE, 8, 1500)
    for draft, right in ((words[:9], 9), ([*words[:4], 77, *words[5:9]], 4)):
        listening.rewind(PASSAGE)
        listening.prefill([PASSAGE], [listening.manifest.sot_sequence("en")])

        told = listening.verify(PASSAGE, draft, [GREEDY] * 10)

        assert told.tokens.tolist() == words[: right + 1]
        rest = [int(listening.step([PASSAGE], [GREEDY]).result().tokens[0]) for _ in range(11 - right)]
        assert rest == words[right + 1 :]
        np.testing.assert_allclose(listening.alignment(PASSAGE, 8, 1500), expected, atol=5e-3)


def test_slots_that_pause_go_on_where_they_were(listening: GraphEngine) -> None:
    expected = decode(listening, [SENTENCE, PASSAGE], 6)

    heard = decode(listening, [SENTENCE, PASSAGE], 2)
    for slot in (PASSAGE, SENTENCE, PASSAGE, SENTENCE, SENTENCE, SENTENCE, PASSAGE, PASSAGE):
        heard[slot] += listening.step([slot], [GREEDY]).result().tokens.tolist()

    assert heard == expected


def test_a_prompt_in_two_parts_is_the_same_prompt_and_its_start_tells_the_language(listening: GraphEngine) -> None:
    expected = decode(listening, [SENTENCE], 5)[SENTENCE]
    start, *rest = listening.manifest.sot_sequence("en")
    listening.rewind(SENTENCE)

    told = listening.prefill([SENTENCE], [[start]])[0]
    read_prompts(listening, [SENTENCE], [rest])

    heard = [int(listening.step([SENTENCE], [GREEDY]).result().tokens[0]) for _ in range(5)]
    assert heard == expected
    assert listening.manifest.languages[int(told.language_probabilities.argmax())] == "en"
    assert told.language_probabilities.sum() == pytest.approx(1, abs=1e-3)
    assert told.no_speech_probability < 0.1


def test_a_prompt_sets_the_spelling(listening: GraphEngine, gpu_export: Path) -> None:
    tokenizer = Tokenizer.load(gpu_export)
    previous = [tokenizer.special.start_of_prompt, *tokenizer.encode(" Mister John Dashwode, Mister James Dashwode")]

    heard = tokenizer.decode(decode(listening, [PASSAGE], 8, prompt=previous)[PASSAGE])

    assert "Dashwode" in heard


def test_hot_draws_differ_and_repeat(listening: GraphEngine) -> None:
    cold, low, high = (decode(listening, [SENTENCE], 6, Sampling(1.5, draw))[SENTENCE] for draw in (0.3, 0.01, 0.99))

    assert cold != low != high
    assert decode(listening, [SENTENCE], 6, Sampling(1.5, 0.99))[SENTENCE] == high
    assert not set(cold + low + high) & set(listening.manifest.suppressed)


def test_attention_follows_the_sound(listening: GraphEngine, sentence: Pcm) -> None:
    decode(listening, [SENTENCE], 10)

    frames = len(sentence) // 320
    weights = listening.alignment(SENTENCE, tokens=10, frames=frames)

    starts = token_starts(weights)
    assert weights.shape == (len(listening.manifest.alignment_heads), 10, frames)
    assert listening.alignment(SENTENCE, 10, 1500).sum(axis=2) == pytest.approx(1, abs=0.02)
    assert starts[0] < 0.8
    assert 1.8 < starts[-1] < 3.0


def test_a_short_window_is_heard_as_with_all_30_s_around_it(listening: GraphEngine, passage: Pcm) -> None:
    expected = decode(listening, [PASSAGE], 20)[PASSAGE]
    listening.encode([PASSAGE], [passage], [len(passage) // 320 + 128])

    heard = decode(listening, [PASSAGE], 20)[PASSAGE]
    weights = listening.alignment(PASSAGE, 5, 1500)
    listening.encode([PASSAGE], [passage], [1500])

    assert heard == expected
    assert weights.shape[2] == 768
    assert weights.sum(axis=2) == pytest.approx(1, abs=0.02)


def test_the_published_sizes_of_base_are_those_of_its_weights(engine: GraphEngine) -> None:
    assert published("base") == ModelSize(engine.dimensions, len(engine.manifest.alignment_heads))
