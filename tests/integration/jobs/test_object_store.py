"""Jobs whose recordings lie in an object store that speaks S3."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from gateway.http.upload_headers import BODY
from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import PATIENCE, EchoGateway, gateways, recording, show, submit, wait_for
from tests.integration.jobs.object_store import ObjectStoreServer

CREDITS = 1000
SECONDS = 300  # of the recording
WINDOW_SECONDS = 0.6

Stored = Callable[[str], list[str]]  # id of a job or an upload → names of its files


@pytest.fixture(scope="module")
def key(postgres: str) -> str:
    async def create() -> str:
        store = AccountStore(postgres)
        await store.migrate()
        return await store.key(credits=CREDITS)

    return asyncio.run(create())


@pytest.fixture(scope="module")
def settings(object_store: ObjectStoreServer) -> dict[str, str]:
    return object_store.settings | {"STT_JOBS_AT_ONCE": "1"}


@pytest.fixture(scope="module")
def running(
    postgres: str, key: str, settings: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[EchoGateway]]:
    with gateways(tmp_path_factory.mktemp("gateways"), postgres, [WINDOW_SECONDS] * 2, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def clients(running: list[EchoGateway], key: str) -> Iterator[list[httpx.Client]]:
    """Of each gateway; they keep no connection, as gateways are killed."""
    headers = {"Authorization": f"Bearer {key}", "Tus-Resumable": "1.0.0"}
    limits = httpx.Limits(max_keepalive_connections=0)
    with ExitStack() as stack:
        made = [httpx.Client(base_url=each.url, headers=headers, timeout=PATIENCE, limits=limits) for each in running]
        yield [stack.enter_context(client) for client in made]


@pytest.fixture(scope="module")
def stored(object_store: ObjectStoreServer, settings: dict[str, str]) -> Stored:
    def names(identity: str) -> list[str]:
        found = object_store.names(settings["STT_JOBS_STORAGE"])
        return [name.partition("/")[2] for name in found if name.startswith(f"{identity}/")]

    return names


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return recording(tmp_path_factory.mktemp("talk") / "talk.wav", SECONDS)


def test_a_job_goes_on_at_another_gateway_with_what_the_store_has(
    running: list[EchoGateway], clients: list[httpx.Client], key: str, talk: Path, stored: Stored
) -> None:
    first, second = running
    identity = submit(first, key, talk)
    wait_for(first, key, identity, progress=0.2)
    _wait_until(lambda: len(stored(identity)) == 3)
    kept = stored(identity)
    worker, other = (first, second) if first.windows else (second, first)
    worker.kill()
    job = wait_for(other, key, identity)
    rest = other.windows
    text = show(other, key, f"/v1/jobs/{identity}/transcript")["text"]
    again = submit(other, key, talk)
    wait_for(other, key, again)
    worker.start()

    assert kept == ["recording", "sound.pcm", "speech.npz"]
    assert job["status"] == "completed"
    assert show(other, key, f"/v1/jobs/{again}/transcript")["text"] == text
    assert 0 < rest < other.windows - rest  # which is all of them
    assert stored(identity) == ["recording"]
    assert clients[0].delete(f"/v1/jobs/{identity}").status_code == 204
    assert stored(identity) == []
    assert stored(again) == ["recording"]
    assert show(other, key, "/v1/usage")["transcription"]["remaining"] == CREDITS - 10


def test_an_upload_is_stored_in_pieces_until_a_job_has_it(
    clients: list[httpx.Client], running: list[EchoGateway], key: str, talk: Path, stored: Stored
) -> None:
    content, (first, second) = talk.read_bytes(), clients
    half = len(content) // 2
    path = _create_upload(first, len(content))
    upload = path.rpartition("/")[2]
    sent = [_send(first, path, 0, content[:half]), _send(second, path, half, content[half:])]
    pieces = stored(upload)

    job = second.post("/v1/jobs", json={"upload": upload}).json()
    ended = wait_for(running[0], key, job["id"])
    abandoned = _create_upload(first, 9, b"abc")
    begun = stored(abandoned.rpartition("/")[2])
    deleted = second.delete(abandoned)

    assert [answer.status_code for answer in sent] == [204, 204]
    assert len(pieces) > 1
    assert (ended["status"], ended["duration"]) == ("completed", SECONDS)
    assert stored(upload) == []
    assert len(begun) == 1
    assert deleted.status_code == 204
    assert stored(abandoned.rpartition("/")[2]) == []


def test_a_store_that_is_away_is_waited_for(
    running: list[EchoGateway], clients: list[httpx.Client], talk: Path, object_store: ObjectStoreServer, stored: Stored
) -> None:
    client, files = clients[0], {"file": ("talk.wav", talk.read_bytes())}
    upload = _create_upload(client, 9)
    with running[0].held(), running[1].held():
        waiting = [client.post("/v1/jobs", files=files).json()["id"] for _ in range(4)]
        _wait_until(lambda: _statuses(client, waiting).count("processing") == 2)  # one at each gateway
        object_store.kill()
        refused = [client.post("/v1/jobs", files=files), _send(client, upload, 0, b"abc")]
        cancelled = client.delete(f"/v1/jobs/{waiting[-1]}").json()
    _wait_until(lambda: any("waits: The storage" in gateway.log for gateway in running))
    object_store.start()
    _wait_until(lambda: _statuses(client, waiting) == ["completed"] * 3 + ["cancelled"])
    resent = _send(client, upload, 0, b"abc")
    removed = client.delete(f"/v1/jobs/{waiting[-1]}")

    assert [answer.status_code for answer in refused] == [503, 503]
    assert all(int(answer.headers["Retry-After"]) > 0 for answer in refused)
    assert cancelled["status"] == "cancelled"
    assert cancelled["recording_stored"]  # until the store answers
    assert resent.status_code == 204
    assert removed.status_code == 204
    assert stored(waiting[-1]) == []
    assert not any("Traceback" in gateway.log for gateway in running)


def _statuses(client: httpx.Client, identities: list[str]) -> list[str]:
    return [client.get(f"/v1/jobs/{identity}").json()["status"] for identity in identities]


def _create_upload(client: httpx.Client, length: int, content: bytes = b"") -> str:
    headers = {"Upload-Length": str(length)} | ({"Content-Type": BODY} if content else {})
    return client.post("/v1/uploads", headers=headers, content=content).headers["Location"]


def _send(client: httpx.Client, path: str, offset: int, content: bytes) -> httpx.Response:
    return client.patch(path, headers={"Upload-Offset": str(offset), "Content-Type": BODY}, content=content)


def _wait_until(met: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not met():
        assert time.monotonic() < deadline
        time.sleep(0.1)
