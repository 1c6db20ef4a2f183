"""Who speaks in a live session, and where its turns end, as a client is told."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.recognition.diarized_recognizer import FAILED
from tests.recordings import DATA, read_pcm
from tests.unit.gateway.dialects.dialect_service import DialectService
from tests.unit.gateway.routes.test_stream_sound import talk

SAID = read_pcm(DATA / "dashwood.flac").tobytes()


def words_of(told: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [word for message in told if message["type"] == "transcript" for word in message["words"]]


@pytest.mark.parametrize("start", [0, 80_000], ids=["from the start", "resumed"])
def test_words_and_the_end_name_who_speaks(service: DialectService, start: int) -> None:
    resume = {"resume": {"session": "live_1", "position": start}} if start else {}
    told, code = talk(service, {"language": "en", "diarize": True, **resume}, SAID)
    words, last = words_of(told), told[-1]

    assert (code, last["warnings"]) == (1000, [])
    assert {word["speaker"] for word in words} == {"Speaker 1"}
    assert last["speakers"] == ["Speaker 1"]
    assert {piece["speaker"] for piece in last["segments"]} == {"Speaker 1"}
    parts = [(word["word"], word["start"]) for piece in last["segments"] for word in piece["words"]]
    assert parts == [(word["word"], word["start"]) for word in words]
    assert parts[0][1] >= start / 16_000


def test_speakers_that_cannot_be_told_apart_cost_the_speakers_alone(service: DialectService) -> None:
    service.models.deaf = True
    told, code = talk(service, {"language": "en", "diarize": True}, SAID)
    words, last = words_of(told), told[-1]

    assert (code, last["warnings"]) == (1000, [FAILED])
    assert len(words) > 5 and not any("speaker" in word for word in words)
    assert last["speakers"] == []
    assert len([word for piece in last["segments"] for word in piece["words"]]) == len(words)


def test_who_does_not_ask_hears_of_no_speakers_and_no_turns(service: DialectService) -> None:
    told, _ = talk(service, {"language": "en"}, SAID)

    assert not any("speaker" in word for word in words_of(told))
    assert "segments" not in told[-1] and "speakers" not in told[-1]
    assert "turn" not in [message["type"] for message in told]


def test_turns_are_told_in_the_time_of_the_whole_session(service: DialectService) -> None:
    resume = {"session": "live_1", "position": 80_000}
    told, _ = talk(service, {"language": "en", "end_of_turn": "pause", "resume": resume}, SAID)
    turns = [message for message in told if message["type"] == "turn"]

    assert [turn["event"] for turn in turns] == ["end"]
    assert 5.0 <= turns[0]["start"] < turns[0]["time"] <= 5.0 + len(SAID) / 32_000
