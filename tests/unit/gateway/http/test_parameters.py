import pytest

from gateway.errors import BadParameter
from gateway.http.parameters import read_transcribe_parameters
from speech.languages import Script


def test_an_empty_form_means_the_published_defaults() -> None:
    parameters = read_transcribe_parameters({})

    assert parameters.recognition.model == "large-v3-turbo"
    assert parameters.recognition.language is None
    assert parameters.recognition.diarize is True
    assert parameters.recognition.speakers == 0
    assert parameters.response_format == "json"


@pytest.mark.parametrize(("given", "meant"), [("TRUE", True), ("False", False), ("1", True), ("no", False)])
def test_booleans_come_in_any_case(given: str, meant: bool) -> None:
    assert read_transcribe_parameters({"diarize": given}).recognition.diarize is meant


@pytest.mark.parametrize(("given", "meant"), [("verbose_json", "json"), ("text", "txt"), ("VTT", "vtt")])
def test_response_formats_have_aliases(given: str, meant: str) -> None:
    assert read_transcribe_parameters({"response_format": given}).response_format == meant


@pytest.mark.parametrize(
    ("field", "value", "accepted"),
    [
        ("diarize", "perhaps", "true and false"),
        ("speakers", "-1", "from 0"),
        ("speakers", "33", "to 32"),
        ("speakers", "²", "whole numbers"),
        ("response_format", "xml", "json, txt, srt, vtt"),
        ("language", "klingon", "ISO 639-1"),
        ("languages", "en,klingon", "`languages` is 'klingon'"),
        ("prompt", "x" * 3000, "2000 characters"),
    ],
)
def test_errors_say_what_is_accepted(field: str, value: str, accepted: str) -> None:
    with pytest.raises(BadParameter, match=accepted):
        read_transcribe_parameters({field: value})


def test_languages_are_a_list_of_whatever_names_one() -> None:
    asked = read_transcribe_parameters({"languages": "en-US, French,fr,zh-TW"}).recognition

    assert asked.language is None
    assert asked.languages == ("en", "fr", "zh")
    assert asked.script is Script.TRADITIONAL


def test_one_allowed_language_is_the_language() -> None:
    assert read_transcribe_parameters({"languages": "english"}).recognition.language == "en"


def test_a_language_outside_the_allowed_ones_is_refused() -> None:
    with pytest.raises(BadParameter, match="allows only en, fr"):
        read_transcribe_parameters({"language": "de", "languages": "en,fr"})
