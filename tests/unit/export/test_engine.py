"""The engine over an exported model with random weights: what a scheduler relies on."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from export.parity import Tolerance, check_decoder, run_reference
from export.random_weights import random_weights
from export.whisper import build
from speech.audio import Samples, to_pcm
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.cpu.cache_kernels import new_kv_cache
from speech.whisper.cpu.encoders import Int8Encoder, OnnxEncoder
from speech.whisper.cpu.engine import CpuEngine
from speech.whisper.cpu.int8_kernels import HAS_KERNELS
from speech.whisper.cpu.panel_layout import QUAD
from speech.whisper.cpu.threads import ThreadTeam
from speech.whisper.engine import GREEDY, EngineError, Prefill, Sampling, TokenBias
from speech.whisper.log_mel import log_mel
from speech.whisper.manifest import read_manifest
from speech.whisper.tokenizer import Tokenizer
from tests.unit.export.small_whispers import dimensions, opened

SLOTS = 11  # more than one pass of rows
CONTEXT = 100


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    sources, target = tmp_path_factory.mktemp("sources"), tmp_path_factory.mktemp("engine")
    weights = random_weights(dimensions(128, (2, 2)), alignment_heads=((0, 1), (1, 0)))
    build("base", opened(weights, sources), target)
    return target


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[CpuEngine]:
    engine = CpuEngine(folder, slots=SLOTS, threads=2)
    yield engine
    engine.close()


def sound(seed: int, seconds: float = 1.5) -> Samples:
    noise = np.random.default_rng(seed).standard_normal(int(seconds * 16_000))
    return (0.1 * noise).astype(np.float32)


def decode(engine: CpuEngine, slots: list[int], steps: int = 6) -> dict[int, list[tuple[int, float]]]:
    heard: dict[int, list[tuple[int, float]]] = {slot: [] for slot in slots}
    for _ in range(steps):
        step = engine.step(slots, [GREEDY] * len(slots)).result()
        for slot, token, logprob in zip(slots, step.tokens, step.logprobs, strict=True):
            heard[slot].append((int(token), float(logprob)))
    return heard


def start(engine: CpuEngine, slots: list[int]) -> None:
    engine.encode(slots, [to_pcm(sound(slot)) for slot in slots], [CONTEXT + slot for slot in slots])
    engine.prefill(slots, [engine.manifest.sot_sequence("en")] * len(slots))


def test_a_window_s_tokens_do_not_depend_on_its_batch_mates(engine: CpuEngine) -> None:
    together = list(range(SLOTS))
    start(engine, together)
    expected = decode(engine, together)

    for slot in (0, 7, SLOTS - 1):
        start(engine, [slot])
        assert decode(engine, [slot])[slot] == expected[slot]


def test_a_rewound_slot_says_the_same_again(engine: CpuEngine) -> None:
    start(engine, [3])
    first = decode(engine, [3])

    engine.rewind(3)
    engine.prefill([3], [engine.manifest.sot_sequence("en")])

    assert decode(engine, [3]) == first


def test_a_prompt_in_two_parts_is_the_same_prompt(engine: CpuEngine) -> None:
    start(engine, [0])
    expected = decode(engine, [0])
    engine.rewind(0)
    prompt = engine.manifest.sot_sequence("en")

    heard = engine.prefill([0], [prompt[:1]])
    engine.prefill([0], [prompt[1:]])

    assert decode(engine, [0]) == expected
    assert heard[0].language_probabilities.shape == (99,)
    assert heard[0].language_probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert 0 < heard[0].no_speech_probability < 1


def test_suppressed_tokens_are_never_chosen(engine: CpuEngine) -> None:
    start(engine, [1])
    tokens = [token for token, _ in decode(engine, [1], steps=20)[1]]

    assert not set(tokens) & set(engine.manifest.suppressed)
    assert tokens[0] not in engine.manifest.suppressed_first


def test_attention_of_the_last_steps_sums_to_one(engine: CpuEngine) -> None:
    start(engine, [2])
    decode(engine, [2], steps=5)

    weights = engine.alignment(2, tokens=5, frames=CONTEXT + 2)

    assert weights.shape == (2, 5, CONTEXT + 2)
    np.testing.assert_allclose(weights.sum(axis=2), 1, atol=1e-4)


def test_a_draw_of_zero_and_of_almost_one_lie_at_the_ends_of_the_distribution(engine: CpuEngine) -> None:
    start(engine, [0, 1])

    step = engine.step([0, 1], [Sampling(1.0, 0.0), Sampling(1.0, 0.999999)]).result()

    assert step.tokens[0] < step.tokens[1]
    assert not set(step.tokens.tolist()) & set(engine.manifest.suppressed)


def test_a_full_slot_is_refused(engine: CpuEngine) -> None:
    start(engine, [0])

    with pytest.raises(EngineError, match="full"):
        engine.prefill([0], [[50] * 445])


@pytest.mark.skipif(not HAS_KERNELS, reason="this CPU has neither VNNI nor AVX2")
def test_both_encoders_hear_the_same(engine: CpuEngine, folder: Path) -> None:
    mel = log_mel(sound(1), 80, 2 * CONTEXT)
    cache = new_kv_cache(engine.dimensions, 2, ())
    team = ThreadTeam(2)

    OnnxEncoder(folder, engine.dimensions, team).encode(0, mel, cache)
    Int8Encoder(folder, engine.dimensions, team).encode(1, mel, cache)

    values = cache.cross_values[:, :, :, : CONTEXT // QUAD] * cache.cross_value_scales[:, :, :, None, :, None]
    assert np.abs(values[0] - values[1]).mean() < 0.05 * np.abs(values[0]).mean()
    team.close()


def test_parity_checks_the_prompt_that_the_scheduler_sends(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[list[int]] = []
    prefilled = threading.Event()
    prefill = CpuEngine.prefill

    def record(engine: CpuEngine, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        sent.extend(map(list, prompts))
        prefilled.set()
        return prefill(engine, slots, prompts)

    monkeypatch.setattr(CpuEngine, "prefill", record)
    weights = random_weights(dimensions(128, (2, 2)), alignment_heads=((0, 1), (1, 0)))
    check_decoder(folder, read_manifest(folder), run_reference(weights), Tolerance(decoder=np.inf, alignment=np.inf))
    checked = list(sent)
    sent.clear()
    prefilled.clear()
    scheduler = Scheduler(CpuEngine(folder, slots=1, threads=1), Tokenizer.load(folder))
    scheduler.submit(Request(np.zeros(16_000, np.int16), language="en"))
    assert prefilled.wait(120)
    scheduler.close(grace=0.0)

    assert checked == [sent[0]]
    assert len(checked[0]) == 4


def test_languages_of_a_part_of_the_audio_come_from_that_part_alone(engine: CpuEngine) -> None:
    start(engine, [0])
    expected = decode(engine, [0])
    engine.rewind(0)
    (whole,) = engine.prefill([0], [engine.manifest.sot_sequence("en")[:1]])

    found = engine.span_languages(0, [(0, CONTEXT), (64, CONTEXT), (10, 30)])

    np.testing.assert_allclose(found[0], whole.language_probabilities, atol=1e-6)
    assert np.abs(found[1] - found[0]).max() > 1e-6
    np.testing.assert_allclose(found.sum(axis=1), 1, atol=1e-5)
    engine.prefill([0], [engine.manifest.sot_sequence("en")])
    assert decode(engine, [0]) == expected


def test_a_bias_decides_what_is_chosen_and_not_how_probable_it_was(engine: CpuEngine) -> None:
    start(engine, [0, 1])
    (greedy, probable), (other, likely) = (decode(engine, [slot], steps=1)[slot][0] for slot in (0, 1))
    start(engine, [0, 1])
    rare = TokenBias(np.array([other, 5]), np.array([100.0, 0.0], np.float32))
    nothing = TokenBias(np.array([5, 7]), np.array([1e-4, 1e-4], np.float32))

    step = engine.step([0, 1], [Sampling(bias=rare), Sampling(bias=nothing)]).result()

    assert step.tokens.tolist() == [other, other]
    assert step.logprobs[0] < 0
    assert greedy == other or step.logprobs[0] < probable
    assert step.logprobs[1] == pytest.approx(likely, abs=1e-4)
