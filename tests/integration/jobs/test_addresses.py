"""Recordings are fetched from addresses, and the end of a job is told to one."""

from __future__ import annotations

import json
import threading
from typing import Any

import httpx
import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from tests.integration.jobs.gateways import SPEECH
from tests.integration.jobs.job_service import JobService, ended, show, until
from tests.integration.outgoing.web_server import SeenRequest, WebAnswer

HEARD = WebAnswer(204)


def test_a_recording_is_fetched_and_its_end_is_told_until_it_is_heard(job_service: JobService) -> None:
    answers = iter([WebAnswer(500)])
    job_service.website.pages["/heard"] = lambda _: next(answers, HEARD)
    with job_service.owner() as owner, job_service.owner() as stranger:
        web = job_service.web.url
        asked = {"url": f"{web}/talk.flac", "webhook_url": f"{web}/heard", "metadata": {"ticket": 1}}
        job = ended(owner, owner.post("/v1/jobs", json=asked).json()["id"])
        until(lambda: len(job_service.told("/heard")) == 2)
        wait_until_delivered(owner, job["id"])
        again = owner.post(f"/v1/jobs/{job['id']}/webhook")
        until(lambda: len(job_service.told("/heard")) == 3)
        secret, other = (each.get("/v1/webhooks/secret").json()["secret"] for each in (owner, stranger))
        renewed = owner.post("/v1/webhooks/secret").json()["secret"]

    assert job["status"] == "completed"
    assert job["file_name"] == "talk.flac"
    assert again.status_code == 202
    told = job_service.told("/heard")
    messages = [Webhook(secret).verify(each.body, each.headers) for each in told]
    assert {message["type"] for message in messages} == {"job.completed"}
    assert {message["data"]["id"] for message in messages} == {job["id"]}
    assert {each.headers["webhook-id"] for each in told} == {f"msg_{job['id']}"}
    for wrong in (other, renewed):
        with pytest.raises(WebhookVerificationError):
            Webhook(wrong).verify(told[0].body, told[0].headers)


def wait_until_delivered(owner: httpx.Client, identity: str) -> None:
    until(lambda: show(owner, identity)["webhook"]["state"] == "delivered")


def test_that_a_job_was_cancelled_is_told_too(job_service: JobService) -> None:
    with job_service.owner() as owner:
        with job_service.gateway.held():
            identity = job_service.submit(owner, webhook_url=f"{job_service.web.url}/cancelled")
            owner.delete(f"/v1/jobs/{identity}")
        wait_until_delivered(owner, identity)

    told = [json.loads(each.body) for each in job_service.told("/cancelled")]
    assert [(each["type"], each["data"]["status"]) for each in told] == [("job.cancelled", "cancelled")]


def test_a_receiver_that_hangs_keeps_nobody_waiting_and_is_not_told_twice(job_service: JobService) -> None:
    released = threading.Event()

    def hang(_: SeenRequest) -> WebAnswer:
        released.wait(60)
        return HEARD

    job_service.website.pages["/hangs"] = hang
    web = job_service.web.url
    with job_service.owner() as owner, job_service.owner() as other:
        try:
            hanging = job_service.submit(owner, webhook_url=f"{web}/hangs")
            until(lambda: job_service.told("/hangs"))
            for each in (owner, other):
                identity = job_service.submit(each, webhook_url=f"{web}/meanwhile")
                wait_until_delivered(each, identity)
            again = owner.post(f"/v1/jobs/{hanging}/webhook")
        finally:
            released.set()
        wait_until_delivered(owner, hanging)

    assert len(job_service.told("/meanwhile")) == 2
    assert again.status_code == 409
    assert int(again.headers["Retry-After"]) > 0
    assert len(job_service.told("/hangs")) == 1


def test_a_call_may_name_an_address_too(job_service: JobService) -> None:
    with job_service.owner() as owner:
        sent = owner.post("/v1/transcribe", files={"file": ("talk.flac", SPEECH.read_bytes())})
        form = {"url": (None, f"{job_service.web.url}/talk.flac")}
        fetched = owner.post("/v1/transcribe", files=form, headers={"Idempotency-Key": "once"})
        again = owner.post("/v1/transcribe", files=form, headers={"Idempotency-Key": "once"})

        assert fetched.status_code == 200
        assert fetched.json()["segments"] == sent.json()["segments"]
        assert again.headers["Idempotency-Replayed"] == "true"
        assert owner.get("/v1/usage").json()["transcription"]["remaining"] == 998


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/transcribe"])
@pytest.mark.parametrize(
    "address",
    [
        *(
            "http://10.0.0.1/a.mp3",
            "http://127.1/a.mp3",
            "http://[::1]/a.mp3",
            "http://169.254.169.254/latest/meta-data",
        ),
        *("http://localhost/a.mp3", "http://127.0.0.1:22/", "ftp://host/a.mp3", "file:///etc/passwd"),
    ],
)
def test_an_address_that_is_not_asked_is_refused_at_once(job_service: JobService, path: str, address: str) -> None:
    with job_service.owner() as owner:
        refused = owner.post(path, files={"url": (None, address)})
        jobs = owner.get("/v1/jobs").json()["jobs"]

    assert refused.status_code == 400
    assert "`url`" in refused.json()["error"]
    assert jobs == []


def test_a_webhook_to_a_private_address_is_refused_at_once(job_service: JobService) -> None:
    with job_service.owner() as owner:
        asked: dict[str, Any] = {"url": f"{job_service.web.url}/a.mp3", "webhook_url": "http://localhost/heard"}
        refused = owner.post("/v1/jobs", json=asked)

    assert refused.status_code == 400
    assert "`webhook_url` leads to a private address" in refused.json()["error"]


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/transcribe"])
@pytest.mark.parametrize("other", ["url", "upload"])
def test_a_request_is_about_one_recording(job_service: JobService, path: str, other: str) -> None:
    fields = {"url": f"{job_service.web.url}/once.flac", "upload": "0" * 32}
    with job_service.owner() as owner:
        files = {"file": ("talk.flac", SPEECH.read_bytes())}
        beside_a_file = owner.post(path, files=files, data={other: fields[other]})
        both = owner.post(path, files={name: (None, value) for name, value in fields.items()})

    assert beside_a_file.status_code == both.status_code == 400
    assert f"There are `file` and `{other}`; send one of them." in beside_a_file.json()["error"]
    assert "There are `url` and `upload`" in both.json()["error"]
    assert "/once.flac" not in [request.path for request in job_service.web.seen]


def test_what_is_fetched_counts_among_the_bytes_of_the_spool(job_service: JobService) -> None:
    large = WebAnswer(200, headers={"Content-Length": str(64 * 1024**2)})
    job_service.website.pages["/large.mp3"] = lambda _: large
    with job_service.owner() as owner:
        called = owner.post("/v1/transcribe", files={"url": (None, f"{job_service.web.url}/large.mp3")})
        smaller = owner.post("/v1/transcribe", files={"url": (None, f"{job_service.web.url}/talk.flac")})

    assert called.status_code == 503
    assert int(called.headers["Retry-After"]) > 0
    assert smaller.status_code == 200
