"""Clients that leave, processes that die, services that stop."""

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import imageio_ffmpeg
import pytest

from tests.e2e.service_process import STT, ServiceProcess, run_service

SECONDS = 100  # of the recording
PATIENCE = 60  # seconds after which a test gives up waiting


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory, dashwood: Path) -> Path:
    """Four windows of speech: enough to interrupt."""
    path = tmp_path_factory.mktemp("recording") / "long.flac"
    repeat = ["-stream_loop", "15", "-i", str(dashwood), "-t", str(SECONDS), str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", *repeat], check=True)
    return path


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


def requests_logged(service: ServiceProcess, identity: str) -> list[dict[str, object]]:
    entries = [json.loads(line) for line in service.log.read_text().splitlines() if line.startswith("{")]
    return [entry for entry in entries if entry.get("request_id") == identity and "status" in entry]


def transcribe(url: str, path: Path, identity: str = "", timeout: float = 300) -> httpx.Response:
    headers = {"X-Request-Id": identity} if identity else {}
    with path.open("rb") as file:
        files = {"file": (path.name, file)}
        return httpx.post(f"{url}/v1/transcribe", files=files, headers=headers, timeout=timeout)


def wait_until_recognizing(url: str, identity: str) -> None:
    """Words of the request's recording have come back from Triton, and more are to come."""

    def recognizing() -> bool:
        progress = httpx.get(f"{url}/v1/progress/{identity}")
        return progress.status_code == 200 and progress.json()["stage"] == "recognizing" and progress.json()["done"] > 0

    wait_until(recognizing)


def send_and_leave(service: ServiceProcess, path: Path, identity: str) -> None:
    """Sends a whole request, waits until words of it have come back, and closes the connection."""
    content = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="long.flac"\r\n\r\n'
        + path.read_bytes()
        + b"\r\n--b--\r\n"
    )
    head = (
        f"POST /v1/transcribe HTTP/1.1\r\nHost: service\r\nX-Request-Id: {identity}\r\n"
        f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    host, port = service.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + content)
        wait_until_recognizing(service.url, identity)


def test_a_client_that_leaves_ends_its_work(service: ServiceProcess, recording: Path, dashwood: Path) -> None:
    cancelled = service.metric("whisper_cancelled_total")

    send_and_leave(service, recording, "leaving-client")

    wait_until(lambda: requests_logged(service, "leaving-client"))
    (entry,) = requests_logged(service, "leaving-client")
    assert entry["status"] == 499
    wait_until(lambda: service.metric("whisper_cancelled_total") > cancelled)
    wait_until(lambda: service.metric("whisper_queue_length") == 0)
    assert not list(service.log.parent.glob("spool/*/*/upload"))
    assert transcribe(service.url, dashwood).status_code == 200


def test_a_model_whose_process_is_killed_comes_back_and_the_file_is_not_lost(
    service: ServiceProcess, recording: Path, dashwood: Path
) -> None:
    with ThreadPoolExecutor(1) as sending:
        answer = sending.submit(transcribe, service.url, recording, "killed-model")
        wait_until_recognizing(service.url, "killed-model")
        (stub,) = (pid for pid, line in service.children().items() if "_stub" in line and "whisper-base" in line)
        os.kill(stub, signal.SIGKILL)

    assert answer.result().status_code == 200
    assert answer.result().json()["duration"] == pytest.approx(SECONDS, abs=0.2)
    assert answer.result().json()["segments"][-1]["end"] > SECONDS - 10
    wait_until(lambda: httpx.get(f"{service.url}/health").status_code == 200)
    assert transcribe(service.url, dashwood).status_code == 200


def test_at_shutdown_work_in_hand_finishes(service: ServiceProcess, dashwood: Path, tmp_path: Path) -> None:
    with run_service(tmp_path, STT_TRITON_URLS=service.triton) as stopping, ThreadPoolExecutor(1) as sending:
        answer = sending.submit(transcribe, stopping.url, dashwood)
        wait_until(lambda: list((tmp_path / "spool").glob("*/*/upload")))
        code = stopping.stop()

    assert answer.result().status_code == 200
    assert code == 0
    assert not list((tmp_path / "spool").glob("*/*"))


def test_at_shutdown_work_that_takes_too_long_is_cancelled(
    service: ServiceProcess, recording: Path, tmp_path: Path
) -> None:
    settings = {"STT_TRITON_URLS": service.triton, "STT_SERVER_SHUTDOWN_SECONDS": "1"}
    with run_service(tmp_path, **settings) as stopping, ThreadPoolExecutor(1) as sending:
        answer = sending.submit(transcribe, stopping.url, recording)
        wait_until(lambda: list((tmp_path / "spool").glob("*/*/upload")))
        assert stopping.stop() == 0

    assert answer.result().status_code == 503
    assert not list((tmp_path / "spool").glob("*/*"))


def test_a_port_that_is_taken_is_named(service: ServiceProcess, tmp_path: Path) -> None:
    port = service.url.rsplit(":", 1)[1]
    environment = os.environ | {"STT_SERVER_DATA": str(tmp_path)}

    ended = subprocess.run(
        [STT, "serve", "--port", port], env=environment, capture_output=True, text=True, timeout=60, check=False
    )

    assert ended.returncode == 1
    assert port in ended.stderr
    assert "--port" in ended.stderr


def test_missing_engines_are_named_with_the_command_that_builds_them(tmp_path: Path) -> None:
    environment = os.environ | {"STT_TRITON_REPOSITORY": str(tmp_path), "STT_SERVER_PORT": "0"}

    ended = subprocess.run([STT, "serve"], env=environment, capture_output=True, text=True, timeout=60, check=False)

    assert ended.returncode == 1
    assert "python -m export whisper --model base" in ended.stderr
