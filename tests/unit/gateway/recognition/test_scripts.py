from __future__ import annotations

import pytest

from gateway.recognition.scripts import in_one_script
from speech.languages import Script
from speech.transcript import Word


def said(*texts: str, language: str = "zh") -> list[Word]:
    return [Word(text, at, at + 0.5, 0.9, language=language) for at, text in enumerate(texts)]


def written(words: list[Word], script: Script | None = None) -> str:
    return "".join(word.text for word in in_one_script(words, script))


def test_most_characters_decide_the_script_of_all() -> None:
    assert written(said("廣", "州", "市", "协", "會", "分", "析")) == "廣州市協會分析"
    assert written(said("计", "算", "技", "术", "協", "會")) == "计算技术协会"


@pytest.mark.parametrize(("script", "text"), [(Script.SIMPLIFIED, "计算"), (Script.TRADITIONAL, "計算")])
def test_the_script_that_was_asked_for_is_written(script: Script, text: str) -> None:
    assert written(said("计", "算"), script) == text
    assert written(said("計", "算"), script) == text


def test_words_of_other_languages_stay_as_they_are() -> None:
    words = [*said("国", "会", language="ja"), *said("計"), *said("OK", language="en")]

    assert written(words, Script.SIMPLIFIED) == "国会计OK"
