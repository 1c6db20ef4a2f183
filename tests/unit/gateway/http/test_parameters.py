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
        ("channels", "both", "mix and separate"),
        ("subtitle_columns", "19", "20 to 100"),
        ("subtitle_columns", "wide", "20 to 100"),
        ("tracks", "all", "one and mix"),
        ("track", "-1", "from 1"),
        ("track", "65", "to 64"),
        ("channel_names", "Ann, Ben", "only with `channels=separate`"),
        ("keyterms", ",".join(f"term{at}" for at in range(101)), "101 terms; accepted are at most 100"),
        ("keyterms", "x" * 81, "1 to 80 characters"),
        ("keyterms", '["Ann", 5]', "JSON list of strings"),
        ("keyterms", "Ann, ?!", "letters or digits"),
        ("keyterms_text", "x" * 4001, "4,000"),
        ("keyterms_text", ". ".join(f"with Name{at}" for at in range(120)), "120 terms; accepted are 100 together"),
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


@pytest.mark.parametrize(
    ("form", "field"),
    [
        ({"tracks": "mix", "track": "1"}, "track"),
        ({"tracks": "mix", "channels": "separate"}, "tracks"),
        ({"channels": "separate", "known_speakers": "{}"}, "known_speakers"),
        ({"channels": "separate", "channel_names": "Ann, Ann"}, "channel_names"),
        ({"channels": "separate", "channel_names": "a,b,c,d,e,f,g,h,i"}, "channel_names"),
    ],
)
def test_what_contradicts_itself_is_refused(form: dict[str, str], field: str) -> None:
    with pytest.raises(BadParameter) as refused:
        read_transcribe_parameters(form)

    assert refused.value.parameter == field


@pytest.mark.parametrize("written", ["Ann Smith, Ben", '["Ann Smith", "Ben"]', "Ann  Smith\nBen\n"])
def test_lists_come_as_json_or_with_commas_or_lines(written: str) -> None:
    assert read_transcribe_parameters({"keyterms": written}).recognition.keyterms == ("Ann Smith", "Ben")


def test_names_of_channels_are_in_their_order() -> None:
    parameters = read_transcribe_parameters({"channels": "separate", "channel_names": "Agent, Customer"})

    assert parameters.tracks.separate
    assert parameters.channel_names == ("Agent", "Customer")


def test_a_texts_names_and_unusual_words_are_key_terms() -> None:
    agenda = (
        "The budget comes first. Dr. Okonkwo-Reyes presents it with Siobhan Nakagawa.\nThen: GPT4, kubectl2 and NATO."
    )

    assert read_transcribe_parameters({"keyterms": "Nilfgaard", "keyterms_text": agenda}).recognition.keyterms == (
        "Nilfgaard", "Okonkwo-Reyes", "Siobhan Nakagawa", "GPT4", "kubectl2", "NATO",
    )  # fmt: skip
