from __future__ import annotations

import numpy as np
import pytest

from speech.whisper.batching import rules
from speech.whisper.batching.rules import Attempt, FallbackSchedule, RepetitionDetector, StopReason, Verdict, judge
from speech.whisper.tokenizer import Tokenizer


@pytest.mark.parametrize(
    ("text", "logprob", "no_speech", "stop", "verdict"),
    [
        ("All is well.", -0.2, 0.9, StopReason.END_OF_TEXT, Verdict.GOOD),
        ("Mumble.", -1.2, 0.1, StopReason.END_OF_TEXT, Verdict.DOUBTFUL),
        ("you", -1.2, 0.9, StopReason.END_OF_TEXT, Verdict.SILENT),
        ("ha " * 60, -0.2, 0.1, StopReason.END_OF_TEXT, Verdict.REPETITIVE),
        ("we go on", -0.2, 0.1, StopReason.REPETITION, Verdict.REPETITIVE),
        ("All that was said.", -0.2, 0.1, StopReason.TOKEN_LIMIT, Verdict.TRUNCATED),
    ],
)
def test_texts_are_judged(text: str, logprob: float, no_speech: float, stop: StopReason, verdict: Verdict) -> None:
    assert judge(text, logprob, no_speech, stop) is verdict


def test_the_fallback_tries_the_whole_context_first_and_ends() -> None:
    tried = [Attempt()]
    while (
        attempt := FallbackSchedule().next(tried[-1], Verdict.REPETITIVE, whole=tried[-1].whole_context)
    ) is not None:
        tried.append(attempt)
    assert [attempt.whole_context for attempt in tried] == [False, True, True, True, True, True, True]
    assert [attempt.temperature for attempt in tried] == [0.0, 0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [attempt.prompted for attempt in tried] == [True, True, True, True, False, False, False]


@pytest.mark.parametrize("verdict", [Verdict.GOOD, Verdict.SILENT])
def test_what_is_believed_is_not_tried_again(verdict: Verdict) -> None:
    assert FallbackSchedule().next(Attempt(), verdict, whole=False) is None


def test_a_text_cut_by_the_token_limit_is_tried_without_its_prompt_once() -> None:
    again = FallbackSchedule().next(Attempt(), Verdict.TRUNCATED, whole=False)
    assert again == Attempt(prompted=False)
    assert FallbackSchedule().next(Attempt(prompted=False), Verdict.TRUNCATED, whole=False) is None


@pytest.mark.parametrize(("seconds", "frames"), [(0.1, 768), (10.0, 768), (20.0, 1128), (29.0, 1500), (30.0, 1500)])
def test_the_context_covers_the_audio_with_a_margin_and_a_floor(seconds: float, frames: int) -> None:
    assert rules.short_context(int(seconds * 16000), 1500) == frames


def test_the_prompt_keeps_its_end_within_half_of_the_context(multilingual: Tokenizer) -> None:
    tokens = rules.previous_tokens(multilingual, "x" * 500 + "end", 448)
    assert tokens[0] == multilingual.special.start_of_prompt
    assert len(tokens) == 224
    assert multilingual.decode(tokens).endswith("xend")
    assert rules.previous_tokens(multilingual, "  ", 448) == []


def looping_at(tokens: list[int]) -> tuple[int, int, int] | None:
    """(position, period, excess) at which a loop is found."""
    detector = RepetitionDetector(slots=3)
    history = np.zeros((3, len(tokens)), dtype=np.int32)
    slot = np.array([1])
    for position, token in enumerate(tokens):
        history[1, position] = token
        period = int(detector.update(slot, history, np.array([position]))[0])
        if period:
            return position, period, detector.excess(1, period)
    return None


@pytest.mark.parametrize("period", [1, 2, 5, 12, 30, 48])
def test_a_loop_of_any_period_is_found_and_what_came_before_it_kept(period: int) -> None:
    lead = list(range(1000, 1017))
    found = looping_at(lead + list(range(period)) * 60)
    assert found is not None
    position, at, excess = found
    assert at == period
    assert position + 1 - excess == len(lead) + period


def test_speech_that_repeats_a_little_is_no_loop() -> None:
    assert looping_at([1, 2, 3] * 4 + list(range(10, 40)) + [7] * 12 + list(range(50, 90)) * 2) is None
