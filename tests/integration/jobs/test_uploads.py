"""Recordings that are sent piece by piece, also by published tus clients, broken off, gone on with, and used."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from tusclient.client import TusClient

from gateway.http.upload_headers import BODY
from gateway.routes.reference import ApiDocuments
from gateway.routes.table import CHANNELS, OPERATIONS
from tests.described_api import DescribedApi
from tests.integration.accounts.account_stores import AccountStore
from tests.integration.jobs.gateways import PATIENCE, EchoGateway, gateways, recording, show, wait_for
from tests.web_packages import PROGRAMS, web_package

CREDITS = 1000
SECONDS = 140  # of the recording


@dataclass
class UploadSender:
    """A key at a gateway, whose answers are those that the OpenAPI document describes."""

    gateway: EchoGateway
    key: str
    http: httpx.Client

    def create(self, length: int, **headers: str) -> httpx.Response:
        return self.http.post("/v1/uploads", headers={"Upload-Length": str(length), **headers})

    def send(self, path: str, offset: int, content: bytes | Iterator[bytes], **headers: str) -> httpx.Response:
        own = {"Upload-Offset": str(offset), "Content-Type": BODY, **headers}
        return self.http.patch(path, content=content, headers=own)

    def uploaded(self, content: bytes) -> str:
        """The id of a complete upload."""
        path = self.create(len(content), **{"Upload-Metadata": f"filename {_base64(b'talk.wav')}"}).headers["Location"]
        assert self.send(path, 0, content).status_code == 204
        return path.rpartition("/")[2]

    def offset(self, path: str) -> int:
        return int(self.http.head(path).headers["Upload-Offset"])

    def files(self, identity: str) -> list[Path]:
        """That are stored of an upload or of a job."""
        return list((self.gateway.data.parent / "shared" / identity).glob("*"))

    def client(self) -> TusClient:
        return TusClient(f"{self.gateway.url}/v1/uploads", headers={"Authorization": f"Bearer {self.key}"})


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four and a half megabytes: two pieces of an upload."""
    return recording(tmp_path_factory.mktemp("talk") / "talk.wav", SECONDS)


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EchoGateway]:
    folder = tmp_path_factory.mktemp("uploads")
    asyncio.run(AccountStore(f"sqlite:///{folder / 'accounts.db'}").migrate())
    allowed = {"STT_JOBS_UPLOAD_BYTES": str(3 * 1024**3), "STT_MEDIA_UPLOAD_IDLE_SECONDS": "5"}
    with gateways(folder, "", [0.01], **allowed) as (running,):
        yield running


@pytest.fixture(scope="module")
def described() -> DescribedApi:
    return DescribedApi(json.loads(ApiDocuments(OPERATIONS, CHANNELS).openapi))


@pytest.fixture
async def sender(gateway: EchoGateway, described: DescribedApi) -> AsyncIterator[UploadSender]:
    """Of an account of its own."""
    key = await _store(gateway).key(credits=CREDITS)
    headers = {"Authorization": f"Bearer {key}", "Tus-Resumable": "1.0.0"}
    hooks = {"response": [httpx.Response.read, described.check]}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=PATIENCE, event_hooks=hooks) as http:
        yield UploadSender(gateway, key, http)


def test_what_tuspy_sends_becomes_a_job_that_takes_it_over(sender: UploadSender, talk: Path) -> None:
    uploader = sender.client().uploader(
        str(talk), chunk_size=3_000_000, metadata={"filename": "talk.wav"}, upload_checksum=True
    )
    uploader.upload()
    identity = str(uploader.url).rpartition("/")[2]

    asked = {"upload": identity, "metadata": {"ticket": 1}}
    accepted = sender.http.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "once"})
    again = sender.http.post("/v1/jobs", json=asked, headers={"Idempotency-Key": "once"})
    other = sender.http.post("/v1/jobs", json={"upload": identity}, headers={"Idempotency-Key": "once"})
    job = wait_for(sender.gateway, sender.key, accepted.json()["id"])

    assert job["status"] == "completed"
    assert job["file_name"] == "talk.wav"
    assert (again.json()["id"], again.headers["Idempotency-Replayed"]) == (job["id"], "true")
    assert other.status_code == 400
    assert [file.read_bytes() for file in sender.files(job["id"])] == [talk.read_bytes()]
    assert sender.files(identity) == []
    assert sender.http.head(f"/v1/uploads/{identity}").status_code == 404
    assert sender.http.post("/v1/jobs", json={"upload": identity}).status_code == 400


def test_what_tus_js_client_sends_in_two_goes_is_transcribed_and_kept(sender: UploadSender, talk: Path) -> None:
    script = Path(__file__).with_name("tus_client.mjs")
    arguments: list[str | Path] = [
        PROGRAMS / "node",
        script,
        web_package("tus-js-client"),
        f"{sender.gateway.url}/v1/uploads",
    ]
    told = subprocess.run([*arguments, sender.key, talk], capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert told.returncode == 0, told.stderr
    identity = told.stdout.strip().rpartition("/")[2]

    answer = sender.http.post("/v1/transcribe", files={"upload": (None, identity)})

    assert answer.json()["duration"] == SECONDS
    assert sender.offset(f"/v1/uploads/{identity}") == talk.stat().st_size


def test_a_connection_that_breaks_costs_nothing_of_what_came(sender: UploadSender, talk: Path) -> None:
    content = talk.read_bytes()
    path = sender.create(len(content)).headers["Location"]
    come = 4_300_000

    def broken() -> Iterator[bytes]:
        yield content[:come]
        while sender.offset(path) == 0:  # until the first piece is stored
            time.sleep(0.05)
        raise httpx.WriteError("as if the cable was pulled")

    with suppress(httpx.WriteError):
        sender.send(path, 0, broken())
    deadline = time.monotonic() + PATIENCE
    while sender.offset(path) < come and time.monotonic() < deadline:
        time.sleep(0.05)
    resumed = sender.client().uploader(str(talk), url=f"{sender.gateway.url}{path}")
    assert resumed.offset == come
    resumed.upload()
    job = sender.http.post("/v1/jobs", json={"upload": path.rpartition("/")[2]}).json()

    assert [file.read_bytes() for file in sender.files(job["id"])] == [content]


def test_bytes_that_do_not_belong_there_are_refused_and_not_kept(sender: UploadSender) -> None:
    path = sender.create(12).headers["Location"]
    sha1 = f"sha1 {_base64(hashlib.sha1(b'world!').digest())}"

    answers = {
        "first": sender.send(path, 0, b"hello "),
        "elsewhere": sender.send(path, 3, b"world!"),
        "too many": sender.send(path, 6, b"world, and more"),
        "no checksum": sender.send(path, 6, b"world!", **{"Upload-Checksum": "crc32 AAAA"}),
        "another checksum": sender.send(path, 6, b"World!", **{"Upload-Checksum": sha1}),
        "no offset": sender.http.patch(path, content=b"world!", headers={"Content-Type": BODY}),
        "another type": sender.send(path, 6, b"world!", **{"Content-Type": "text/plain"}),
        "another version": sender.send(path, 6, b"world!", **{"Tus-Resumable": "0.2.0"}),
        "right": sender.send(path, 6, b"world!", **{"Upload-Checksum": sha1}),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == {
        "first": 204,
        "elsewhere": 409,
        "too many": 413,
        "no checksum": 400,
        "another checksum": 460,
        "no offset": 400,
        "another type": 415,
        "another version": 412,
        "right": 204,
    }
    assert "goes on at 6" in answers["elsewhere"].json()["error"]
    assert {answer.headers["Tus-Resumable"] for answer in answers.values()} == {"1.0.0"}
    assert sorted(file.read_bytes() for file in sender.files(path.rpartition("/")[2])) == [b"hello ", b"world!"]


def test_an_upload_that_cannot_be_is_refused_before_its_bytes(sender: UploadSender) -> None:
    refused = {
        "too large": sender.create(3 * 1024**3),
        "empty": sender.create(0),
        "no length": sender.http.post("/v1/uploads"),
        "no number": sender.http.post("/v1/uploads", headers={"Upload-Length": "12 bytes"}),
        "deferred": sender.http.post("/v1/uploads", headers={"Upload-Defer-Length": "1"}),
        "no metadata": sender.create(1, **{"Upload-Metadata": "filename ***"}),
    }
    within, beyond = sender.create(2 * 1024**3), sender.create(2 * 1024**3)

    assert {name: answer.status_code for name, answer in refused.items()} == {
        "too large": 413,
        "empty": 400,
        "no length": 400,
        "no number": 400,
        "deferred": 400,
        "no metadata": 400,
    }
    assert (within.status_code, beyond.status_code) == (201, 429)
    assert sender.http.delete(within.headers["Location"]).status_code == 204
    assert sender.create(2 * 1024**3).status_code == 201


async def test_nobody_else_finds_it(sender: UploadSender, described: DescribedApi) -> None:
    path = sender.create(5).headers["Location"]
    stranger = await _store(sender.gateway).key(credits=1)
    url, body = f"{sender.gateway.url}{path}", {"Content-Type": BODY, "Upload-Offset": "0"}

    def asked(key: str | None) -> list[httpx.Response]:
        headers = {"Tus-Resumable": "1.0.0", **({} if key is None else {"Authorization": f"Bearer {key}"})}
        with httpx.Client(headers=headers, event_hooks={"response": [httpx.Response.read, described.check]}) as http:
            return [http.head(url), http.patch(url, content=b"other", headers=body), http.delete(url)]

    assert [answer.status_code for answer in asked(stranger)] == [404] * 3
    assert [answer.status_code for answer in asked(None)] == [401] * 3
    assert "no upload" in asked(stranger)[0].headers["X-Error"]
    assert sender.offset(path) == 0


def test_one_that_is_not_complete_is_not_used(sender: UploadSender) -> None:
    identity = sender.create(5, **{"Content-Type": BODY}).headers["Location"].rpartition("/")[2]

    job = sender.http.post("/v1/jobs", files={"upload": (None, identity)})
    both = sender.http.post("/v1/jobs", json={"upload": identity, "url": "https://host/talk.wav"})
    called = sender.http.post("/v1/transcribe", files={"upload": (None, identity)})
    beside = sender.http.post("/v1/transcribe", data={"upload": identity}, files={"file": ("talk.wav", b"sound")})

    assert [answer.status_code for answer in (job, both, called, beside)] == [400] * 4
    assert "0 of 5 bytes" in job.json()["error"]
    assert "0 of 5 bytes" in called.json()["error"]


def test_one_that_is_deleted_leaves_nothing(sender: UploadSender) -> None:
    first = sender.uploaded(b"no sound at all")
    second = sender.uploaded(b"neither")
    assert sender.files(first) != []

    deleted = sender.http.delete(f"/v1/uploads/{first}")
    overridden = sender.http.post(f"/v1/uploads/{second}", headers={"X-HTTP-Method-Override": "DELETE"})

    assert (deleted.status_code, overridden.status_code) == (204, 204)
    assert sender.files(first) == sender.files(second) == []
    assert sender.http.delete(f"/v1/uploads/{first}").status_code == 404


def test_one_request_may_bring_it_whole(sender: UploadSender) -> None:
    headers = {"Upload-Length": "5", "Content-Type": BODY, "Upload-Metadata": "filename, x aGk="}
    created = sender.http.post("/v1/uploads", content=b"sound", headers=headers)
    shown = sender.http.head(created.headers["Location"])

    assert (created.status_code, created.headers["Upload-Offset"]) == (201, "5")
    assert (shown.headers["Upload-Length"], shown.headers["Upload-Offset"]) == ("5", "5")
    assert shown.headers["Upload-Metadata"] == "filename, x aGk="


def test_a_web_page_may_send_one(sender: UploadSender) -> None:
    page = {"Origin": "https://app.example"}
    asked = {
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "authorization,content-type,tus-resumable,upload-offset",
    }

    preflight = httpx.options(f"{sender.gateway.url}/v1/uploads/x", headers=page | asked)
    created = sender.create(5, **page)
    told = httpx.options(f"{sender.gateway.url}/v1/uploads")

    assert preflight.status_code == 200
    exposed = created.headers["Access-Control-Expose-Headers"]
    assert {"Location", "Upload-Offset", "Upload-Length", "Tus-Resumable"} <= set(exposed.split(", "))
    assert told.headers["Tus-Extension"] == "creation,creation-with-upload,termination,expiration,checksum"


def test_what_a_killed_gateway_has_stored_is_not_sent_again(sender: UploadSender, talk: Path) -> None:
    content = talk.read_bytes()
    path = sender.create(len(content)).headers["Location"]

    def killed() -> Iterator[bytes]:
        yield content[:-1]
        while sender.offset(path) == 0:
            time.sleep(0.05)
        sender.gateway.kill()

    with suppress(httpx.TransportError):
        sender.send(path, 0, killed())
    sender.gateway.start()
    rest = sender.client().uploader(str(talk), url=f"{sender.gateway.url}{path}")
    begins = rest.offset
    rest.upload()
    job = sender.http.post("/v1/jobs", json={"upload": path.rpartition("/")[2]}).json()
    ended = wait_for(sender.gateway, sender.key, job["id"])

    assert begins > 0
    assert ended["status"] == "completed"
    assert [file.read_bytes() for file in sender.files(job["id"])] == [content]
    assert show(sender.gateway, sender.key, "/v1/usage")["transcription"]["remaining"] == CREDITS - 3


def _store(gateway: EchoGateway) -> AccountStore:
    return AccountStore(f"sqlite:///{gateway.data.parent / 'accounts.db'}")


def _base64(content: bytes) -> str:
    return base64.b64encode(content).decode()
