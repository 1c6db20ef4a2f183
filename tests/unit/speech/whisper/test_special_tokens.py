from __future__ import annotations

import pytest

from speech.tensors import Task
from speech.whisper.special_tokens import CannotTranslate, SpecialTokens, UnknownLanguage, sot_sequence
from speech.whisper.tokenizer import Tokenizer

TOKENS = SpecialTokens(10, 11, 12, 14, 15, 16, 17, 18, 19)


def test_a_multilingual_prompt_names_the_language_and_the_task() -> None:
    assert sot_sequence(TOKENS, ("en", "zh"), "zh") == [11, 13, 15, 18]


def test_an_english_only_prompt_does_not() -> None:
    assert sot_sequence(TOKENS, (), "en") == [11, 18]


def test_a_retired_code_in_a_vocabulary_is_known_by_the_one_of_today() -> None:
    assert sot_sequence(TOKENS, ("en", "jw"), "jv") == [11, 13, 15, 18]


@pytest.mark.parametrize(("languages", "known"), [(("en", "zh"), "en, zh"), ((), "en")])
def test_a_language_that_the_model_lacks_is_refused_with_those_it_has(languages: tuple[str, ...], known: str) -> None:
    with pytest.raises(UnknownLanguage, match=f"does not transcribe 'xx'; it has {known}$"):
        sot_sequence(TOKENS, languages, "xx")


def test_a_tokenizer_gives_the_prompt_of_its_own_vocabulary(multilingual: Tokenizer, english_only: Tokenizer) -> None:
    special = multilingual.special
    german = special.first_language + multilingual.languages.index("de")
    assert multilingual.sot_sequence("de") == [
        special.start_of_transcript,
        german,
        special.transcribe,
        special.no_timestamps,
    ]
    assert english_only.sot_sequence("en") == [
        english_only.special.start_of_transcript,
        english_only.special.no_timestamps,
    ]
    with pytest.raises(UnknownLanguage):
        english_only.sot_sequence("de")


def test_a_translation_has_its_own_task_token(multilingual: Tokenizer, english_only: Tokenizer) -> None:
    assert sot_sequence(TOKENS, ("en", "zh"), "zh", Task.TRANSLATE) == [11, 13, 14, 18]
    assert multilingual.sot_sequence("de", Task.TRANSLATE)[2] == multilingual.special.translate
    with pytest.raises(CannotTranslate, match="knows English alone"):
        english_only.sot_sequence("en", Task.TRANSLATE)
