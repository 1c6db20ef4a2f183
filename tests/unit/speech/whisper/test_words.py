from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from speech.whisper.tokenizer import Tokenizer
from speech.whisper.words import is_punctuation, split_words


def words(tokenizer: Tokenizer, text: str, language: str = "en") -> list[str]:
    return [span.text for span in split_words(tokenizer.encode(text), tokenizer, language)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (" Hello, world.", ["Hello,", "world."]),
        (" It's the U.S. in twenty-five.", ["It's", "the", "U.S.", "in", "twenty-five."]),
        (' He said "yes" (twice).', ["He", "said", '"yes"', "(twice)."]),
        (" Salt & pepper, 5 %", ["Salt", "&", "pepper,", "5", "%"]),
        (" well - maybe", ["well", "-maybe"]),
        (" Really ?", ["Really?"]),
        (" ¿Qué tal ?", ["¿Qué", "tal?"]),
        ("...", []),
        ("", []),
    ],
)
def test_words_keep_their_punctuation(multilingual: Tokenizer, text: str, expected: list[str]) -> None:
    assert [word.replace(" ", "") for word in words(multilingual, text)] == expected


@pytest.mark.parametrize(
    ("text", "language", "expected"),
    [
        ("你好。世界", "zh", ["你", "好。", "世", "界"]),
        ("「はい」と iPhone 15", "ja", ["「は", "い」", "と", "iPhone", "15"]),
        ("ที่นี่", "th", ["ที่", "นี่"]),
    ],
)
def test_scripts_without_spaces_are_split_by_characters(
    multilingual: Tokenizer, text: str, language: str, expected: list[str]
) -> None:
    assert words(multilingual, text, language) == expected


@given(text=st.text(alphabet=st.sampled_from("ab1 .,'\"(é你।-")), language=st.sampled_from(["en", "zh"]))
def test_nothing_that_is_said_is_lost_and_spans_follow_each_other(
    multilingual: Tokenizer, text: str, language: str
) -> None:
    tokens = multilingual.encode(text)
    spans = split_words(tokens, multilingual, language)
    said = "".join(character for character in text if not is_punctuation(character))
    assert "".join(c for span in spans for c in span.text if not is_punctuation(c)) == said
    assert all(left.stop <= right.first for left, right in pairwise(spans))
    for span in spans:
        assert span.first <= span.core_first < span.core_stop <= span.stop <= len(tokens)
        assert span.text == span.text.strip()


def test_a_word_is_timed_by_the_part_that_sounds(multilingual: Tokenizer) -> None:
    (span,) = split_words(multilingual.encode(' "Yes!"'), multilingual, "en")
    assert (span.core_first, span.core_stop) == (2, 5)
