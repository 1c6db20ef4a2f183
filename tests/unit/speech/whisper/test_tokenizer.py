from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.whisper.special_tokens import UnknownLanguage
from speech.whisper.tokenizer import Tokenizer


@given(text=st.text())
def test_decoding_undoes_encoding(multilingual: Tokenizer, text: str) -> None:
    assert multilingual.decode(multilingual.encode(text)) == text


@given(text=st.text())
def test_characters_are_whole_and_keep_every_token(multilingual: Tokenizer, text: str) -> None:
    tokens = multilingual.encode(text)
    runs = multilingual.characters(tokens)
    assert "".join(run for run, _ in runs) == text
    assert sum(count for _, count in runs) == len(tokens)


def test_special_tokens_written_in_a_text_are_plain_characters(multilingual: Tokenizer) -> None:
    tokens = multilingual.encode("a<|endoftext|>b<|en|>")
    assert all(token < multilingual.special.end_of_text for token in tokens)
    assert multilingual.decode(tokens) == "a<|endoftext|>b<|en|>"


def test_special_tokens_say_nothing(multilingual: Tokenizer) -> None:
    special = multilingual.special
    assert multilingual.decode([special.start_of_transcript, *multilingual.encode("hi"), special.end_of_text]) == "hi"


def test_broken_utf8_at_the_end_is_marked_not_lost(multilingual: Tokenizer) -> None:
    tokens = multilingual.encode("né")[:-1]
    assert multilingual.characters(tokens) == [("n", 1), ("\N{REPLACEMENT CHARACTER}", 1)]


def test_languages_come_in_the_order_of_their_tokens(multilingual: Tokenizer) -> None:
    assert multilingual.languages[:3] == ("en", "zh", "de")
    first = multilingual.special.first_language
    prompts = [multilingual.sot_sequence(code) for code in multilingual.languages]
    assert [prompt[1] for prompt in prompts] == list(range(first, first + len(multilingual.languages)))
    with pytest.raises(UnknownLanguage):
        multilingual.sot_sequence("xx")


def test_an_english_only_vocabulary_has_no_other_language(english_only: Tokenizer) -> None:
    assert not english_only.multilingual
    assert english_only.languages == ("en",)
    with pytest.raises(UnknownLanguage):
        english_only.sot_sequence("de")


def test_a_folder_gives_its_tokenizer_or_says_what_is_wrong(tokenizer_folder: Path) -> None:
    assert Tokenizer.load(tokenizer_folder).multilingual
    with pytest.raises(ValueError, match="missing"):
        Tokenizer.load(tokenizer_folder / "nowhere")
    with pytest.raises(ValueError, match="no Whisper tokenizer"):
        Tokenizer.load(tokenizer_folder / "broken")
