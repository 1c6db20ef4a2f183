import json

import pytest

from gateway.transcript.rendering import render
from gateway.transcript.segments import segment
from speech.transcript import Transcript, Word

WORDS = [Word("Hello,", 0.0, 0.41234, 0.98765), Word("world.", 0.5, 0.9, 0.8)]
TRANSCRIPT = Transcript(segment(WORDS, "en"), "en", 1.25, warnings=("Something is missing.",), text="Hello, world.")


def test_json_is_the_contracts_object() -> None:
    body, media_type = render(TRANSCRIPT, "json", model="base")
    assert media_type == "application/json"
    assert json.loads(body) == {
        "text": "Hello, world.",
        "language": "en",
        "duration": 1.25,
        "segments": [
            {
                "start": 0.0,
                "end": 0.9,
                "text": "Hello, world.",
                "confidence": 0.894,
                "words": [
                    {"word": "Hello,", "start": 0.0, "end": 0.412, "confidence": 0.988},
                    {"word": "world.", "start": 0.5, "end": 0.9, "confidence": 0.8},
                ],
            }
        ],
        "speakers": [],
        "warnings": ["Something is missing."],
        "model": "base",
    }


@pytest.mark.parametrize(("alias", "meant"), [("text", "txt"), ("verbose_json", "json")])
def test_an_alias_is_the_format_that_it_means(alias: str, meant: str) -> None:
    assert render(TRANSCRIPT, alias) == render(TRANSCRIPT, meant)


def test_text_names_a_speaker_where_one_takes_over() -> None:
    words = [
        Word("One.", 0, 1, 1, "Speaker 1"),
        Word("Two.", 1, 2, 1, "Speaker 1"),
        Word("Three.", 2, 3, 1, "Speaker 2"),
    ]
    body, _ = render(Transcript(segment(words, "en"), "en", 3.0), "txt")
    assert body == "Speaker 1: One.\nTwo.\nSpeaker 2: Three.\n"
