"""/asr and /detect-language as Bazarr asks them."""

from __future__ import annotations

import json

import httpx
import numpy as np
import pytest

from speech.tensors import Task
from tests.unit.gateway.dialects.conftest import Convert
from tests.unit.gateway.dialects.dialect_service import DialectService


def ask(service: DialectService, path: str, sound: bytes, **query: str) -> httpx.Response:
    return httpx.post(service.url + path, params=query, files={"audio_file": sound}, timeout=60)


def test_case_40_bazarr_asks_for_the_language_of_bare_samples(service: DialectService, pcm: np.ndarray) -> None:
    answer = ask(service, "/detect-language", pcm.tobytes(), encode="false").json()

    assert answer == {"detected_language": "english", "language_code": "en", "confidence": 0.99}


def test_case_40_bazarr_asks_for_subtitles_of_bare_samples(service: DialectService, pcm: np.ndarray) -> None:
    query = {"task": "transcribe", "language": "en", "output": "srt", "encode": "false", "video_file": "/films/a.mkv"}
    answer = ask(service, "/asr", pcm.tobytes(), **query)

    assert answer.text.startswith("1\n00:00:") and "said0" in answer.text
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["asr-engine"] and answer.headers["content-disposition"].endswith('.srt"')
    assert service.models.requests[0].language == "en"


def test_case_40_a_translation_is_english(service: DialectService, pcm: np.ndarray) -> None:
    answer = ask(service, "/asr", pcm.tobytes(), task="translate", language="id", output="srt", encode="false")

    assert "translated0" in answer.text
    assert service.models.requests[0].task is Task.TRANSLATE


@pytest.mark.parametrize(
    ("query", "sound", "status", "told"),
    [
        ({"output": "docx"}, b"x", 400, "`output`"),
        ({"language": "klingon"}, b"x", 400, "`language`"),
        ({}, b"no sound", 400, "not a recording"),
        ({}, b"", 400, "empty"),
        ({"encode": "false"}, b"", 400, "empty"),
        ({"encode": "perhaps"}, b"x", 400, "`encode`"),
    ],
)
def test_case_40_an_error_is_no_subtitle(
    service: DialectService, query: dict[str, str], sound: bytes, status: int, told: str
) -> None:
    answer = ask(service, "/asr", sound, **query)

    assert (answer.status_code, answer.text) == (status, "")
    assert told in answer.headers["x-error"]


def test_case_40_errors_of_keys_and_addresses_have_no_body_either(service: DialectService) -> None:
    wrong = httpx.post(f"{service.url}/asr", headers={"Authorization": "Bearer stt_wrong"})
    get = httpx.get(f"{service.url}/asr")

    assert [(answer.status_code, answer.text) for answer in (wrong, get)] == [(401, ""), (405, "")]


def test_case_40_every_output(service: DialectService, convert: Convert) -> None:
    sound = convert("-f", "mp3")
    answers = {
        output: ask(service, "/asr", sound, output=output) for output in ("", "txt", "vtt", "srt", "tsv", "json")
    }

    assert answers[""].text == answers["txt"].text == answers["txt"].text.strip() + "\n"
    assert answers["vtt"].text.startswith("WEBVTT")
    head, first, *_ = answers["tsv"].text.splitlines()
    assert head == "start\tend\ttext"
    start, end, text = first.split("\t")
    assert 0 <= int(start) < int(end) < 8000 and text.startswith("said0")
    fields = json.loads(answers["json"].text)
    assert fields["text"] == answers["txt"].text.strip() and fields["language"] == "en"
    assert {"id", "start", "end", "text"} == fields["segments"][0].keys()


def test_words_and_speakers_on_request(service: DialectService, clip: bytes) -> None:
    query = {"output": "json", "word_timestamps": "true", "diarize": "true"}
    segment = json.loads(ask(service, "/asr", clip, **query).text)["segments"][0]

    assert segment["speaker"] == "Speaker 1"
    assert segment["words"][0]["word"] == " said0"


def test_silence_has_no_language(service: DialectService) -> None:
    answer = ask(service, "/detect-language", bytes(64_000), encode="false").json()

    assert answer == {"detected_language": "english", "language_code": "en", "confidence": 0.0}
