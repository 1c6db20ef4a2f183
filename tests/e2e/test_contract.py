"""What the published API promises, asked of a running service."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.e2e.service_process import ServiceProcess, run_service


def post(client: httpx.Client, recording: Path, **fields: str) -> httpx.Response:
    with recording.open("rb") as file:
        return client.post("/v1/transcribe", files={"file": (recording.name, file)}, data=fields)


def test_a_recording_comes_back_as_text_with_word_times(client: httpx.Client, dashwood: Path) -> None:
    answer = post(client, dashwood)

    assert answer.status_code == 200, answer.text
    transcript = answer.json()
    assert "john dashwood had then leisure to consider" in transcript["text"].lower()
    assert transcript["language"] == "en"
    assert transcript["duration"] == pytest.approx(7.1, abs=0.1)
    words = [word for segment in transcript["segments"] for word in segment["words"]]
    assert " ".join(word["word"] for word in words) == transcript["text"]
    assert all(0 <= word["start"] <= word["end"] <= transcript["duration"] for word in words)
    assert [word["start"] for word in words] == sorted(word["start"] for word in words)


def test_the_published_default_model_is_answered_by_the_stand_in(client: httpx.Client, dashwood: Path) -> None:
    answer = post(client, dashwood, model="large-v3-turbo")

    assert answer.json()["model"] == answer.headers["X-Model"] == "base"


@pytest.mark.parametrize(
    ("response_format", "media_type", "begins"),
    [
        ("txt", "text/plain", ""),
        ("text", "text/plain", ""),
        ("srt", "application/x-subrip", "1\n00:00:0"),
        ("vtt", "text/vtt", "WEBVTT\n"),
        ("verbose_json", "application/json", '{"text"'),
    ],
)
def test_every_response_format(
    client: httpx.Client, dashwood: Path, response_format: str, media_type: str, begins: str
) -> None:
    answer = post(client, dashwood, response_format=response_format)

    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith(media_type)
    assert answer.text.startswith(begins)
    assert "leisure" in answer.text


def test_what_the_service_offers_can_be_listed_without_a_key(client: httpx.Client) -> None:
    models = client.get("/v1/models").json()["models"]
    names = {language["code"]: language["name"] for language in client.get("/v1/languages").json()["languages"]}
    health = client.get("/health").json()

    assert {"large-v3-turbo", "large-v3", "medium", "small"} <= {model["id"] for model in models}
    assert names["es"] == "spanish"
    assert health["status"] == "ok"
    contract, ours = {"status", "gpu_available", "gpu_name", "gpu_memory_mb"}, {"state", "files", "live_sessions"}
    assert health.keys() - {"unconfined"} == contract | ours


def test_many_clients_at_once_get_their_own_answers(client: httpx.Client, dashwood: Path) -> None:
    young_man = dashwood.with_name("young-man.flac")
    recordings = [dashwood, young_man] * 4

    with ThreadPoolExecutor(8) as clients:
        answers = list(clients.map(lambda recording: post(client, recording).json()["text"], recordings))

    assert answers == answers[:2] * 4
    assert answers[0] != answers[1]


def test_a_file_over_the_limit_is_refused_while_it_arrives(
    service: ServiceProcess, dashwood: Path, tmp_path: Path
) -> None:
    limited = run_service(tmp_path, STT_TRITON_URLS=service.triton, STT_MEDIA_MAX_UPLOAD_BYTES="100000")
    with limited as small, httpx.Client(base_url=small.url, timeout=60) as client:
        declared = post(client, dashwood)
        streamed = client.post(
            "/v1/transcribe",
            content=(piece for piece in [FORM_HEAD, *[bytes(50_000)] * 100]),
            headers={"Content-Type": "multipart/form-data; boundary=b"},
        )
        assert not list((tmp_path / "spool").glob("*/*/upload"))

    assert declared.status_code == streamed.status_code == 413
    assert "97.6562 KB" in streamed.json()["error"]


FORM_HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
