import pytest

from speech import languages
from speech.languages import Script


@pytest.mark.parametrize(
    ("given", "code"),
    [("en", "en"), ("EN ", "en"), ("en-US", "en"), ("pt_BR", "pt"), ("German", "de"), ("nb", "no")],
)
def test_codes_locales_and_english_names_are_understood(given: str, code: str) -> None:
    assert languages.find(given) == code


@pytest.mark.parametrize("given", ["", "xx", "klingon", "auto"])
def test_anything_else_is_unknown(given: str) -> None:
    assert languages.find(given) is None


def test_every_code_and_name_finds_itself() -> None:
    assert len(languages.NAMES) >= 99
    assert all(languages.find(code) == code == languages.find(name) for code, name in languages.NAMES.items())


def test_the_names_of_whisper_s_own_vocabulary_are_understood() -> None:
    assert [languages.find(name) for name in ("Mandarin", "castilian", "Flemish", "Burmese")] == [
        "zh",
        "es",
        "nl",
        "my",
    ]


@pytest.mark.parametrize(
    ("given", "script"),
    [("zh-TW", Script.TRADITIONAL), ("zh_Hans-HK", Script.SIMPLIFIED), ("cmn-CN", Script.SIMPLIFIED), ("zh", None)],
)
def test_a_tag_of_chinese_may_name_its_script(given: str, script: Script | None) -> None:
    assert languages.find(given) == "zh"
    assert languages.find_script(given) is script
    assert languages.find_script("pt-TW") is None


def test_what_is_common_wins_where_little_was_heard() -> None:
    unclear, clear = {"la": 0.4, "en": 0.05}, {"la": 0.97, "en": 0.01}

    assert max(languages.weigh(unclear).items(), key=lambda item: item[1])[0] == "en"
    assert max(languages.weigh(clear).items(), key=lambda item: item[1])[0] == "la"
    assert sum(languages.weigh(unclear).values()) == pytest.approx(1)
    assert list(languages.weigh(clear, ("en", "de"))) == ["en"]


def test_a_model_without_an_allowed_language_is_told_so() -> None:
    with pytest.raises(ValueError, match="allowed"):
        languages.weigh({"en": 1.0}, ("yue",))
