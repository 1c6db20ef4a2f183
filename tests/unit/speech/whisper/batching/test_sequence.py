"""The states of a sequence, and the moves between them."""

from __future__ import annotations

from concurrent.futures import Future
from itertools import product

import numpy as np
import pytest

from speech.whisper.batching.decode_loop import DecodeLoop
from speech.whisper.batching.rules import Attempt, FallbackSchedule
from speech.whisper.batching.sequence import Request, Sequence, State
from speech.whisper.batching.statistics import Statistics
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Circumstances, Line, Script, ScriptedEngine, says

MOVES = {
    (State.WAITING, State.PREFILL),
    (State.WAITING, State.DONE),
    (State.PREFILL, State.DECODING),
    (State.PREFILL, State.WAITING),
    (State.PREFILL, State.DONE),
    (State.DECODING, State.RETRY),
    (State.DECODING, State.WAITING),
    (State.DECODING, State.DONE),
    (State.RETRY, State.DECODING),
    (State.RETRY, State.WAITING),
    (State.RETRY, State.DONE),
}


def sequence(state: State = State.WAITING, slot: int = 0) -> Sequence:
    audio = np.zeros(16_000, np.int16)
    audio[0] = 1
    attempt = Attempt(prompted=False)
    return Sequence(Request(audio, language="en"), Future(), 0.0, attempt, state, slot, language="en")


@pytest.mark.parametrize(("start", "end"), list(product(State, State)))
def test_a_sequence_makes_the_moves_that_there_are_and_no_other(start: State, end: State) -> None:
    moving = sequence(start)
    if (start, end) in MOVES:
        moving.move(end)
        assert moving.state is end
    else:
        with pytest.raises(AssertionError, match=f"cannot go from {start.value} to {end.value}"):
            moving.move(end)
        assert moving.state is start


def decode_loop(tokenizer: Tokenizer, script: Script) -> tuple[DecodeLoop, ScriptedEngine]:
    engine = ScriptedEngine(tokenizer, {1: script}, slots=1)
    return DecodeLoop(engine, tokenizer, FallbackSchedule(), Statistics()), engine


def test_a_text_that_is_not_believed_is_decoded_again_in_its_slot(multilingual: Tokenizer) -> None:
    def script(how: Circumstances) -> Line:
        return Line("b", -0.1 if how.temperature else -2.0)

    loop, _ = decode_loop(multilingual, script)
    window = sequence(State.PREFILL)
    states = []
    loop.admit([window])
    while loop.occupied:
        states.append(window.state)
        loop.step(loop.runnable(live_only=False))
        states.append(window.state)
        if window.state is State.RETRY:
            assert not loop.runnable(live_only=False).size
            loop.admit([])
    assert states == [*[State.DECODING] * 3, State.RETRY, *[State.DECODING] * 3, State.DONE]
    assert [each for each, _ in loop.take_outcome().answered] == [window]


def test_a_sequence_whose_step_failed_gives_its_slot_back_and_waits_again(multilingual: Tokenizer) -> None:
    loop, engine = decode_loop(multilingual, says("a"))
    window = sequence(State.PREFILL)
    loop.admit([window])
    engine.steps_that_fail = 1

    loop.step(loop.runnable(live_only=False))

    assert (window.state, loop.occupied) == (State.WAITING, {})
    assert loop.take_outcome().returned == [window]


def test_a_released_sequence_is_done_and_its_slot_free(multilingual: Tokenizer) -> None:
    loop, _ = decode_loop(multilingual, says("a"))
    window = sequence(State.PREFILL)
    loop.admit([window])

    loop.release(window)

    assert (window.state, loop.occupied) == (State.DONE, {})
    assert not loop.runnable(live_only=False).size
