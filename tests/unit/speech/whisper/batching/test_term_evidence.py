"""Key terms on trial: a text that has them is believed where one without them bears it out."""

from __future__ import annotations

import numpy as np
import pytest

from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.batching.term_evidence import SURE, TermEvidence, sounds_alike, weigh_terms
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import Circumstances, Line, ScriptedEngine

UNSURE = -0.9  # below the logarithm of one half
TERMS = ("Quetzalcoatl", "Metformin", "Thessaloniki")


@pytest.mark.parametrize(
    ("biased", "unbiased", "heard"),
    [
        ("called Quetzalcoatl and starts", "called Quetzal Code and starts", ("Quetzalcoatl",)),
        ("she takes Metformin.", "she takes met for men", ("Metformin",)),
        ("by Mbappe in the last", "by m-map in the last", ("Mbappe",)),
        ("the bridge in 東京 is", "the bridge in 東經 is", ("東京",)),
        ("we ask Jean Luc Picard today", "we ask John look Picard today", ("Jean Luc Picard",)),
    ],
)
def test_a_term_is_heard_where_something_that_sounds_like_it_stood(
    biased: str, unbiased: str, heard: tuple[str, ...]
) -> None:
    terms = (*TERMS, "Mbappe", "東京", "Jean Luc Picard")

    assert weigh_terms(biased, unbiased, terms) == TermEvidence(heard, True)


@pytest.mark.parametrize(
    ("biased", "unbiased"),
    [
        ("please Met or guys", "please the other guys"),  # begun, and not finished
        ("call Quetzalcoatl at noon", "call that noon"),
        ("written by the Thessaloniki", "written by the steam"),
        ("about the proof. Metformin should ask Metformin about it", "about the proof."),
        ("in the last", "in the last minute of it"),
        ("Metformin", ""),
    ],
)
def test_what_is_no_whole_term_or_sounds_otherwise_is_no_evidence(biased: str, unbiased: str) -> None:
    assert weigh_terms(biased, unbiased, TERMS) == TermEvidence((), False)


def test_one_term_is_heard_and_another_is_not() -> None:
    told = weigh_terms("Quetzalcoatl will quall at noon", "quetzal code will call at noon", TERMS)

    assert told == TermEvidence(("Quetzalcoatl",), False)


def test_beside_terms_that_were_heard_small_differences_are_their_own() -> None:
    texts = "Quetzalcoatl starts at noon", "quetzal code starts that noon"

    assert weigh_terms(*texts, TERMS[:1], chosen=True) == TermEvidence(("Quetzalcoatl",), True)
    assert not weigh_terms("Quetzalcoatl is a thing of noon", "quetzal code starts that noon", TERMS, chosen=True).whole


def test_scripts_without_letters_are_compared_by_length() -> None:
    assert sounds_alike("東京", "とうきょう") is False
    assert sounds_alike("東京都", "とうきょ")


@pytest.mark.parametrize(
    ("one", "other"), [("Żubrówka", "zubrufka"), ("Wałęsa", "valensa"), ("Ærøskøbing", "Arosköping")]
)
def test_letters_of_their_own_sound_like_their_neighbours(one: str, other: str) -> None:
    assert sounds_alike(one, other)
    assert not sounds_alike(one, "metformin")


class Speaker:
    """Says one text after the other; notes how many terms each was biased to."""

    def __init__(self, tokenizer: Tokenizer, *texts: str, logprob: float = UNSURE) -> None:
        self._begins = {tokenizer.encode(term)[0] for term in TERMS}
        self._texts, self._logprob = texts, logprob
        self.asked: list[int] = []

    def __call__(self, how: Circumstances) -> Line:
        self.asked.append(len(how.raised & self._begins))
        return Line(self._texts[len(self.asked) - 1], self._logprob)


def heard(tokenizer: Tokenizer, speaker: Speaker) -> str:
    engine = ScriptedEngine(tokenizer, {1: speaker})
    scheduler = Scheduler(engine, tokenizer)
    try:
        return scheduler.submit(Request(np.ones(16_000, np.int16), "en", keyterms=TERMS)).result(60).text
    finally:
        scheduler.close()


def test_a_text_that_terms_cannot_have_decided_is_decoded_once(multilingual: Tokenizer) -> None:
    speaker = Speaker(multilingual, "Quetzalcoatl met us", logprob=SURE + 0.1)

    assert heard(multilingual, speaker) == "Quetzalcoatl met us"
    assert speaker.asked == [3]


def test_a_term_that_was_heard_is_written(multilingual: Tokenizer) -> None:
    speaker = Speaker(multilingual, "Quetzalcoatl met us", "quetzal code met us")

    assert heard(multilingual, speaker) == "Quetzalcoatl met us"
    assert speaker.asked == [3, 0]


def test_a_term_that_was_not_is_not(multilingual: Tokenizer) -> None:
    speaker = Speaker(multilingual, "Thessaloniki met us", "the guys met us")

    assert heard(multilingual, speaker) == "the guys met us"
    assert speaker.asked == [3, 0]


def test_terms_that_were_heard_are_decoded_without_the_others(multilingual: Tokenizer) -> None:
    texts = "Quetzalcoatl has a quall for us", "quetzal code has a call for us", "Quetzalcoatl has a call for us"
    speaker = Speaker(multilingual, *texts)

    assert heard(multilingual, speaker) == texts[2]
    assert speaker.asked == [3, 0, 1]


def test_a_text_that_goes_astray_with_a_term_alone_is_left(multilingual: Tokenizer) -> None:
    texts = "Quetzalcoatl has a quall for us", "quetzal code has a call for us", "Quetzalcoatl and so on and on"
    speaker = Speaker(multilingual, *texts)

    assert heard(multilingual, speaker) == texts[1]
    assert speaker.asked == [3, 0, 1]


def test_terms_find_no_words_in_what_is_not_believed(multilingual: Tokenizer) -> None:
    """Attempts at a higher temperature are without them."""
    speaker = Speaker(multilingual, *["Metformin was"] * 2, *["a noise"] * 5, logprob=-1.5)

    heard(multilingual, speaker)

    assert speaker.asked == [3, 0, 0, 0, 0, 0, 0]
