"""When a turn is over: from the evidence, from a config, and as a client is told of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadParameter
from gateway.streaming.commands import StreamConfig, changed, read_config
from gateway.streaming.end_of_turn import (
    MOST_FALL,
    TurnDecision,
    TurnEvidence,
    TurnPolicy,
    TurnRule,
    confidence,
    decide,
    loudness_fall,
    read_end_of_turn,
)
from gateway.streaming.endpoint import Endpointer, EndpointPolicy
from gateway.streaming.messages import Message
from gateway.streaming.policy import turn_policy
from gateway.streaming.turns import TurnTracker
from speech.activity import CHUNK
from speech.audio import SAMPLE_RATE

SURE = TurnEvidence(end_probability=0.99, last_word="please.", fall=30.0)
UNSURE = replace(SURE, end_probability=0.4)
NONE = replace(SURE, end_probability=0.0)

evidences = st.builds(
    TurnEvidence,
    st.floats(0, 1),
    st.sampled_from(["", "the", "door,", "door.", "Mr.", "what?", "wait...", "好。"]),
    st.floats(0, MOST_FALL),
)
silences = st.floats(0, 3)


@pytest.mark.parametrize(
    ("evidence", "silence", "decision"),
    [
        (SURE, 0.2, TurnDecision.IS_OVER),
        (SURE, 0.1, TurnDecision.MAY_BE_OVER),
        (UNSURE, 0.5, TurnDecision.MAY_BE_OVER),
        (NONE, 0.5, TurnDecision.GOES_ON),
        (NONE, 0.64, TurnDecision.IS_OVER),
        (replace(SURE, last_word="and"), 0.5, TurnDecision.MAY_BE_OVER),
        (replace(SURE, last_word="Mr."), 0.5, TurnDecision.MAY_BE_OVER),
        (replace(SURE, last_word="wait..."), 0.5, TurnDecision.MAY_BE_OVER),
        (replace(SURE, last_word=""), 0.5, TurnDecision.GOES_ON),
        (replace(SURE, fall=1.0), 0.5, TurnDecision.GOES_ON),
    ],
)
def test_evidence_ends_a_turn_early_and_a_long_silence_ends_any(
    evidence: TurnEvidence, silence: float, decision: TurnDecision
) -> None:
    policy = TurnPolicy(threshold=0.6, eager_threshold=0.3, silence=0.2, longest_silence=0.64)

    assert decide(confidence(evidence), silence, policy) is decision


@given(evidences, silences)
def test_a_policy_of_pauses_hears_no_evidence(evidence: TurnEvidence, silence: float) -> None:
    policy = TurnPolicy(TurnRule.PAUSE)
    over = silence >= policy.longest_silence

    assert decide(confidence(evidence), silence, policy) is (TurnDecision.IS_OVER if over else TurnDecision.GOES_ON)


@given(evidences, silences, silences)
def test_more_silence_never_speaks_for_going_on(evidence: TurnEvidence, one: float, other: float) -> None:
    order = [TurnDecision.GOES_ON, TurnDecision.MAY_BE_OVER, TurnDecision.IS_OVER]
    earlier, later = (decide(confidence(evidence), silence, TurnPolicy()) for silence in sorted((one, other)))

    assert order.index(earlier) <= order.index(later)


def test_loudness_falls_from_the_speech_to_the_silence() -> None:
    loud, soft = np.full(SAMPLE_RATE, 8000, np.int16), np.full(3200, 80, np.int16)

    assert loudness_fall(np.concatenate([loud, soft]), 3200) == pytest.approx(40.0, abs=0.1)
    assert loudness_fall(loud, 3200) == pytest.approx(0.0, abs=0.1)
    assert loudness_fall(np.concatenate([loud, np.zeros(3200, np.int16)]), 3200) == MOST_FALL
    assert loudness_fall(soft[:100], 3200) == 0.0


def test_a_config_names_the_policy_or_its_thresholds() -> None:
    asked = {"policy": "evidence", "threshold": 0.9, "eager_threshold": 0.4, "silence": 0.25, "longest_silence": 1}

    assert read_end_of_turn(None) == read_end_of_turn(False) == TurnPolicy(TurnRule.PAUSE)
    assert read_end_of_turn(True) == read_end_of_turn({}) == TurnPolicy()
    assert read_end_of_turn("pause") == read_end_of_turn({"policy": "pause"}) == TurnPolicy(TurnRule.PAUSE)
    assert read_end_of_turn({"threshold": 0.2}).eager_threshold == 0.2
    assert read_end_of_turn(asked) == TurnPolicy(TurnRule.EVIDENCE, 0.9, 0.4, 0.25, 1.0)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ("never", "policy is 'never'; accepted are evidence and pause"),
        (["pause"], "policy"),
        (3, "policy"),
        ({"policy": None}, "policy"),
        ({"threshold": 1.5}, "threshold is 1.5; accepted are numbers from 0 to 1"),
        ({"threshold": True}, "threshold"),
        ({"threshold": "0.5"}, "threshold"),
        ({"silence": 0.01}, "silence is 0.01; accepted are numbers from 0.1 to 5"),
        ({"longest_silence": float("nan")}, "longest_silence"),
        ({"silence": 1.0}, "silence is 1; it is at most longest_silence, 0.64"),
        ({"threshold": 0.2, "eager_threshold": 0.25}, "eager_threshold is 0.25; it is at most threshold, 0.2"),
    ],
)
def test_a_policy_that_there_is_not_is_told_what_is_accepted(asked: Any, says: str) -> None:
    with pytest.raises(BadParameter, match="end_of_turn: ") as refused:
        read_config({"end_of_turn": asked})

    assert says in refused.value.message


def test_turns_are_told_to_those_who_ask() -> None:
    silent = [read_config({}), read_config({"end_of_turn": False}), read_config({"end_of_turn": None})]
    told = [read_config({"end_of_turn": each}) for each in (True, "pause", {"threshold": 0.5})]

    assert [each.tells_turns for each in (*silent, *told)] == [False] * 3 + [True] * 3


def test_unknown_thresholds_are_named() -> None:
    config = read_config({"end_of_turn": {"silence_ms": 200, "policy": "pause"}, "punctuate": True})

    assert config.ignored == ["end_of_turn.silence_ms", "punctuate"]


def test_a_policy_is_set_before_the_audio() -> None:
    with pytest.raises(BadParameter, match="end_of_turn is set before the audio"):
        changed(StreamConfig(), read_config({"end_of_turn": "pause"}))


def test_a_policy_of_pauses_waits_as_long_as_it_says() -> None:
    policy = turn_policy(TurnPolicy(TurnRule.PAUSE, longest_silence=1.28), told=False)

    assert (policy.turn, policy.endpoint) == (None, EndpointPolicy(silence_chunks=40))


async def test_a_turn_that_may_be_over_goes_on_and_ends() -> None:
    told: list[tuple[str, float, float]] = []

    async def emit(message: Message) -> None:
        assert message["type"] == "turn"
        told.append((message["event"], message["start"], message["time"]))

    endpoint = Endpointer(EndpointPolicy())
    tracker = TurnTracker(TurnPolicy(silence=5 * CHUNK / SAMPLE_RATE), emit)

    def hear(chunks: int, probability: float) -> None:
        for _ in range(chunks):
            endpoint.add(probability)

    hear(10, 0.9)
    tracker.began(endpoint.speech_start or 0)
    hear(4, 0.0)
    await tracker.weigh(SURE, endpoint)
    assert not await tracker.is_over(endpoint)
    hear(1, 0.9)
    assert not await tracker.is_over(endpoint)
    hear(8, 0.0)
    assert not await tracker.is_over(endpoint)  # nothing is known of this silence
    await tracker.weigh(SURE, endpoint)
    assert await tracker.is_over(endpoint)
    await tracker.ended(endpoint.speech_end)
    await tracker.ended(endpoint.speech_end)  # nobody has spoken since

    chunk = CHUNK / SAMPLE_RATE
    events = [("eager_end", 10), ("resumed", 14), ("eager_end", 15), ("end", 15)]
    assert told == [(event, 0.0, round(chunks * chunk, 3)) for event, chunks in events]
