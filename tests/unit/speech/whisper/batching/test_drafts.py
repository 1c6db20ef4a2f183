"""A draft changes how many calls a text takes, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Circumstances, Line, Script, ScriptedEngine, says


def hear(tokenizer: Tokenizer, script: Script, draft: str) -> WindowResult:
    engine = ScriptedEngine(tokenizer, {1: script})
    scheduler = Scheduler(engine, tokenizer)
    try:
        audio = np.ones(16_000, np.int16)
        return scheduler.submit(Request(audio, language="en", draft=draft)).result(60)
    finally:
        scheduler.close()


@pytest.mark.parametrize(
    "draft",
    ["", "so it goes", "so it", "so it went", "it goes", "so it goes and goes", "x" * 1000, "<|endoftext|>"],
)
def test_the_answer_is_the_same_with_any_draft(multilingual: Tokenizer, draft: str) -> None:
    plain = hear(multilingual, says(" so it goes"), "")

    assert plain.text == "so it goes"
    assert hear(multilingual, says(" so it goes"), draft) == plain


def test_a_text_that_is_not_believed_is_tried_again_after_a_draft_too(multilingual: Tokenizer) -> None:
    def script(how: Circumstances) -> Line:
        return Line(" better" if how.temperature else " worse", -0.1 if how.temperature else -2.0)

    drafted = hear(multilingual, script, "worse")

    assert (drafted.text, drafted.temperature) == ("better", 0.2)
    assert drafted == hear(multilingual, script, "")


def test_a_loop_is_ended_inside_a_draft(multilingual: Tokenizer) -> None:
    def script(how: Circumstances) -> Line:
        return Line(" no", endless=True)

    drafted, plain = hear(multilingual, script, "no " * 100), hear(multilingual, script, "")

    assert drafted == replace(plain) and len(plain.text) < 100
