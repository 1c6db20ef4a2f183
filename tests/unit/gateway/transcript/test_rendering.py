import json

import pytest

from gateway.transcript.rendering import MAX_HEADER, read_fields, render, warnings_header
from gateway.transcript.segments import segment
from speech.transcript import Coverage, SpeechGap, Transcript, Word

WORDS = [Word("Hello,", 0.0, 0.41234, 0.98765), Word("world.", 0.5, 0.9, 0.8)]
TRANSCRIPT = Transcript(
    segment(WORDS, "en"),
    "en",
    1.25,
    warnings=("Something is missing.",),
    text="Hello, world.",
    coverage=Coverage(1.2, 0.6, (SpeechGap(0.0, 0.6),)),
)


def test_json_is_the_contracts_object() -> None:
    body, media_type = render(TRANSCRIPT, "json", model="base")
    assert media_type == "application/json"
    assert json.loads(body) == {
        "text": "Hello, world.",
        "language": "en",
        "languages": ["en"],
        "duration": 1.25,
        "segments": [
            {
                "start": 0.0,
                "end": 0.9,
                "text": "Hello, world.",
                "language": "en",
                "confidence": 0.894,
                "words": [
                    {"word": "Hello,", "start": 0.0, "end": 0.412, "confidence": 0.988},
                    {"word": "world.", "start": 0.5, "end": 0.9, "confidence": 0.8},
                ],
            }
        ],
        "speakers": [],
        "warnings": ["Something is missing."],
        "coverage": {"speech_seconds": 1.2, "covered_seconds": 0.6, "gaps": [{"start": 0.0, "end": 0.6}]},
        "model": "base",
    }


def test_json_is_read_back() -> None:
    assert read_fields(json.loads(render(TRANSCRIPT, "json")[0])).coverage == TRANSCRIPT.coverage


def test_text_names_a_speaker_where_one_takes_over() -> None:
    words = [
        Word("One.", 0, 1, 1, "Speaker 1"),
        Word("Two.", 1, 2, 1, "Speaker 1"),
        Word("Three.", 2, 3, 1, "Speaker 2"),
    ]
    body, _ = render(Transcript(segment(words, "en"), "en", 3.0), "txt")
    assert body == "Speaker 1: One.\nTwo.\nSpeaker 2: Three.\n"


def conversation() -> Transcript:
    said = [
        Word("Who", 0.0, 0.3, 0.9, "Speaker 1"),
        Word("calls?", 0.3, 0.6, 0.9, "Speaker 1"),
        Word("Me.", 1.0, 1.3, 0.9, "Speaker 2"),
    ]
    return Transcript(segment(said, "en"), "en", 3.0, ("Speaker 1", "Speaker 2"))


def test_srt_names_who_takes_over() -> None:
    body, _ = render(conversation(), "srt")
    assert "Speaker 1: Who calls?" in body
    assert "Speaker 2: Me." in body


def test_vtt_names_speakers_by_voice_tags() -> None:
    body, _ = render(conversation(), "vtt")
    assert "<v Speaker 1>Who calls?" in body


@pytest.mark.parametrize("response_format", ["txt", "srt", "vtt"])
def test_the_names_can_be_turned_off(response_format: str) -> None:
    body, _ = render(conversation(), response_format, labels=False)
    assert "Speaker" not in body
    assert "Who calls?" in body


@pytest.mark.parametrize("response_format", ["txt", "srt"])
def test_one_speaker_alone_is_not_announced(response_format: str) -> None:
    alone = Transcript(conversation().segments[:1], "en", 3.0, ("Speaker 1",))
    assert "Speaker" not in render(alone, response_format)[0]


def test_json_ends_with_its_line() -> None:
    assert render(Transcript((), "en", 1.0), "json")[0].endswith("}\n")


def test_warnings_are_notes_in_vtt() -> None:
    transcript = Transcript((), "en", 1.0, warnings=("Damaged:\n\nparts --> missing.", "Silent."))

    assert render(transcript, "vtt")[0] == "WEBVTT\n\nNOTE Damaged: parts → missing.\n\nNOTE Silent.\n"


def test_the_header_of_warnings_is_ascii_and_bounded() -> None:
    few = ["The file is “damaged”.", "Ünü\r\nX-Evil: 1"]
    many = warnings_header([f"{number}: {'ü' * 400}" for number in range(50)])

    assert json.loads(warnings_header(few)) == few
    assert warnings_header(few).isascii() and warnings_header(few).isprintable()
    assert len(many) <= MAX_HEADER
    assert json.loads(many)[-1].endswith("warnings more are in the JSON answer.")
