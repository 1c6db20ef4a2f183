"""What a step says counts from the first that has read the whole prompt."""

from __future__ import annotations

import numpy as np

from speech.whisper.batching.slot_state import SlotStates
from speech.whisper.engine import CompletedStep, Step

END = 300


def step(states: SlotStates, slots: list[int], tokens: list[int]) -> list[list[int]]:
    """One that is read at once; the texts that it ended."""
    told = Step(np.array(tokens, np.int32), np.zeros(len(tokens), np.float32))
    launched = states.launch(CompletedStep(told), np.array(slots, np.intp))
    return [finished.tokens.tolist() for finished in states.read(launched, told)]


def test_steps_that_read_a_prompt_say_nothing_and_count_for_no_limit() -> None:
    states = SlotStates(2, 448, END)
    states.begin(0, limit=3)
    states.begin(1, limit=3, unread=2)

    ended = [step(states, [0, 1], tokens) for tokens in ([5, END], [6, END], [END, 7], [8, 9])]

    assert ended[:3] == [[], [], [[5, 6]]]
    assert states.runnable(np.array([1])).tolist() == [1]
    assert step(states, [1], [END]) == [[7, 9]]
    assert states.runnable(np.array([1])).tolist() == []


def test_what_is_verified_has_read_the_rest_of_the_prompt() -> None:
    states = SlotStates(1, 448, END)
    states.begin(0, limit=9, unread=2)

    ended = states.follow(0, Step(np.array([5, 6], np.int32), np.zeros(2, np.float32)))

    assert (ended, states.text(0)) == ([], [5, 6])
    assert step(states, [0], [END]) == [[5, 6]]
