"""What may be done with a job while it waits, while it is in work, and when it has ended."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from tests.integration.jobs.job_service import CREDITS, JobService, ended, show, until
from tests.integration.outgoing.web_server import WebAnswer


@pytest.fixture
def owner(job_service: JobService) -> Iterator[httpx.Client]:
    with job_service.owner() as owner:
        yield owner


def test_a_job_that_waits_or_is_in_work_is_cancelled_and_then_deleted(
    job_service: JobService, owner: httpx.Client
) -> None:
    with job_service.gateway.held():
        identities = [job_service.submit(owner) for _ in range(2)]
        until(lambda: show(owner, identities[0])["status"] == "processing")
        before = [show(owner, identity)["status"] for identity in identities]
        early = owner.get(f"/v1/jobs/{identities[0]}/transcript")
        cancelled = [owner.delete(f"/v1/jobs/{identity}") for identity in identities]

    assert before == ["processing", "queued"]
    assert early.status_code == 409
    for identity, answer in zip(identities, cancelled, strict=True):
        assert (answer.status_code, answer.json()["status"]) == (200, "cancelled")
        assert not answer.json()["recording_stored"]
        assert job_service.files(identity) == []
        assert owner.get(f"/v1/jobs/{identity}/transcript").status_code == 404
        deleted_for_good(job_service, owner, identity)
    assert owner.get("/v1/usage").json()["transcription"]["remaining"] == CREDITS


def test_a_job_that_is_completed_is_deleted_at_once_and_stays_paid_for(
    job_service: JobService, owner: httpx.Client
) -> None:
    identity = job_service.submit(owner)
    assert ended(owner, identity)["status"] == "completed"

    deleted_for_good(job_service, owner, identity)

    assert owner.get("/v1/usage").json()["transcription"]["remaining"] == CREDITS - 1


def test_a_job_that_failed_is_deleted_at_once(job_service: JobService, owner: httpx.Client) -> None:
    job_service.website.pages["/noise.mp3"] = lambda _: WebAnswer(200, b"no sound at all")
    identity = owner.post("/v1/jobs", json={"url": f"{job_service.web.url}/noise.mp3"}).json()["id"]
    job = ended(owner, identity)
    assert (job["status"], job["error"]["status"]) == ("failed", 400)
    assert owner.get(f"/v1/jobs/{identity}/transcript").status_code == 404

    deleted_for_good(job_service, owner, identity)

    assert owner.get("/v1/usage").json()["transcription"]["remaining"] == CREDITS


def deleted_for_good(job_service: JobService, owner: httpx.Client, identity: str) -> None:
    assert owner.delete(f"/v1/jobs/{identity}").status_code == 204
    assert job_service.files(identity) == []
    for path in ("", "/transcript", "/events"):
        assert owner.get(f"/v1/jobs/{identity}{path}").status_code == 404
    assert owner.delete(f"/v1/jobs/{identity}").status_code == 404
    assert identity not in [job["id"] for job in owner.get("/v1/jobs").json()["jobs"]]


def test_short_jobs_pass_long_ones_and_callers_are_served_in_turn(job_service: JobService, owner: httpx.Client) -> None:
    with job_service.owner() as other:
        with job_service.gateway.held():
            begun = job_service.submit(owner)
            until(lambda: show(owner, begun)["status"] == "processing")
            long = job_service.submit(owner, job_service.talk)
            many = [job_service.submit(owner) for _ in range(3)]
            others = job_service.submit(other)
        jobs = [ended(owner, identity) for identity in (begun, long, *many)] + [ended(other, others)]

    order = [job["id"] for job in sorted(jobs, key=lambda job: job["finished_at"])]
    assert order[0] == begun
    assert others in order[1:3]  # handed over last, by somebody who has no other
    assert order[-1] == long  # handed over before all of them


def test_its_events_tell_progress_and_text_as_they_come(job_service: JobService, owner: httpx.Client) -> None:
    with ExitStack() as held:
        held.enter_context(job_service.gateway.held())
        identity = job_service.submit(owner, job_service.talk)
        until(lambda: show(owner, identity)["status"] == "processing")
        with owner.stream("GET", f"/v1/jobs/{identity}/events") as answer:
            coming = events_of(answer.iter_lines())
            first = next(coming)
            held.close()
            told = list(coming)
    names = [each["event"] for each in told]
    texts = [each for each in told if each["event"] == "text"]
    headers = {"Last-Event-ID": texts[1]["id"]}
    rest = owner.get(f"/v1/jobs/{identity}/events", headers=headers).text
    transcript = owner.get(f"/v1/jobs/{identity}/transcript").json()

    assert first == {"event": "progress", "data": {"status": "processing", "progress": 0.0}}
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert names[-1] == "completed"
    assert "progress" in names[names.index("text") : -2]  # texts came in several goes
    assert [each["id"] for each in texts] == [str(number) for number in range(len(texts))]
    assert " ".join(each["data"]["text"] for each in texts) == transcript["text"]
    assert told[-1]["data"] == show(owner, identity)
    assert rest.count("event: text") == len(texts) - 2


def events_of(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    event: dict[str, Any] = {}
    for line in lines:
        name, _, value = line.partition(": ")
        if name:
            event[name] = json.loads(value) if name == "data" else value
        elif event:
            yield event
            event = {}


def test_jobs_are_listed_by_status_and_time_and_page_by_page(job_service: JobService, owner: httpx.Client) -> None:
    identities = [job_service.submit(owner) for _ in range(3)]
    jobs = [ended(owner, identity) for identity in identities]
    with job_service.gateway.held():
        waiting = job_service.submit(owner)
        middle = jobs[1]["created_at"]

        def listed(**query: str) -> list[str]:
            return [job["id"] for job in owner.get("/v1/jobs", params=query).raise_for_status().json()["jobs"]]

        newest_first = [waiting, *reversed(identities)]
        assert listed() == newest_first
        assert listed(status="completed") == newest_first[1:]
        assert listed(created_after=middle) == newest_first[:2]
        assert listed(created_before=middle) == [identities[0]]
        assert listed(created_after=middle, status="completed") == [identities[2]]
        page = owner.get("/v1/jobs", params={"limit": "2"}).json()
        owner.delete(f"/v1/jobs/{identities[2]}")  # the last one of the page: the next one goes on all the same
        rest = owner.get("/v1/jobs", params={"limit": "2", "cursor": page["next_cursor"]}).json()
        refused = [
            owner.get("/v1/jobs", params=query).status_code
            for query in ({"limit": "0"}, {"limit": "101"}, {"cursor": "x"}, {"created_after": "now"}, {"status": "x"})
        ]
        owner.delete(f"/v1/jobs/{waiting}")

    assert [job["id"] for job in page["jobs"]] == newest_first[:2]
    assert [job["id"] for job in rest["jobs"]] == [identities[1], identities[0]]
    assert refused == [400] * 5
