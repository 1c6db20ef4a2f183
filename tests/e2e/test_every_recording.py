"""Every kind of file, several languages, and sound without speech, through the whole service."""

from pathlib import Path

import httpx
import jiwer
import pytest

from tests.media_files import BROKEN, FAMILIES, SECONDS, make_broken, make_media
from tests.recordings import TestRecording, recordings

SAID = (
    "and mister john dashwood had then leisure to consider how much there might be "
    "prudently in his power to do for them"
)


def post(client: httpx.Client, name: str, content: bytes) -> httpx.Response:
    return client.post("/v1/transcribe", files={"file": (name, content)}, data={"model": "base"})


def transcribe(client: httpx.Client, recording: TestRecording) -> dict[str, object]:
    answer = post(client, recording.path.name, recording.path.read_bytes())
    assert answer.status_code == 200, answer.text
    answered: dict[str, object] = answer.json()
    return answered


def plain(text: object) -> str:
    kept = "".join(letter for letter in str(text).lower() if letter.isalnum() or letter in " '")
    return " ".join(kept.replace("mr ", "mister ").split())


@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_of_containers_is_transcribed_whole(
    client: httpx.Client, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = make_media(name, tmp_path_factory.mktemp("media"))

    answer = post(client, name, path.read_bytes())

    assert answer.status_code == 200, answer.text
    assert answer.json()["duration"] == pytest.approx(SECONDS, abs=0.15)
    said = plain(answer.json()["text"])
    assert said.startswith("and mister john")
    assert jiwer.wer(SAID, said) <= 0.2


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_file_is_refused_or_its_rest_is_transcribed_with_a_warning(
    client: httpx.Client, name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    answer = post(client, name, make_broken(name, tmp_path_factory.mktemp("broken")).read_bytes())

    assert answer.status_code in (200, 400), answer.text
    assert answer.json()["warnings"] if answer.status_code == 200 else answer.json()["error"]


@pytest.mark.parametrize("recording", recordings("E-nonspeech"), ids=lambda each: each.id)
def test_sound_without_speech_has_no_words(client: httpx.Client, recording: TestRecording) -> None:
    assert transcribe(client, recording)["text"] == ""


@pytest.mark.parametrize("recording", recordings("A-read", "A-telephone"), ids=lambda each: each.id)
def test_english_is_written_down(client: httpx.Client, recording: TestRecording) -> None:
    answer = transcribe(client, recording)

    assert answer["language"] == "en"
    assert jiwer.wer(plain(recording.text), plain(answer["text"])) <= 0.35  # of a single clip, with the base model


@pytest.mark.parametrize("recording", recordings("B-langid"), ids=lambda each: each.id)
def test_the_language_of_a_recording_is_told(client: httpx.Client, recording: TestRecording) -> None:
    answer = transcribe(client, recording)

    assert answer["language"] == recording.language
    assert len(str(answer["text"]).split()) > 10


def test_each_channel_of_a_call_is_a_speaker(client: httpx.Client, call: Path) -> None:
    form = {"language": "en", "channels": "separate", "channel_names": "Agent, Customer"}

    answer = client.post("/v1/transcribe", files={"file": call.read_bytes()}, data=form).json()

    assert answer["speakers"] == ["Agent", "Customer"]
    starts = [segment["start"] for segment in answer["segments"]]
    assert starts == sorted(starts)
    first = " ".join(segment["text"] for segment in answer["segments"] if segment["speaker"] == "Agent")
    assert "Dashwood" in first
    assert all(segment["start"] > 7 for segment in answer["segments"] if segment["speaker"] == "Customer")


def test_a_track_that_is_not_there_is_refused(client: httpx.Client, dashwood: Path) -> None:
    refused = client.post("/v1/transcribe", files={"file": dashwood.read_bytes()}, data={"track": "2"})

    assert refused.status_code == 400
    assert "accepted are 1" in refused.json()["error"]
