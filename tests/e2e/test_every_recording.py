"""Every kind of file, and sound without speech, through the whole service."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

SPEECH = Path(__file__).parents[2].parent / "shared" / "speech"


def recordings(group: str) -> list[Any]:
    if not (SPEECH / "manifest.jsonl").is_file():
        return [pytest.param({}, marks=pytest.mark.skip(reason=f"{SPEECH} is not here"))]
    entries = [json.loads(line) for line in (SPEECH / "manifest.jsonl").read_text().splitlines()]
    return [pytest.param(entry, id=entry["id"]) for entry in entries if entry["group"] == group]


def post(client: httpx.Client, entry: dict[str, Any]) -> httpx.Response:
    path = SPEECH / entry["path"]
    return client.post("/v1/transcribe", files={"file": (path.name, path.read_bytes())}, data={"model": "base"})


@pytest.mark.parametrize("entry", recordings("E-format"))
def test_every_container_and_codec_is_transcribed_whole(client: httpx.Client, entry: dict[str, Any]) -> None:
    answer = post(client, entry)

    assert answer.status_code == 200, answer.text
    assert answer.json()["duration"] == pytest.approx(entry["duration"], abs=0.15)
    if entry["text"]:
        words = answer.json()["text"].lower().rstrip(".").split()
        assert words[:4] == ["he", "should", "make", "inquiries"]
        assert words[-2:] == ["last", "taken"]
        assert len(words) == pytest.approx(len(entry["text"].split()), abs=2)


@pytest.mark.parametrize("entry", recordings("E-nonspeech"))
def test_sound_without_speech_has_no_words(client: httpx.Client, entry: dict[str, Any]) -> None:
    answer = post(client, entry)

    assert answer.status_code == 200, answer.text
    assert answer.json()["text"] == ""


@pytest.mark.parametrize("entry", recordings("E-bad"))
def test_a_broken_file_is_refused_or_its_rest_is_transcribed_with_a_warning(
    client: httpx.Client, entry: dict[str, Any]
) -> None:
    answer = post(client, entry)

    assert answer.status_code in (200, 400), answer.text
    assert answer.json()["warnings"] if answer.status_code == 200 else answer.json()["error"]
