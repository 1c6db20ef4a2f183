"""The door, as clients and operators meet it: the real command, the real service."""

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from tests.e2e.service_process import METERED, ServiceProcess, client_of, run_service, stt_keys


@pytest.fixture
def paid(metered: ServiceProcess) -> Iterator[httpx.Client]:
    key = stt_keys(metered.data, "create", "--tier", "paid", "--credits", "1000").stdout.strip()
    with client_of(metered, key) as client:
        yield client


def post(client: httpx.Client, recording: Path, **headers: str) -> httpx.Response:
    with recording.open("rb") as file:
        return client.post("/v1/transcribe", files={"file": file}, headers=headers)


def transcription(client: httpx.Client) -> dict[str, int]:
    """The caller's own figures."""
    figures: dict[str, int] = client.get("/v1/usage").raise_for_status().json()["transcription"]
    return figures


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_created_key_is_printed_alone_and_pays_for_a_recording(metered: ServiceProcess, dashwood: Path) -> None:
    created = stt_keys(metered.data, "create", "--tier", "paid", "--credits", "1000", "--name", "Dashwood")
    key = created.stdout.rstrip("\n")

    assert key.startswith("stt_") and len(key.split()) == 1
    with client_of(metered, key) as client:
        answer = post(client, dashwood)
    assert answer.status_code == 200
    assert answer.headers["X-Credits-Remaining"] == "999"
    listed = stt_keys(metered.data, "list").stdout
    assert "Dashwood" in listed and "999" in listed
    assert key not in listed and key.split("_")[1] in listed


def test_an_anonymous_caller_has_three_a_day(metered: ServiceProcess, dashwood: Path) -> None:
    with client_of(metered, address="2001:db8:1:2::1") as client:
        remaining = [post(client, dashwood).headers["RateLimit-Remaining"] for _ in range(3)]
    with client_of(metered, address="2001:db8:1:2::2") as client:
        refused = post(client, dashwood)

    assert remaining == ["2", "1", "0"]
    assert refused.status_code == 429
    assert int(refused.headers["Retry-After"]) == int(refused.headers["RateLimit-Reset"]) <= 86_400
    assert "3 transcriptions" in refused.json()["error"]


def test_a_key_that_is_wrong_or_revoked_is_401(metered: ServiceProcess, dashwood: Path) -> None:
    key = stt_keys(metered.data, "create").stdout.strip()
    with client_of(metered, key) as client:
        assert client.get("/v1/usage").status_code == 200
        stt_keys(metered.data, "revoke", key)
        answers = [post(client, dashwood), client.get("/v1/usage")]
    with client_of(metered, key[:-1]) as client:
        answers.append(post(client, dashwood))

    assert [answer.status_code for answer in answers] == [401, 401, 401]
    assert all("API key" in answer.json()["error"] and key not in answer.text for answer in answers)


def test_a_key_without_credits_is_402_before_anything_is_sent(metered: ServiceProcess) -> None:
    key = stt_keys(metered.data, "create", "--tier", "paid").stdout.strip()
    headers = {"Authorization": f"Bearer {key}"}

    assert _answer_to_head(metered, headers) == (402, "0")


def test_a_recording_longer_than_the_credits_is_402(metered: ServiceProcess, long_recording: Path) -> None:
    key = stt_keys(metered.data, "create", "--tier", "paid", "--credits", "3").stdout.strip()
    with client_of(metered, key) as client:
        answer = post(client, long_recording)

        assert answer.status_code == 402
        assert "4 credits" in answer.json()["error"]
        assert transcription(client)["remaining"] == 3


def test_a_file_over_the_tiers_size_is_413_before_anything_is_sent(metered: ServiceProcess) -> None:
    headers = {"Content-Length": str(200 * 1024**2), "X-Forwarded-For": "198.51.100.13"}

    assert _answer_to_head(metered, headers)[0] == 413


def test_a_file_that_cannot_be_read_costs_nothing(paid: httpx.Client, tmp_path: Path) -> None:
    path = tmp_path / "notes.mp3"
    path.write_text("no sound at all")

    assert post(paid, path).status_code == 400
    assert transcription(paid)["remaining"] == 1000


def test_the_same_request_is_answered_again_and_charged_once(
    paid: httpx.Client, dashwood: Path, tmp_path: Path
) -> None:
    other = tmp_path / "other.flac"
    other.write_bytes(dashwood.read_bytes()[:-100])
    first, again = (post(paid, dashwood, **{"Idempotency-Key": "meeting-7"}) for _ in range(2))
    refused = post(paid, other, **{"Idempotency-Key": "meeting-7"})

    assert first.content == again.content
    assert (first.headers["X-Model"], first.headers["Content-Type"]) == (
        again.headers["X-Model"],
        again.headers["Content-Type"],
    )
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert (refused.status_code, transcription(paid)["remaining"]) == (400, 999)


def test_one_at_a_time_is_enough_for_an_anonymous_caller(metered: ServiceProcess, dashwood: Path) -> None:
    with client_of(metered, address="198.51.100.20") as client:
        connection = _begin_upload(metered, {"X-Forwarded-For": "198.51.100.20"})
        until(lambda: transcription(client)["running"] == 1)
        refused = post(client, dashwood)
        connection.close()
        until(lambda: transcription(client)["running"] == 0)
        accepted = post(client, dashwood)

    assert (refused.status_code, accepted.status_code) == (429, 200)
    assert int(refused.headers["Retry-After"]) > 0


def test_a_client_that_leaves_pays_nothing(paid: httpx.Client, long_recording: Path) -> None:
    with pytest.raises(httpx.ReadTimeout), long_recording.open("rb") as file:
        paid.post("/v1/transcribe", files={"file": file}, timeout=httpx.Timeout(60, read=1.5))
    until(lambda: transcription(paid)["running"] == 0)

    assert transcription(paid)["remaining"] == 1000


def test_a_service_that_is_killed_gives_back_what_it_held(tmp_path: Path, long_recording: Path) -> None:
    key = stt_keys(tmp_path, "create", "--tier", "paid", "--credits", "6").stdout.strip()
    with run_service(tmp_path, **METERED) as service, client_of(service, key) as client:
        sending = threading.Thread(target=_post_in_vain, args=[service, key, long_recording])
        sending.start()
        until(lambda: transcription(client)["remaining"] == 2)
        service.process.kill()
        service.process.wait()
        sending.join()
    with run_service(tmp_path, **METERED) as service, client_of(service, key) as client:
        after = transcription(client)

    assert (after["remaining"], after["held"], after["running"]) == (6, 0, 0)


def test_no_log_and_no_store_holds_a_key(metered: ServiceProcess, dashwood: Path) -> None:
    key = stt_keys(metered.data, "create").stdout.strip()
    with client_of(metered, key) as client:
        post(client, dashwood)
        client.get("/v1/usage", params={"token": key})
        client.get(f"/v1/nowhere?token={key}")
    written = [path for path in metered.data.rglob("*") if path.is_file()]

    assert {"service.log", "accounts.db"} <= {path.name for path in written}
    assert not [path.name for path in written if key.split("_", 2)[2].encode() in path.read_bytes()]


def _post_in_vain(service: ServiceProcess, key: str, recording: Path) -> None:
    with client_of(service, key) as client, pytest.raises(httpx.HTTPError):
        post(client, recording)


def _answer_to_head(service: ServiceProcess, headers: dict[str, str]) -> tuple[int, str | None]:
    """Status and credits left, for a client that sends its file only when it is told to."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    connection.putrequest("POST", "/v1/transcribe")
    head = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "500", "Expect": "100-continue"}
    for name, value in (head | headers).items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    connection.close()
    return answer.status, answer.getheader("X-Credits-Remaining")


def _begin_upload(service: ServiceProcess, headers: dict[str, str]) -> http.client.HTTPConnection:
    """An upload that has begun and does not go on."""
    connection = http.client.HTTPConnection(urlsplit(service.url).netloc, timeout=60)
    connection.putrequest("POST", "/v1/transcribe")
    head = {"Content-Type": "multipart/form-data; boundary=x", "Content-Length": "500"}
    for name, value in (head | headers).items():
        connection.putheader(name, value)
    connection.endheaders(b"--x\r\n")
    return connection
