"""Special tokens lie where the size of the vocabulary puts them."""

from __future__ import annotations

from pathlib import Path

import pytest

from export.random_weights import random_weights
from export.tokenizer import InvalidTokenizer, languages, special_tokens, suppressed_tokens, write_tokenizer
from tests.unit.export.small_whispers import dimensions, opened


@pytest.mark.parametrize(
    ("vocabulary", "transcribe", "timestamp"), [(51864, 50358, 50363), (51865, 50359, 50364), (51866, 50360, 50365)]
)
def test_special_tokens_shift_with_the_vocabulary(vocabulary: int, transcribe: int, timestamp: int) -> None:
    tokens = special_tokens(vocabulary)

    assert (tokens.transcribe, tokens.first_timestamp) == (transcribe, timestamp)


def test_the_hundredth_language_came_last() -> None:
    assert len(languages(51865)) == 99
    assert languages(51866) == (*languages(51865), "yue")
    assert languages(51864) == ()


def test_another_vocabulary_is_refused() -> None:
    with pytest.raises(InvalidTokenizer, match="none of Whisper's"):
        special_tokens(32000)


@pytest.mark.parametrize("vocabulary", [51864, 51865, 51866])
def test_the_written_tokenizer_knows_every_special_token(vocabulary: int, tmp_path: Path) -> None:
    source = opened(random_weights(dimensions(64, (1, 1), vocabulary)), tmp_path).tokenizer
    tokens = special_tokens(vocabulary)

    tokenizer = write_tokenizer(source, vocabulary, tmp_path / "written.json")

    assert tokenizer.get_vocab_size() == vocabulary
    assert tokenizer.token_to_id("<|endoftext|>") == tokens.end_of_text
    assert tokenizer.token_to_id("<|en|>") == tokens.first_language
    assert tokenizer.token_to_id("<|notimestamps|>") == tokens.no_timestamps
    assert tokenizer.token_to_id("<|30.00|>") == vocabulary - 1


def test_brackets_and_special_tokens_are_suppressed_and_letters_are_not(tmp_path: Path) -> None:
    source = opened(random_weights(dimensions(64, (1, 1))), tmp_path).tokenizer
    tokenizer = write_tokenizer(source, 51865, tmp_path / "written.json")

    suppressed = set(suppressed_tokens(tokenizer, 51865))

    assert {tokenizer.token_to_id("["), tokenizer.token_to_id("<|en|>"), 51864} <= suppressed
    assert not {tokenizer.token_to_id("a"), tokenizer.token_to_id("<|endoftext|>")} & suppressed
