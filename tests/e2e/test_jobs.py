"""Jobs of a running service: handed over, followed, fetched in any format, changed, deleted."""

from __future__ import annotations

import html
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.described_api import DescribedApi, events
from tests.e2e.service_process import ServiceProcess, stt_keys

PATIENCE = 120.0  # seconds: the machine may be busy


@pytest.fixture(scope="module")
def owner(service: ServiceProcess, described: DescribedApi, key: str) -> Iterator[httpx.Client]:
    hooks = {"response": [httpx.Response.read, described.check]}
    headers = {"Authorization": f"Bearer {key}"}
    with httpx.Client(base_url=service.url, timeout=300, event_hooks=hooks, headers=headers) as client:
        yield client


@pytest.fixture(scope="module")
def completed(owner: httpx.Client, dashwood: Path) -> dict[str, Any]:
    fields = {"metadata": '{"ticket": 4711}', "language": "en"}
    return ended(owner, submit(owner, dashwood, fields).json()["id"])


def submit(owner: httpx.Client, path: Path, fields: dict[str, str], key: str | None = None) -> httpx.Response:
    headers = {} if key is None else {"Idempotency-Key": key}
    return owner.post("/v1/jobs", data=fields, files={"file": (path.name, path.read_bytes())}, headers=headers)


def ended(owner: httpx.Client, identity: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while True:
        job: dict[str, Any] = owner.get(f"/v1/jobs/{identity}").json()
        if job["status"] not in ("queued", "processing"):
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)


def test_a_job_gives_the_transcript_that_a_call_would_have_given(
    owner: httpx.Client, completed: dict[str, Any], dashwood: Path
) -> None:
    files = {"file": (dashwood.name, dashwood.read_bytes())}
    called = owner.post("/v1/transcribe", data={"language": "en"}, files=files).json()

    fetched = owner.get(f"/v1/jobs/{completed['id']}/transcript").json()

    assert fetched["text"] == called["text"]
    assert fetched["speakers"] == called["speakers"]
    assert completed["metadata"] == {"ticket": 4711}
    assert completed["status"] == "completed"
    assert completed["progress"] == 1.0
    assert completed["duration"] == called["duration"]


@pytest.mark.parametrize(
    ("shape", "media", "begins"),
    [("txt", "text/plain", ""), ("srt", "application/x-subrip", "1\n00:00:00"), ("vtt", "text/vtt", "WEBVTT")],
)
def test_its_transcript_is_had_in_every_format(
    owner: httpx.Client, completed: dict[str, Any], shape: str, media: str, begins: str
) -> None:
    answer = owner.get(f"/v1/jobs/{completed['id']}/transcript", params={"response_format": shape})

    assert answer.headers["content-type"].startswith(media)
    assert answer.text.startswith(begins)
    assert "Dashwood" in answer.text


def test_its_events_end_with_the_job(owner: httpx.Client, completed: dict[str, Any]) -> None:
    told = [line for line in owner.get(f"/v1/jobs/{completed['id']}/events").text.split("\n\n") if line]
    without_ids = "\n\n".join(block.partition("\n")[2] if block.startswith("id:") else block for block in told)
    found = events(without_ids)

    assert [name for name, _ in found] == ["text", "completed"]
    assert "Dashwood" in found[0][1]["text"]
    assert found[-1][1]["id"] == completed["id"]


def test_it_costs_its_length_once(service: ServiceProcess, dashwood: Path) -> None:
    own = stt_keys(service.data, "create", "--tier", "paid", "--credits", "10").stdout.strip()
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {own}"}) as owner:
        first = submit(owner, dashwood, {}, key="once")
        again = submit(owner, dashwood, {}, key="once")
        other = submit(owner, dashwood, {"language": "en"}, key="once")
        ended(owner, first.json()["id"])
        usage = owner.get("/v1/usage").json()["transcription"]

        assert again.json()["id"] == first.json()["id"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert other.status_code == 400
        assert (usage["remaining"], usage["requests"]) == (9, 1)


@pytest.fixture(scope="module")
def talked(owner: httpx.Client, call: Path) -> dict[str, Any]:
    """A job with two speakers."""
    form = {"language": "en", "channels": "separate", "channel_names": "Agent, Customer"}
    return ended(owner, submit(owner, call, form).json()["id"])


def test_each_channel_of_its_recording_may_be_a_speaker(owner: httpx.Client, talked: dict[str, Any]) -> None:
    fetched = owner.get(f"/v1/jobs/{talked['id']}/transcript").json()

    assert fetched["speakers"] == ["Agent", "Customer"]
    assert "Dashwood" in " ".join(each["text"] for each in fetched["segments"] if each["speaker"] == "Agent")
    assert fetched["duration"] == talked["duration"]


def test_names_and_corrections_are_in_every_format(owner: httpx.Client, talked: dict[str, Any]) -> None:
    path = f"/v1/jobs/{talked['id']}"
    first = owner.get(f"{path}/transcript").json()["segments"][0]
    named = {first["speaker"]: "Jane & Co"}

    changed = owner.patch(path, json={"speakers": named, "words": [{"segment": 0, "word": 0, "text": "Mistress"}]})

    def transcript(**query: str) -> str:
        return owner.get(f"{path}/transcript", params=query).raise_for_status().text

    assert changed.status_code == 200
    for shape in ("json", "txt", "srt", "vtt"):
        text = transcript(response_format=shape)
        assert "Mistress" in text, shape
        assert "Jane & Co" in html.unescape(text), shape
        assert first["speaker"] not in text, shape
    for shape in ("txt", "srt", "vtt"):
        assert "Jane" not in transcript(response_format=shape, speaker_labels="false"), shape
    narrow = transcript(response_format="srt", subtitle_columns="20").splitlines()
    assert max(len(line) for line in narrow if "-->" not in line) <= 20
    assert max(map(len, transcript(response_format="srt", subtitle_columns="60").splitlines())) > 30
    assert owner.get(f"{path}/transcript", params={"subtitle_columns": "19"}).status_code == 400


def test_nobody_else_sees_it(
    service: ServiceProcess, owner: httpx.Client, completed: dict[str, Any], described: DescribedApi
) -> None:
    stranger = {"Authorization": f"Bearer {stt_keys(service.data, 'create').stdout.strip()}"}
    path = f"/v1/jobs/{completed['id']}"
    with httpx.Client(base_url=service.url, headers=stranger) as client:
        answers = [
            client.get(path),
            client.get(f"{path}/transcript"),
            client.delete(path),
            client.get(f"{path}/events"),
        ]
        assert [answer.status_code for answer in answers] == [404] * 4
        assert client.get("/v1/jobs").json()["jobs"] == []
    for method, address in (("GET", "/v1/jobs"), ("POST", "/v1/jobs"), ("GET", path), ("DELETE", path)):
        answer = httpx.request(method, f"{service.url}{address}")
        described.check(answer)
        assert answer.status_code == 401

    assert owner.get(path).status_code == 200


def test_jobs_are_listed_newest_first_and_page_by_page(owner: httpx.Client, completed: dict[str, Any]) -> None:
    whole = owner.get("/v1/jobs", params={"limit": "100", "status": "completed"}).json()["jobs"]
    pages: list[str] = []
    cursor = ""
    while cursor is not None:
        page = owner.get("/v1/jobs", params={"limit": "1", "cursor": cursor, "status": "completed"}).json()
        pages += [job["id"] for job in page["jobs"]]
        cursor = page["next_cursor"]

    assert completed["id"] in pages
    assert pages == [job["id"] for job in whole]
    assert owner.get("/v1/jobs", params={"created_before": completed["created_at"]}).json()["jobs"] == []
    assert owner.get("/v1/jobs", params={"status": "done"}).status_code == 400


def test_its_speakers_are_named_and_its_words_corrected(owner: httpx.Client, dashwood: Path) -> None:
    identity = ended(owner, submit(owner, dashwood, {"language": "en"}).json()["id"])["id"]
    before = owner.get(f"/v1/jobs/{identity}/transcript").json()
    changes = {
        "speakers": {before["speakers"][0]: "Reader"},
        "words": [{"segment": 0, "word": 0, "text": "Mister"}],
        "metadata": {"checked": True},
    }

    changed = owner.patch(f"/v1/jobs/{identity}", json=changes)
    after = owner.get(f"/v1/jobs/{identity}/transcript").json()

    assert changed.json()["metadata"] == {"checked": True}
    assert after["speakers"][0] == "Reader"
    assert after["text"].startswith("Mister ")
    assert after["segments"][0]["words"][0]["start"] == before["segments"][0]["words"][0]["start"]
    assert owner.patch(f"/v1/jobs/{identity}", json={"words": [{"segment": 999, "word": 0, "text": "x"}]}).is_error


def transcript_of(owner: httpx.Client, identity: str, **query: str) -> str:
    return owner.get(f"/v1/jobs/{identity}/transcript", params=query).raise_for_status().text


def test_its_summary_is_written_with_it_and_counted_once(full: ServiceProcess, dashwood: Path) -> None:
    own = stt_keys(full.data, "create", "--tier", "paid", "--credits", "10").stdout.strip()
    with httpx.Client(base_url=full.url, headers={"Authorization": f"Bearer {own}"}, timeout=300) as owner:
        before = owner.get("/v1/usage").json()
        job = ended(owner, submit(owner, dashwood, {"language": "en", "summary": "headline"}).json()["id"])
        after = owner.get("/v1/usage").json()

    assert job["status"] == "completed"
    assert job["summary"]["style"] == "headline"
    assert job["summary"]["text"]
    assert job["summary"]["model"] == "smollm2-135m-instruct"
    assert after["summaries"]["requests"] == before["summaries"]["requests"] + 1
    assert after["transcription"]["remaining"] == 9


def test_a_job_whose_summary_cannot_be_written_is_completed_and_says_why(owner: httpx.Client, dashwood: Path) -> None:
    job = ended(owner, submit(owner, dashwood, {"language": "en", "summary": "brief"}).json()["id"])

    assert job["status"] == "completed"
    assert job["error"] is None
    assert "turned off" in job["summary"]["error"]
    assert "Dashwood" in transcript_of(owner, job["id"])


def test_one_that_is_in_work_is_cancelled_and_then_deleted(
    service: ServiceProcess, owner: httpx.Client, long_recording: Path
) -> None:
    identity = submit(owner, long_recording, {}).json()["id"]
    path = f"/v1/jobs/{identity}"

    cancelled = owner.delete(path)
    stored = list((service.data / "jobs").glob(f"{identity}/*"))
    removed = owner.delete(path)

    assert cancelled.json()["status"] == "cancelled"
    assert stored == []
    assert removed.status_code == 204
    assert owner.get(path).status_code == 404


def test_what_cannot_be_a_job_is_refused_at_once(owner: httpx.Client, dashwood: Path, tmp_path: Path) -> None:
    noise = tmp_path / "noise.mp3"
    noise.write_bytes(b"no sound at all")

    refused = [
        submit(owner, noise, {}),
        submit(owner, dashwood, {"metadata": "[1]"}),
        submit(owner, dashwood, {"metadata": json.dumps({"a": "b" * 5000})}),
        submit(owner, dashwood, {"summary": "long"}),
        submit(owner, dashwood, {"language": "klingon"}),
        owner.post("/v1/jobs", files={"other": b"x"}),
    ]

    assert [answer.status_code for answer in refused] == [400] * 6


def test_a_job_that_fails_says_why_and_costs_nothing(service: ServiceProcess, long_recording: Path) -> None:
    own = stt_keys(service.data, "create", "--tier", "paid", "--credits", "3").stdout.strip()
    with httpx.Client(base_url=service.url, headers={"Authorization": f"Bearer {own}"}) as owner:
        job = ended(owner, submit(owner, long_recording, {}).json()["id"])

        assert job["status"] == "failed"
        assert job["error"]["status"] == 402
        assert "4 credits" in job["error"]["message"]
        assert owner.get(f"/v1/jobs/{job['id']}/transcript").status_code == 404
        assert owner.get("/v1/usage").json()["transcription"]["remaining"] == 3


def test_a_request_whose_json_stands_still_is_given_up(full: ServiceProcess) -> None:
    secret = stt_keys(full.data, "create", "--tier", "paid", "--credits", "10").stdout.strip()

    def begun() -> Iterator[bytes]:
        yield b'{"url": '
        time.sleep(3)  # longer than the service waits
        yield b'"https://host/a.mp3"}'

    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    answer = httpx.post(f"{full.url}/v1/jobs", content=begun(), headers=headers, timeout=60)

    assert answer.status_code == 408
