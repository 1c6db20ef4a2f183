import pytest

from speech import languages


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
