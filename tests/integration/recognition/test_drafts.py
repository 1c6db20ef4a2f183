"""The real model: what a window was foretold to say changes no bit of what is heard in it."""

from __future__ import annotations

import pytest

from speech.transcript import WindowResult
from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from tests.recordings import DATA, read_pcm

SAID = read_pcm(DATA / "dashwood.flac")


@pytest.fixture(scope="module")
def plain(scheduler: Scheduler) -> WindowResult:
    return scheduler.submit(Request(SAID, "en")).result()


@pytest.mark.parametrize(
    "draft",
    [
        "{text}",
        "{half}",
        "{half} to repent of it",
        "Never {text}",
        "{text} {text} {text}",
        "x" * 3000,
    ],
    ids=["right", "half", "wrong from the middle", "wrong from the start", "too long", "longer than a text may be"],
)
def test_the_words_are_the_same_bit_for_bit(scheduler: Scheduler, plain: WindowResult, draft: str) -> None:
    half = " ".join(plain.text.split()[:9])
    foretold = draft.format(text=plain.text, half=half)

    assert len(plain.words) > 15
    assert scheduler.submit(Request(SAID, "en", draft=foretold)).result() == plain


def test_key_terms_weigh_the_same_in_a_draft(scheduler: Scheduler) -> None:
    terms = ("Nakagawa", "Dashwoode")
    plain = scheduler.submit(Request(SAID, "en", keyterms=terms)).result()

    assert scheduler.submit(Request(SAID, "en", keyterms=terms, draft=plain.text)).result() == plain
