"""The engine over TensorRT's runner, on a GPU that does nothing before somebody waits for it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tokenizers import Tokenizer as Vocabulary

from speech.audio import SAMPLE_RATE
from speech.whisper.batching import window_beginning
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.engine import GREEDY, DeviceLost, EngineError, Sampling, TokenBias, read_prompts
from speech.whisper.gpu.alignment_buffers import BUFFERS
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.factory import EngineLimits, model_size, open_tensorrt
from speech.whisper.gpu.memory_plan import footprint
from speech.whisper.gpu.pass_buffers import prompt_inputs, prompt_outputs, step_inputs, step_outputs
from speech.whisper.gpu.transfer_buffer import BufferField
from speech.whisper.manifest import Compiled, InvalidManifest, read_manifest, write_manifest
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.gpu.fake_gpu import BROKEN, CAPABILITY, PREFILL_ROWS, SLOTS, VERSION, Error, FakeGpu
from tests.unit.speech.whisper.gpu.toy_decoder import HEARD, LANGUAGES, SHORT, START, TEXT, languages, manifest, said
from tests.unit.speech.whisper.speech_fakes import byte_tokenizer_json

PROMPT = [START, 3, 6]
HERE = Compiled(VERSION, "{}.{}".format(*CAPABILITY))


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    return FakeGpu().install(monkeypatch)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_manifest(replace(manifest(), tensorrt=HERE, precision={"encoder": "float16"}), tmp_path)
    for name in ("encoder", "decoder", "step"):
        (tmp_path / f"{name}.plan").write_bytes(name.encode())
    return tmp_path


@pytest.fixture
def engine(gpu: FakeGpu, folder: Path) -> GraphEngine:
    return open_tensorrt(folder, EngineLimits())


def start(engine: GraphEngine, slots: list[int]) -> None:
    engine.encode(slots, [np.full(4, slot, np.int16) for slot in slots], [HEARD] * len(slots))
    read_prompts(engine, slots, [PROMPT] * len(slots))


def assert_attention_of(positions: list[int], weights: NDArray[np.float32], context: int = HEARD) -> None:
    """Of the fake decoder's tokens at these positions, cut to the frames that were asked for."""
    scores = np.exp(np.outer(positions, np.linspace(0, 1, context)))
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(weights, np.tile(expected[:, : weights.shape[2]], (2, 1, 1)), rtol=3e-3)


def test_steps_are_launched_ahead_and_each_slot_says_its_own(engine: GraphEngine, gpu: FakeGpu) -> None:
    start(engine, [0, 5, 2])
    heard: dict[int, list[int]] = {0: [], 5: [], 2: []}
    waits = gpu.waits

    launched = []
    for asked in ([0, 5, 2], [0], [5, 2], [2], [5], [0, 2]):
        launched.append((asked, engine.step(asked, [GREEDY] * len(asked))))
        for slots, pending in launched[: -engine.lookahead]:
            for slot, token in zip(slots, pending.result().tokens.tolist(), strict=True):
                heard[slot].append(token)
        launched = launched[-engine.lookahead :]
    heard[0] += launched[0][1].result().tokens.tolist()[:1]

    assert heard == {0: said(0, PROMPT, 3), 5: said(5, PROMPT, 3), 2: said(2, PROMPT, 3)}
    assert gpu.waits == waits, "a step waited for more than its own event"


def test_a_step_that_nobody_reads_disturbs_no_other(engine: GraphEngine) -> None:
    start(engine, [0, 1])
    for _ in range(5):
        engine.step([0, 1], [GREEDY] * 2)

    assert engine.step([1], [GREEDY]).result().tokens.tolist() == said(1, PROMPT, 6)[-1:]


def test_steps_go_on_while_other_windows_are_encoded(engine: GraphEngine, gpu: FakeGpu) -> None:
    """And what is encoded waits for the steps that still see what its slot held."""
    start(engine, [0, 1])
    ahead = engine.step([0, 1], [GREEDY] * 2)
    gpu.encoded.clear()
    engine.encode([1, 4], [np.full(4, slot, np.int16) for slot in (1, 4)], [HEARD] * 2)

    first = ahead.result().tokens.tolist()
    heard = [first[0], *(engine.step([0], [GREEDY]).result().tokens[0] for _ in range(3))]

    assert gpu.encoded == [], "nobody has waited for it yet"
    assert heard == said(0, PROMPT, 4)
    assert first[1] == said(1, PROMPT, 1)[0]
    while not engine.encoded(4):
        pass
    assert gpu.encoded == [(2, HEARD)]
    read_prompts(engine, [1, 4], [PROMPT] * 2)
    assert engine.step([1, 4], [GREEDY] * 2).result().tokens.tolist() == [said(n, PROMPT, 1)[0] for n in (1, 4)]


def test_a_window_is_encoded_behind_the_steps_that_see_what_its_slot_held(engine: GraphEngine) -> None:
    start(engine, [1])
    ahead = engine.step([1], [GREEDY])
    engine.encode([1], [np.full(4, 5, np.int16)], [HEARD])
    while not engine.encoded(1):
        pass

    assert ahead.result().tokens.tolist() == said(1, PROMPT, 1)


def test_any_free_slots_are_encoded_in_one_pass(engine: GraphEngine, gpu: FakeGpu) -> None:
    gpu.passes.clear()
    start(engine, [7, 0, 3])

    assert gpu.passes.count(("encoder", 3)) == 1
    assert [engine.step([slot], [GREEDY]).result().tokens[0] for slot in (0, 3, 7)] == [
        said(slot, PROMPT, 1)[0] for slot in (0, 3, 7)
    ]


def test_windows_that_follow_each_other_do_not_overwrite_each_other(engine: GraphEngine) -> None:
    for slot in (1, 4):  # no pass ran yet when the second is sent
        engine.encode([slot], [np.full(480_000, slot, np.int16)], [HEARD])
    read_prompts(engine, [1, 4], [PROMPT] * 2)

    assert engine.step([1, 4], [GREEDY] * 2).result().tokens.tolist() == [said(1, PROMPT, 1)[0], said(4, PROMPT, 1)[0]]


def test_attention_is_read_from_the_slot(engine: GraphEngine) -> None:
    start(engine, [3])
    for _ in range(4):
        engine.step([3], [GREEDY]).result()

    weights = engine.alignment(3, tokens=3, frames=2)

    assert weights.shape == (2, 3, 2)
    assert_attention_of([3, 4, 5], weights)


def test_attention_is_fetched_without_a_wait_and_before_its_slot_is_used_again(
    engine: GraphEngine, gpu: FakeGpu
) -> None:
    start(engine, [3])
    for _ in range(4):
        engine.step([3], [GREEDY]).result()
    gpu.calls.clear()
    gpu.fetched = 0

    pending = engine.fetch_alignment(3, tokens=3, frames=2)
    copies, fetched = gpu.calls["cudaMemcpy2DAsync"], gpu.fetched
    waited = gpu.calls["cudaEventSynchronize"] + gpu.calls["cudaStreamSynchronize"]
    start(engine, [3])  # what lies in the slot is cleared, and written anew
    engine.step([3], [GREEDY]).result()

    assert waited == 0
    assert (copies, fetched) == (3, 2 * (3 + HEARD) * 64 * 2), "queries of all heads, then the keys of each"
    assert_attention_of([3, 4, 5], pending.result())


def test_buffers_of_attention_that_nobody_reads_are_used_again(engine: GraphEngine) -> None:
    start(engine, [3])
    for _ in range(4):
        engine.step([3], [GREEDY]).result()

    for _ in range(3 * BUFFERS):
        engine.fetch_alignment(3, tokens=3, frames=2)
    kept = [engine.fetch_alignment(3, tokens=3, frames=2) for _ in range(BUFFERS + 1)]  # one waits for its copy

    for pending in kept:
        assert_attention_of([3, 4, 5], pending.result())


def test_a_window_that_left_no_numbers_does_not_haunt_its_slot(engine: GraphEngine) -> None:
    engine.encode([0], [np.full(4, BROKEN, np.int16)], [HEARD])
    read_prompts(engine, [0], [[*PROMPT, *PROMPT]])
    start(engine, [0])

    assert engine.step([0], [GREEDY]).result().tokens.tolist() == said(0, PROMPT, 1)


def test_closing_gives_everything_back(engine: GraphEngine, gpu: FakeGpu) -> None:
    start(engine, [0])
    engine.step([0], [GREEDY])

    engine.close()

    assert (gpu.blocks, gpu.streams, gpu.open) == ({}, [], 0)


def test_every_bucket_and_the_largest_batches_ran_before_the_first_request(engine: GraphEngine, gpu: FakeGpu) -> None:
    assert {("step", rows) for rows in (1, 2, 4, 8)} <= set(gpu.passes)
    assert {("decoder", 1), ("decoder", 3), ("encoder", 1), ("encoder", 4)} <= set(gpu.passes)
    assert engine.slots == SLOTS


def test_what_cannot_be_captured_runs_without_a_cuda_graph_and_says_so(
    gpu: FakeGpu, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gpu.capturable, gpu.complaint = False, "this TRT engine is not stream capturable"

    engine = open_tensorrt(folder, EngineLimits())
    start(engine, [0, 1])

    assert not engine.captured
    first = f"execute_async_v3 failed: {gpu.complaint}"
    assert first in caplog.text, "TensorRT's own words, not the error of ending the capture"
    heard = [engine.step([0, 1], [GREEDY] * 2).result().tokens.tolist() for _ in range(3)]
    assert [list(row) for row in zip(*heard, strict=True)] == [said(0, PROMPT, 3), said(1, PROMPT, 3)]


def test_a_step_and_a_batch_of_windows_cost_few_calls(engine: GraphEngine, gpu: FakeGpu) -> None:
    """As many as there are tensors of a slot, not times the windows; nothing of a step but its transfers."""
    assert engine.captured
    gpu.calls.clear()
    engine.encode([1, 2, 3], [np.zeros(4, np.int16)] * 3, [HEARD] * 3)
    encoding = Counter(gpu.calls)
    read_prompts(engine, [1, 2, 3], [PROMPT] * 3)
    gpu.calls.clear()
    engine.step([1, 2, 3], [GREEDY] * 3)

    clears = encoding["cudaMemset2DAsync"], encoding["cudaMemsetAsync"]  # keys and values of all layers, weights
    assert (*clears, encoding["cudaMemcpyAsync"], encoding["cudaMemcpy3DAsync"]) == (1, 1, 1, 0)
    assert encoding["cudaStreamSynchronize"] == 0
    assert gpu.calls == {"cudaMemcpyAsync": 2, "cudaGraphLaunch": 1, "cudaEventRecord": 1, "cudaEventSynchronize": 1}


def padded(fields: dict[str, BufferField]) -> int:
    """Bytes that cross the bus together: each array begins at whole 256."""
    sizes = [np.dtype(field.kind).itemsize * math.prod(field.shape) for field in fields.values()]
    return sum(-(-size // 256) * 256 for size in sizes)


def test_a_window_s_whole_way_is_counted(engine: GraphEngine, gpu: FakeGpu) -> None:
    """Bytes over the bus and waits of the host: audio, prompt, steps, and what its words are made of."""
    gpu.calls.clear()
    gpu.sent = gpu.fetched = 0
    steps = 5

    engine.encode([1], [np.full(4, 1, np.int16)], [HEARD])
    engine.prefill([1], [PROMPT])
    before = gpu.sent, gpu.fetched, gpu.calls["cudaEventSynchronize"]
    for _ in range(steps):
        engine.step([1], [GREEDY]).result()
    stepped = gpu.sent, gpu.fetched, gpu.calls["cudaEventSynchronize"]
    engine.alignment(1, tokens=3, frames=HEARD)

    prompts = padded(prompt_inputs(PREFILL_ROWS, TEXT)), padded(prompt_outputs(PREFILL_ROWS, len(LANGUAGES)))
    assert before == (HEARD * 640 + prompts[0], prompts[1], 2), "for the windows before, and for what was asked"
    a_step = padded(step_inputs(SLOTS)), padded(step_outputs(SLOTS)), 2  # for its buffers, and for what it said
    assert np.subtract(stepped, before).tolist() == [steps * each for each in a_step]
    assert gpu.fetched - stepped[1] == 2 * (3 + HEARD) * 64 * 2
    assert gpu.calls["cudaEventSynchronize"] - stepped[2] == 1
    assert gpu.calls["cudaStreamSynchronize"] == 0


def test_a_step_of_64_rows_is_3_kb() -> None:
    """As docs/gpu.md says."""
    assert padded(step_inputs(64)) == 3072


def test_a_draft_costs_one_wait_and_follows_key_terms(engine: GraphEngine, gpu: FakeGpu) -> None:
    """Of more tokens than a pass takes; only what is its own crosses the bus."""
    words = said(1, PROMPT, 8)
    bias = TokenBias(np.array([900]), np.array([9], np.float32))
    engine.encode([1], [np.full(4, 1, np.int16)], [HEARD])
    engine.prefill([1], [PROMPT])
    gpu.calls.clear()
    gpu.passes.clear()

    one = engine.verify(1, words[:4], [GREEDY] * 5)
    calls = Counter(gpu.calls)
    passes = [each for each in gpu.passes if each[0] != "encoder"]
    engine.rewind(1)
    engine.prefill([1], [PROMPT])
    told = engine.verify(1, [*words[:6], 900], [GREEDY] * 6 + [Sampling(bias=bias)] * 2)

    assert one.tokens.tolist() == words[:5]
    assert passes == [("decoder", 1)]
    assert calls == {"cudaMemcpyAsync": 3, "cudaEventRecord": 1, "cudaEventSynchronize": 1}
    assert told.tokens.tolist() == [*words[:6], 900, 900]
    assert_attention_of([8, 9], engine.alignment(1, tokens=2, frames=3))


def test_key_terms_cost_a_copy_where_they_change_and_no_wait(engine: GraphEngine, gpu: FakeGpu) -> None:
    start(engine, [1, 2])
    one, other = (TokenBias(np.array([token]), np.array([boost], np.float32)) for token, boost in ((300, 9), (400, 1)))
    counted = []

    for biases in ((None, one), (None, one), (other, one), (None, None), (None, None)):
        gpu.calls.clear()
        heard = engine.step([1, 2], [Sampling(bias=bias) for bias in biases])
        counted.append((gpu.calls["cudaMemcpyAsync"], gpu.calls["cudaEventSynchronize"]))
        first, second = heard.result().tokens.tolist()
        assert (second == 300) == (biases[1] is one)
        assert first != 400, "a boost that does not lift a token above the best changes nothing"

    assert counted == [(3, 1), (2, 1), (3, 1), (3, 1), (2, 1)]


def test_a_bias_is_for_the_token_that_came_though_nobody_read_it_yet(engine: GraphEngine) -> None:
    start(engine, [0, 1])
    words = {slot: said(slot, PROMPT, 3) for slot in (0, 1)}
    bias = TokenBias(np.array([700, 800]), np.array([9, 9], np.float32), np.array([words[0][0], words[0][1]]))

    steps = [engine.step([0, 1], [Sampling(bias=bias)] * 2) for _ in range(2)]
    heard = [step.result().tokens.tolist() for step in steps[-engine.lookahead :]]

    assert heard == [[700, words[1][1]]]


def test_windows_for_scattered_slots_cost_as_many_calls_as_there_are_gaps(engine: GraphEngine, gpu: FakeGpu) -> None:
    """And two bytes a sample over the bus."""
    gpu.calls.clear()
    gpu.sent = 0

    engine.encode([0, 2, 3, 6], [np.zeros(4, np.int16)] * 4, [HEARD] * 4)

    counted = {name: gpu.calls[name] for name in ("cudaMemset2DAsync", "cudaMemsetAsync", "cudaMemcpy3DAsync")}
    assert set(counted.values()) == {3}
    assert gpu.calls["cudaMemcpyAsync"] == 1
    assert gpu.sent == 4 * 480_000 * 2


def test_short_windows_are_encoded_and_attended_to_as_such(engine: GraphEngine, gpu: FakeGpu) -> None:
    """Beside long ones: a pass for each length, less over the bus, and what lay in the slot before is gone."""
    engine.encode([1], [np.full(4, BROKEN, np.int16)], [HEARD])
    gpu.calls.clear()
    gpu.encoded.clear()
    gpu.sent = gpu.fetched = 0

    engine.encode([0, 1, 2], [np.full(4, slot, np.int16) for slot in range(3)], [HEARD, 700, SHORT])
    calls = Counter(gpu.calls)
    read_prompts(engine, [0, 1, 2], [PROMPT] * 3)
    heard = [engine.step([0, 1, 2], [GREEDY] * 3).result().tokens.tolist() for _ in range(4)]
    weights = engine.fetch_alignment(1, tokens=3, frames=700)

    assert gpu.encoded[-2:] == [(2, SHORT), (1, HEARD)]
    assert (calls["cudaMemcpy3DAsync"], calls["cudaMemcpyAsync"], calls["cudaMemset2DAsync"]) == (1, 2, 3)
    assert [list(row) for row in zip(*heard, strict=True)] == [said(slot, PROMPT, 4) for slot in (0, 1, 2)]
    assert_attention_of([3, 4, 5], weights.result(), context=SHORT)


def test_prompts_of_scattered_slots_are_waited_for_once_and_their_rest_not_at_all(
    engine: GraphEngine, gpu: FakeGpu
) -> None:
    slots = [0, 2, 5]
    engine.encode(slots, [np.full(4, slot, np.int16) for slot in slots], [HEARD] * 3)
    gpu.calls.clear()
    gpu.passes.clear()

    engine.prefill(slots, [PROMPT[:1]] * 3)
    waits = gpu.calls["cudaEventSynchronize"], gpu.calls["cudaStreamSynchronize"]
    passes = [each for each in gpu.passes if each[0] != "encoder"]
    gpu.calls.clear()
    rest = engine.prefill(slots, [PROMPT[1:]] * 3)

    assert waits == (1, 0)
    assert passes == [("decoder", 1)] * 3
    assert not gpu.calls, "tokens of the language and the task are read by the steps to come"
    assert [each.unread for each in rest] == [1] * 3
    engine.step(slots, [GREEDY] * 3)
    assert engine.step(slots, [GREEDY] * 3).result().tokens.tolist() == [said(slot, PROMPT, 1)[0] for slot in slots]


def test_each_row_of_a_pass_of_prompts_is_asked_at_its_own_start(engine: GraphEngine) -> None:
    slots, prompts = [0, 1, 2], [[START], [9, 8, START], [7, START]]
    engine.encode(slots, [np.full(4, slot, np.int16) for slot in slots], [HEARD] * 3)

    told = engine.prefill(slots, prompts)

    for slot, prompt, prefill in zip(slots, prompts, told, strict=True):
        np.testing.assert_allclose(prefill.language_probabilities, languages(slot, prompt), rtol=1e-6)


def test_a_slot_whose_prompt_is_still_read_steps_beside_those_that_speak(engine: GraphEngine) -> None:
    start(engine, [0])
    heard = engine.step([0], [GREEDY]).result().tokens.tolist()
    engine.encode([4], [np.full(4, 4, np.int16)], [HEARD])
    engine.prefill([4], [PROMPT])

    both = [engine.step([0, 4], [GREEDY] * 2).result().tokens.tolist() for _ in range(3)]

    assert heard + [first for first, _ in both] == said(0, PROMPT, 4)
    assert [second for _, second in both[1:]] == said(4, PROMPT, 2)


def test_memory_that_runs_out_after_all_costs_slots_and_not_the_model(
    gpu: FakeGpu, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    open_tensorrt(folder, EngineLimits()).close()
    needed = gpu.most
    gpu.room = needed - 1

    assert open_tensorrt(folder, EngineLimits()).slots == SLOTS * 4 // 5
    assert "memory is short" in caplog.text


def test_memory_may_be_bounded_in_bytes_whatever_is_free(gpu: FakeGpu, folder: Path) -> None:
    slots = open_tensorrt(folder, EngineLimits()).slots
    toy = footprint(model_size(read_manifest(folder)))
    bound = toy.weights + toy.encoded + 2000 + 2 * toy.slot

    assert slots == SLOTS
    assert open_tensorrt(folder, EngineLimits(memory=bound)).slots == 2
    with pytest.raises(EngineError, match="with its weights, of which"):
        open_tensorrt(folder, EngineLimits(memory=toy.weights))


def test_plans_of_another_part_of_the_same_card_run_and_are_told_to_be_slow(
    gpu: FakeGpu, folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    part = replace(HERE, card="a fake MIG 1g.10gb", multiprocessors=14)
    write_manifest(replace(manifest(), tensorrt=part, precision={"encoder": "float16"}), folder)

    open_tensorrt(folder, EngineLimits())

    assert "tuned on a fake MIG 1g.10gb (14 multiprocessors)" in caplog.text


def test_an_error_of_cuda_names_the_call(engine: GraphEngine, gpu: FakeGpu) -> None:
    start(engine, [0])
    gpu.failing = "cudaGraphLaunch"

    with pytest.raises(DeviceLost, match="cudaGraphLaunch: cudaErrorIllegalAddress"):
        engine.step([0], [GREEDY])


def test_memory_that_is_full_is_said_to_be(gpu: FakeGpu, folder: Path) -> None:
    gpu.failing, gpu.error = "cudaMalloc", Error.cudaErrorMemoryAllocation

    with pytest.raises(EngineError, match="cudaMalloc: the GPU's memory is full"):
        open_tensorrt(folder, EngineLimits())


def test_a_plan_that_tensorrt_refuses_is_an_error(gpu: FakeGpu, folder: Path) -> None:
    (folder / "decoder.plan").write_bytes(b"of another time")

    with pytest.raises(EngineError, match=r"refuses .*decoder\.plan"):
        open_tensorrt(folder, EngineLimits())


def test_plans_of_another_version_are_refused_with_the_command_that_rebuilds(gpu: FakeGpu, folder: Path) -> None:
    stale = replace(manifest(), id="base", tensorrt=replace(HERE, version="11.3.0"), precision={"encoder": "float16"})
    write_manifest(stale, folder)

    with pytest.raises(InvalidManifest, match="python -m export whisper --model base --target tensorrt"):
        open_tensorrt(folder, EngineLimits())


def test_fewer_slots_where_memory_is_short_and_none_is_an_error(gpu: FakeGpu, folder: Path) -> None:
    slot = 2 * 8192 + 2 * 192_000 + 16384  # bytes: self-attention, cross-attention, alignment queries
    fixed = 16 * (2 * 192_000 + 480_000 * 2) + 2000
    gpu.free = 2 * (fixed + 3 * slot)
    assert open_tensorrt(folder, EngineLimits(share=0.5)).slots == 3
    assert open_tensorrt(folder, EngineLimits(slots=2)).slots == 2

    gpu.free = fixed
    with pytest.raises(EngineError, match=r"whisper-toy needs .* GiB"):
        open_tensorrt(folder, EngineLimits())


def spell(sound: float, tokens: list[float], *_: object) -> int:
    """Window n says n + 2 letters from the n-th on, then ends."""
    last, name = int(tokens[-1]), round(sound / 2048)
    first = ord("a") + name
    if last >= 300:
        return first
    return last + 1 if last < first + name + 1 else 300


@pytest.fixture
def gpu_of(monkeypatch: pytest.MonkeyPatch) -> FakeGpu:
    """A card on which windows spell."""
    return FakeGpu(spell).install(monkeypatch)


@pytest.fixture
def scheduler(gpu_of: FakeGpu, folder: Path) -> Iterator[Scheduler]:
    tokenizer = Tokenizer(Vocabulary.from_str(byte_tokenizer_json(text_tokens=300)))
    special = replace(manifest().tokens, start_of_transcript=tokenizer.special.start_of_transcript)
    toy = replace(manifest(), tokens=special, tensorrt=HERE, precision={"encoder": "float16"})
    write_manifest(toy, folder)
    scheduler = Scheduler(open_tensorrt(folder, EngineLimits()), tokenizer)
    yield scheduler
    scheduler.close()


def test_a_term_is_followed_while_its_last_token_is_in_flight(scheduler: Scheduler) -> None:
    names = [2, 5]
    windows = [np.full(SAMPLE_RATE // 4, name * 32768 // 16, np.int16) for name in names]  # n/16, so that it fits

    asked = [scheduler.submit(Request(window, keyterms=("cdezz", "xcde"))) for window in windows]

    assert [future.result(30).text for future in asked] == ["cdezz", "fghijkl"]


def test_a_draft_is_verified_in_a_pass_and_not_stepped_through(
    scheduler: Scheduler, gpu_of: FakeGpu, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window_beginning, "SPACELESS", {"en"})  # nor has this card's spelling any spaces
    window = np.full(SAMPLE_RATE // 4, 5 * 32768 // 16, np.int16)
    plain = scheduler.submit(Request(window, language="en")).result(30)
    gpu_of.passes.clear()

    drafted = scheduler.submit(Request(window, language="en", draft="fghijkx")).result(30)

    assert (drafted.text, plain.text) == ("fghijkl", "fghijkl")
    assert drafted.average_logprob == plain.average_logprob
    names = Counter(name for name, _ in gpu_of.passes)
    assert names["step"] <= 4, "the last letter, the end, and what was launched before it was read"


def test_many_windows_through_the_scheduler_each_end_in_time(scheduler: Scheduler) -> None:
    names = [n % 9 for n in range(40)]
    windows = [np.full(SAMPLE_RATE // 4, name * 32768 // 16, np.int16) for name in names]  # n/16, so that it fits

    texts = [future.result(30).text for future in [scheduler.submit(Request(window)) for window in windows]]

    assert texts == ["".join(chr(ord("a") + name + n) for n in range(name + 2)) for name in names]
