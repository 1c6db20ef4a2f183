"""A text that stands in its prompt is believed where the same sound without the prompt says so."""

from __future__ import annotations

import numpy as np
import pytest

from speech.whisper.batching.prompt_echo import bears_out, repeats_prompt
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Circumstances, Line, ScriptedEngine

PROMPT = "The committee met on Tuesday to discuss the railway. Siobhan, Nakagawa."


@pytest.mark.parametrize(
    ("text", "repeats"),
    [
        ("The committee met on Tuesday to discuss the railway.", True),
        ("Good morning all. the committee met on tuesday", True),
        ("Nakagawa.", True),
        ("Siobhan Nakagawa", True),
        ("We met Nakagawa on Tuesday.", False),
        ("The committee was closed again.", False),
        ("", False),
        ("…", False),
    ],
)
def test_a_text_repeats_its_prompt_in_runs_of_words(text: str, repeats: bool) -> None:
    assert repeats_prompt(text, PROMPT) is repeats


def test_scripts_without_spaces_have_runs_of_letters() -> None:
    assert repeats_prompt("中村さんは火曜日", "以下は中村さんは火曜日に来ます")
    assert not repeats_prompt("中村さんは昨日も来ました", "以下は中村。")
    assert not repeats_prompt("中村", "")


def test_names_that_are_spelled_otherwise_are_the_same_speech() -> None:
    assert bears_out("We met Shavon at the station.", "We met Siobhan at the station.")
    assert not bears_out("you", PROMPT)
    assert not bears_out("Good morning all.", f"Good morning all. {PROMPT}")


@pytest.mark.parametrize(
    ("without", "answered"),
    [
        ("", ""),
        (" Nothing of that was said here.", "Nothing of that was said here."),
        (" Thee comitee met on tuesday", ""),
    ],
)
def test_a_text_out_of_the_prompt_is_decoded_again_without_it(
    multilingual: Tokenizer, without: str, answered: str
) -> None:
    said = "the committee met on tuesday"
    tried: list[bool] = []

    def script(how: Circumstances) -> Line:
        tried.append(multilingual.special.start_of_prompt in how.prompt)
        return Line(f" {said}" if tried[-1] else without)

    scheduler = Scheduler(ScriptedEngine(multilingual, {1: script}), multilingual)
    audio = np.zeros(16_000, np.int16)
    audio[0] = 1
    try:
        result = scheduler.submit(Request(audio, "en", prompt=said)).result(timeout=60)
    finally:
        scheduler.close(0)

    assert tried == [True, False]
    assert result.text == (answered or (said if without else ""))
