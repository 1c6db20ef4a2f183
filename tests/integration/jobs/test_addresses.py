"""A recording is fetched from an address, and its end is told to another one."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
from standardwebhooks import Webhook

from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import PATIENCE, gateways, recording, show, wait_for
from tests.integration.outgoing.web_server import SeenRequest, WebAnswer, WebServer, serving


async def test_a_recording_is_fetched_and_its_end_is_told_until_it_is_heard(tmp_path: Path) -> None:
    store = AccountStore(f"sqlite:///{tmp_path / 'accounts.db'}")
    await store.migrate()
    key = await store.key(credits=10)
    talk = recording(tmp_path / "talk.flac", 20).read_bytes()

    def answer(request: SeenRequest) -> WebAnswer:
        if request.method == "GET":
            return WebAnswer(200, talk)
        return WebAnswer(500 if len(_told(web)) == 1 else 204)

    headers = {"Authorization": f"Bearer {key}"}
    with serving(answer) as web:
        allowed = {"STT_OUTGOING_PORTS": str(web.port), "STT_OUTGOING_PRIVATE_HOSTS": "127.0.0.1"}
        with gateways(tmp_path, "", [0.01], **allowed) as (gateway,):
            asked = {"url": f"{web.url}/talk.flac", "webhook_url": f"{web.url}/heard", "metadata": {"ticket": 1}}
            accepted = httpx.post(f"{gateway.url}/v1/jobs", json=asked, headers=headers, timeout=PATIENCE)
            job = wait_for(gateway, key, accepted.json()["id"])
            _wait_for_webhooks(web, 2)
            again = httpx.post(f"{gateway.url}/v1/jobs/{job['id']}/webhook", headers=headers, timeout=PATIENCE)
            _wait_for_webhooks(web, 3)
            secret = show(gateway, key, "/v1/webhooks/secret")["secret"]
            refused = httpx.post(
                f"{gateway.url}/v1/jobs", json={"url": "http://127.0.0.1:22/"}, headers=headers, timeout=PATIENCE
            )

    assert job["status"] == "completed"
    assert job["file_name"] == "talk.flac"
    assert again.status_code == 202
    assert refused.status_code == 400
    messages = [Webhook(secret).verify(each.body, each.headers) for each in _told(web)]
    assert {message["type"] for message in messages} == {"job.completed"}
    assert {message["data"]["id"] for message in messages} == {job["id"]}
    assert {each.headers["webhook-id"] for each in _told(web)} == {f"msg_{job['id']}"}


def _told(web: WebServer) -> list[SeenRequest]:
    return [request for request in web.seen if request.method == "POST"]


def _wait_for_webhooks(web: WebServer, number: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while len(_told(web)) < number:
        assert time.monotonic() < deadline
        time.sleep(0.1)
