import pytest

from speech.languages import LANGUAGES, language_code


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ("en", "en"),
        ("EN ", "en"),
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("German", "de"),
        ("mandarin", "zh"),
        ("nb", "no"),
    ],
)
def test_codes_locales_and_english_names_are_understood(given: str, code: str) -> None:
    assert language_code(given) == code


@pytest.mark.parametrize("given", ["", "xx", "klingon", "auto"])
def test_anything_else_is_unknown(given: str) -> None:
    assert language_code(given) is None


def test_every_code_and_name_finds_itself() -> None:
    assert len(LANGUAGES) == 100
    assert all(language_code(code) == code == language_code(name) for code, name in LANGUAGES.items())
