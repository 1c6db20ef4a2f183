"""Key terms: which tokens count for more after which text, and that no probability does."""

from __future__ import annotations

import numpy as np
import pytest

from speech.whisper.batching.scheduler import Scheduler
from speech.whisper.batching.sequence import Request
from speech.whisper.batching.term_bias import MOST_FIRST, MOST_NEXT, TermTrie, TermTries, opens_word
from speech.whisper.engine import AFTER_ANY, AFTER_OPEN
from speech.whisper.tokenizer import Tokenizer
from tests.unit.speech.whisper.speech_fakes import ScriptedEngine

TERMS = ("Wojciechowski", "Nilfgaard")


def boosts(trie: TermTrie, text: list[int]) -> dict[int, float]:
    bias = trie.bias(text)
    return dict(zip(bias.tokens.tolist(), bias.boosts.tolist(), strict=True))


def test_what_begins_a_term_counts_for_more_anywhere(multilingual: Tokenizer) -> None:
    trie = TermTrie(TERMS, multilingual)

    for text in ("", " We met", " the"):
        told = boosts(trie, multilingual.encode(text))
        for term in TERMS:
            assert 0 < told[multilingual.encode(f" {term}")[0]] <= MOST_FIRST


def test_what_goes_on_with_a_term_counts_most(multilingual: Tokenizer) -> None:
    trie = TermTrie(TERMS, multilingual)
    tokens = multilingual.encode(" Wojciechowski")

    for count in range(1, len(tokens)):
        told = boosts(trie, [*multilingual.encode(" with"), *tokens[:count]])
        assert tokens[count] in told
        assert told[tokens[count]] <= MOST_NEXT
        assert told[tokens[count]] > MOST_FIRST or len(multilingual.decode(tokens[:count]).strip()) < 3


def test_a_term_that_is_whole_goes_on_with_nothing(multilingual: Tokenizer) -> None:
    trie = TermTrie(("Nilfgaard",), multilingual)

    assert boosts(trie, multilingual.encode(" Nilfgaard")) == boosts(trie, multilingual.encode(" and"))


def test_without_a_space_a_term_begins_only_where_a_word_may(multilingual: Tokenizer) -> None:
    trie = TermTrie(("Nilfgaard",), multilingual)
    bare = multilingual.encode("Nilfgaard")[0]

    assert bare in boosts(trie, [])
    assert bare in boosts(trie, multilingual.encode(' "'))
    assert bare not in boosts(trie, multilingual.encode(" the"))


def test_in_scripts_without_spaces_a_term_may_stand_anywhere(multilingual: Tokenizer) -> None:
    trie = TermTrie(("東京",), multilingual)

    assert multilingual.encode("東京")[0] in boosts(trie, multilingual.encode("私は"))


@pytest.mark.parametrize("before", ["", " He met", " Wo", ' "W', " Nilf", "Nil", " Nilfgaard", "私は", ' "Woj'])
def test_ahead_of_a_token_that_is_not_known_yet_each_is_provided_for(multilingual: Tokenizer, before: str) -> None:
    trie = TermTrie((*TERMS, "Wo ist", "東京", "東西線"), multilingual)
    text = multilingual.encode(before)
    ahead = trie.bias_ahead(text)
    assert ahead.after is not None

    for last in range(multilingual.special.end_of_text):
        of_class = AFTER_OPEN if opens_word(multilingual, last) else AFTER_ANY
        entries = list(zip(ahead.after.tolist(), ahead.tokens.tolist(), ahead.boosts.tolist(), strict=True))
        told = {token: boost for after, token, boost in entries if after in (AFTER_ANY, of_class)}
        told |= {token: boost for after, token, boost in entries if after == last}
        assert told == boosts(trie, [*text, last])


def test_what_leads_nowhere_is_provided_for_once(multilingual: Tokenizer) -> None:
    trie = TermTrie(TERMS, multilingual)

    assert trie.bias_ahead(multilingual.encode(" the")) is trie.bias_ahead(multilingual.encode(" a cat"))


def test_windows_of_one_recording_share_a_trie(multilingual: Tokenizer) -> None:
    tries = TermTries(multilingual)

    assert tries.of(TERMS) is tries.of(tuple(TERMS))
    assert tries.of(()) is None


@pytest.mark.parametrize("terms", [("x" * 81,), tuple(f"term{at}" for at in range(101))])
def test_too_long_and_too_many_terms_are_refused(multilingual: Tokenizer, terms: tuple[str, ...]) -> None:
    scheduler = Scheduler(ScriptedEngine(multilingual, {}), multilingual)
    try:
        with pytest.raises(ValueError, match="at most 100 key terms of 80 characters"):
            scheduler.submit(Request(np.ones(1600, np.int16), "en", keyterms=terms))
    finally:
        scheduler.close(0)
