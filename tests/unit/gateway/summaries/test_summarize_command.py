from __future__ import annotations

import io
import json
import sys

import pytest

from gateway.cli.client import read_events
from gateway.cli.main import main
from gateway.cli.summarize import content, evidence_lines, spoken


def test_plain_text_is_taken_as_it_is() -> None:
    assert spoken("Hello. 10:30 is fine.\n") == "Hello. 10:30 is fine.\n"


def test_subtitles_lose_their_numbers_and_times() -> None:
    srt = "1\n00:00:00,000 --> 00:00:02,000\nHello there.\n\n2\n00:00:02,000 --> 00:00:03,000\nGoodbye.\n"
    vtt = "WEBVTT\n\n00:00.000 --> 00:02.000\n<v Speaker 1>Hello there.\n\n00:02.000 --> 00:03.000\nGoodbye.\n"

    assert spoken(srt) == "Hello there.\nGoodbye."
    assert spoken(vtt) == "Speaker 1: Hello there.\nGoodbye."
    assert spoken("WEBVTT\n") == ""  # nothing was said


def test_of_json_the_text_is_taken_with_its_speakers() -> None:
    segments = [{"text": "Hello.", "speaker": "Speaker 1"}, {"text": "Bye.", "speaker": None}]

    assert spoken(json.dumps({"text": "Hello. Bye.", "speakers": [], "segments": segments})) == "Hello. Bye."
    labelled = json.dumps({"text": "Hello. Bye.", "speakers": ["Speaker 1"], "segments": segments})
    assert spoken(labelled) == "Speaker 1: Hello.\nUnknown: Bye."


def test_of_json_the_segments_are_sent_with_speakers_and_times() -> None:
    segment = {"text": "I'll do it.", "speaker": "Speaker 1", "start": 1.5, "end": 2.5}
    transcript = {"text": "I'll do it.", "segments": [segment | {"words": [], "confidence": 0.9}]}

    assert content(json.dumps(transcript)) == {"segments": [segment]}
    assert content(json.dumps({"segments": [{"text": "Hello."}]})) == {
        "segments": [{"text": "Hello.", "speaker": None, "start": None, "end": None}]
    }


@pytest.mark.parametrize("text", ["Hello.", '{"text": "Hello."}', '{"text": "Hello.", "segments": []}'])
def test_what_has_no_segments_is_sent_as_text(text: str) -> None:
    assert content(text) == {"text": "Hello."}


def test_evidence_is_shown_with_time_and_speaker_where_they_are_known() -> None:
    timed = {"text": "A: call (today).", "sentences": [3], "quotes": ["I call."], "speaker": "A", "start": 4.25}
    bare = {"text": "It rains.", "sentences": [1, 2], "quotes": ["So.", "It rains."]}

    assert evidence_lines([timed, bare]) == [
        "", "A: call (today). (4.2 s, A)", "  3: I call.", "It rains.", "  1: So.", "  2: It rains."
    ]  # fmt: skip
    assert evidence_lines([]) == []


@pytest.mark.parametrize("text", ["{", '{"speakers": ["A"], "segments": ["x"]}', '{"speakers": ["A"], "segments": 5}'])
def test_what_only_looks_like_a_transcript_is_taken_as_it_is(text: str) -> None:
    assert spoken(text) == text


def test_input_that_is_no_text_is_refused(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"\xff\xfe"), errors="surrogateescape"))

    assert main(["summarize", "-"]) == 2
    assert "cannot be read" in capsys.readouterr().err


def test_events_are_read_and_pauses_skipped() -> None:
    lines = iter([": waiting", "", "event: token", 'data: {"type": "token", "token": "a"}', ""])
    assert list(read_events(lines)) == [{"type": "token", "token": "a"}]
