"""Slots, positions and batches of the GPU's engine, over a runner that can be followed by hand."""

from __future__ import annotations

import numpy as np
import pytest

from speech.whisper.engine import GREEDY, EngineError, Sampling, read_prompts
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.runner import buckets
from tests.unit.speech.whisper.gpu.toy_decoder import HEARD, SHORT, START, TEXT, ListRunner, manifest, next_token, said

PROMPT = [START, 3, 6]


@pytest.fixture
def runner() -> ListRunner:
    return ListRunner()


@pytest.fixture
def engine(runner: ListRunner) -> GraphEngine:
    return GraphEngine(manifest(), runner)


def start(engine: GraphEngine, slots: list[int], prompt: list[int] = PROMPT) -> None:
    engine.encode(slots, [np.full(4, slot, np.int16) for slot in slots], [HEARD] * len(slots))
    read_prompts(engine, slots, [prompt] * len(slots))


def steps(engine: GraphEngine, slots: list[int], count: int) -> dict[int, list[int]]:
    heard: dict[int, list[int]] = {slot: [] for slot in slots}
    for _ in range(count):
        step = engine.step(slots, [GREEDY] * len(slots)).result()
        for slot, token in zip(slots, step.tokens.tolist(), strict=True):
            heard[slot].append(token)
    return heard


def test_every_slot_says_what_its_own_window_and_prompt_say(engine: GraphEngine) -> None:
    start(engine, [5, 0, 3])

    heard = steps(engine, [5, 0, 3], 4)

    assert heard == {slot: said(slot, PROMPT, 4) for slot in (5, 0, 3)}


def test_windows_are_encoded_with_the_next_longer_context_that_there_is(
    engine: GraphEngine, runner: ListRunner
) -> None:
    sounds = [np.full(4, slot, np.int16) for slot in (3, 1, 2)]

    engine.encode([3, 1, 2], sounds, [SHORT + 1, 10, SHORT])
    read_prompts(engine, [1, 2, 3], [PROMPT] * 3)

    assert [engine.context(frames) for frames in (10, SHORT, SHORT + 1)] == [SHORT, SHORT, HEARD]
    assert runner.windows == [([1, 2], SHORT), ([3], HEARD)]
    assert steps(engine, [3, 1, 2], 2) == {slot: said(slot, PROMPT, 2) for slot in (3, 1, 2)}


@pytest.mark.parametrize("length", [1, 3, 9])
@pytest.mark.parametrize("right", [0, 2, 9])
@pytest.mark.parametrize("spoken", [0, 2])
def test_a_draft_is_followed_as_far_as_it_is_what_would_be_said(
    engine: GraphEngine, runner: ListRunner, length: int, right: int, spoken: int
) -> None:
    """Right behind a prompt whose end is still unread, or behind some tokens."""
    words = said(1, PROMPT, 20)
    draft = [*words[spoken:][:right], 77, *words[spoken + right + 1 :]][:length]
    right = min(right, length)
    engine.encode([1], [np.full(4, 1, np.int16)], [HEARD])
    engine.prefill([1], [PROMPT])
    heard = []
    if spoken:
        heard = [engine.step([1], [GREEDY]).result().tokens[0] for _ in range(spoken + 1)][1:]
    runner.steps.clear()

    told = engine.verify(1, draft, [GREEDY] * (length + 1))

    assert told.tokens.tolist() == words[spoken:][: right + 1]
    assert told.logprobs.tolist() == [-(len(PROMPT) + spoken + row) for row in range(right + 1)]
    assert [*heard, *told.tokens, *steps(engine, [1], 4)[1]] == words[: spoken + right + 5]
    assert len(runner.steps) == 4 + bool(spoken), "a draft is not stepped through"
    assert len(runner.drafts) <= 1 + length // runner.draft_rows


def test_a_draft_that_a_slot_has_no_room_for_is_refused(engine: GraphEngine) -> None:
    start(engine, [0], [START] * (TEXT - 4))

    with pytest.raises(EngineError, match="slot 0 is full"):
        engine.verify(0, said(0, [START] * (TEXT - 4), 6), [GREEDY] * 7)


def test_slots_that_are_not_asked_for_keep_their_place(engine: GraphEngine) -> None:
    start(engine, [0, 1, 2])
    first: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for asked in ([2], [0, 2], [1], [2, 1], [0]):
        for slot, tokens in steps(engine, asked, 1).items():
            first[slot] += tokens

    assert first == {slot: said(slot, PROMPT, len(tokens)) for slot, tokens in first.items()}


def test_a_prompt_may_come_in_parts_even_after_steps(engine: GraphEngine) -> None:
    start(engine, [1], PROMPT[:1])
    read_prompts(engine, [1], [PROMPT[1:]])
    spoken = steps(engine, [1], 2)[1]
    read_prompts(engine, [1], [[20, 21]])

    assert spoken == said(1, PROMPT, 2)
    assert steps(engine, [1], 3)[1] == said(1, [*PROMPT, *spoken, 20, 21], 3)


def test_a_rewound_slot_begins_again_with_the_same_audio(engine: GraphEngine) -> None:
    start(engine, [4])
    before = steps(engine, [4], 5)

    engine.rewind(4)
    read_prompts(engine, [4], [PROMPT])

    assert steps(engine, [4], 5) == before


def test_prompts_of_different_lengths_share_a_pass(engine: GraphEngine, runner: ListRunner) -> None:
    slots, prompts = [0, 1, 2], [[START], [START, 3, 6, 9, 8], [START, 4]]
    engine.encode(slots, [np.full(4, slot, np.int16) for slot in slots], [HEARD] * 3)
    read_prompts(engine, slots, prompts)

    assert runner.prefills == [[0, 1, 2]]
    assert steps(engine, slots, 3) == {slot: said(slot, prompts[slot], 3) for slot in slots}


def test_a_pass_of_prompts_takes_consecutive_slots_and_no_more_than_fit(
    engine: GraphEngine, runner: ListRunner
) -> None:
    start(engine, [7, 0, 1, 2, 3, 5])

    assert runner.prefills == [[0, 1, 2], [3], [5], [7]]


def test_a_long_prompt_does_not_push_its_neighbour_over_the_end(engine: GraphEngine, runner: ListRunner) -> None:
    start(engine, [0], [START] * (TEXT - 8))
    start(engine, [1], [START])
    read_prompts(engine, [0, 1], [[3] * 5, [3] * 10])

    assert runner.prefills[-2:] == [[0], [1]]


def test_what_is_heard_comes_in_the_order_of_the_question(engine: GraphEngine) -> None:
    engine.encode([2, 0], [np.full(4, 2, np.int16), np.full(4, 0, np.int16)], [HEARD] * 2)

    told = read_prompts(engine, [2, 0], [[7, START, 3], [START]])
    silent = read_prompts(engine, [2, 0], [[5], [6]])

    np.testing.assert_allclose(told[0].language_probabilities[0], 5 / 7)  # (7 + 1) % 5 + 2 to 1 and 1
    np.testing.assert_allclose(told[1].language_probabilities[0], 1 / 3)
    assert told[0].no_speech_probability == pytest.approx(1 / 7)
    assert [each.language_probabilities.size for each in silent] == [0, 0]


def test_a_step_runs_no_more_rows_than_it_must(engine: GraphEngine, runner: ListRunner) -> None:
    start(engine, [0, 1, 2, 4])
    runner.steps.clear()
    for slot in (0, 1, 2, 4):
        steps(engine, [slot], 1)

    assert runner.steps == [1, 2, 4, 8]


def test_buckets_are_powers_of_two_and_the_whole() -> None:
    assert buckets(1) == [1]
    assert buckets(8) == [1, 2, 4, 8]
    assert buckets(11) == [1, 2, 4, 8, 11]


def test_each_row_is_drawn_as_it_was_asked(engine: GraphEngine) -> None:
    start(engine, [0, 1])

    step = engine.step([1, 0], [Sampling(1.0, 0.5), GREEDY]).result()

    assert step.tokens.tolist() == [next_token(1, PROMPT, True, 1.0, 0.5), next_token(0, PROMPT, True, 0.0, 0.0)]


def test_attention_is_that_of_the_last_steps_cut_to_the_window(engine: GraphEngine) -> None:
    start(engine, [3])
    steps(engine, [3], 4)

    weights = engine.alignment(3, tokens=3, frames=2)

    assert weights.shape == (2, 3, 2)
    assert weights[0, :, 0].tolist() == [3, 4, 5]  # the first step was fed the prompt's last token, at 2


def test_a_full_slot_is_refused(engine: GraphEngine) -> None:
    start(engine, [0], [START] * (TEXT - 1))
    steps(engine, [0], 1)

    with pytest.raises(EngineError, match="slot 0 is full"):
        engine.step([0], [GREEDY])
    with pytest.raises(EngineError, match="slot 0 is full"):
        read_prompts(engine, [0], [[5]])


def test_a_slot_without_a_prompt_cannot_step(engine: GraphEngine) -> None:
    with pytest.raises(EngineError, match="no prompt"):
        engine.step([2], [GREEDY])


def test_warming_up_leaves_every_slot_empty(engine: GraphEngine, runner: ListRunner) -> None:
    engine.warm_up()

    assert set(runner.steps) == {1, 2, 4, 8}
    start(engine, [6])
    assert steps(engine, [6], 3)[6] == said(6, PROMPT, 3)
