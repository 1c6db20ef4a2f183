"""Ctrl-C and SIGTERM at every moment, as a terminal and a service manager send them."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.service_process import OPEN, STT, ServiceProcess
from tests.e2e.terminal import PATIENCE, Terminal, terminal

NOISE = ("Traceback", "never retrieved", "KeyboardInterrupt", "Exception ignored", "ERROR")


def serve(data: Path, **settings: str) -> dict[str, str]:
    return OPEN | {"STT_SERVER_DATA": str(data), "SUMMARIZER": "off"} | settings


def check_clean(stopped: Terminal, code: int, children: list[int], data: Path) -> None:
    assert code == 0, stopped.output
    assert not [word for word in NOISE if word in stopped.output], stopped.output
    assert stopped.output.rstrip().endswith("Stopped")
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    assert not list(data.glob("spool/*/*"))
    assert not list(Path("/dev/shm").glob(f"stt-triton-{stopped.process.pid}-*"))


def press_ctrl_c(running: Terminal) -> None:
    running.ctrl_c()


def send_sigterm(running: Terminal) -> None:
    running.process.send_signal(signal.SIGTERM)


@pytest.mark.parametrize("stop", [press_ctrl_c, send_sigterm])
@pytest.mark.parametrize("moment", ["Starting Triton", "Ready:"])
def test_a_stop_at_the_start_or_when_idle_is_quiet(
    tmp_path: Path, moment: str, stop: Callable[[Terminal], None]
) -> None:
    with terminal([STT, "serve"], **serve(tmp_path)) as running:
        running.wait_for(moment)
        children = running.family()[1:]
        stop(running)
        code = running.wait()

    assert "Stopping\n" in running.output
    check_clean(running, code, children, tmp_path)


@contextmanager
def gateway(service: ServiceProcess, data: Path, summarizer: str) -> Iterator[Terminal]:
    """A gateway beside the tests' Triton."""
    settings = {"STT_TRITON_URLS": service.triton, "STT_SERVER_METRICS_PORT": "0", "SUMMARIZER": summarizer}
    settings["STT_SERVER_SHUTDOWN_SECONDS"] = "120"  # a busy machine takes its time
    with terminal([STT, "serve"], **serve(data, **settings)) as running:
        running.wait_for("Ready:")
        yield running


def wait_until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.2)


def url_of(running: Terminal) -> str:
    return running.output.split("Ready: ")[1].split()[0]


def summarize(url: str, text: str) -> httpx.Response:
    return httpx.post(f"{url}/v1/summarize", json={"text": text}, timeout=PATIENCE)


def transcribe(url: str, recording: Path) -> httpx.Response:
    with recording.open("rb") as file:
        return httpx.post(f"{url}/v1/transcribe", files={"file": (recording.name, file)}, timeout=PATIENCE)


def in_flight(running: Terminal) -> int:
    """Requests and live sessions, by the service's own count."""
    text = httpx.get(running.output.split("Prometheus: ")[1].split()[0]).text
    lines = [line for line in text.splitlines() if line.startswith("stt_requests_in_hand{")]
    return int(sum(float(line.split()[-1]) for line in lines))


def speak(url: str, pcm: bytes) -> tuple[list[dict[str, Any]], int | None]:
    """Sends speech and waits: the messages and the close code of a session that the client does not end."""
    messages: list[dict[str, Any]] = []
    with connect(url.replace("http", "ws") + "/v1/stream?language=en") as socket:
        socket.send(pcm)
        with suppress(ConnectionClosed):
            while True:
                messages.append(json.loads(socket.recv()))
        return messages, socket.close_code


def test_what_is_in_flight_is_finished(service: ServiceProcess, dashwood: Path, pcm: bytes, tmp_path: Path) -> None:
    text = "Anna prepares the release notes until Wednesday, Peter checks the backups. " * 5
    with gateway(service, tmp_path, "embedded") as running, ThreadPoolExecutor(3) as pool:
        url = url_of(running)
        wait_until(lambda: summarize(url, "Anna rang.").status_code == 200)
        children = running.family()[1:]
        live = pool.submit(speak, url, pcm)
        wait_until(lambda: in_flight(running) == 1)
        summary, file = pool.submit(summarize, url, text), pool.submit(transcribe, url, dashwood)
        wait_until(lambda: in_flight(running) == 3)
        running.ctrl_c()
        code = running.wait()

    assert "Stopping: finishing 1 file, 1 live session and 1 summary, 120 s at most; Ctrl-C again" in running.output
    assert file.result().status_code == summary.result().status_code == 200, running.output
    messages, close_code = live.result()
    assert (messages[-1]["type"], close_code) == ("final", 1012)
    check_clean(running, code, children, tmp_path)


def test_a_second_ctrl_c_drops_what_is_in_flight(service: ServiceProcess, long_recording: Path, tmp_path: Path) -> None:
    with gateway(service, tmp_path, "off") as running, ThreadPoolExecutor(1) as pool:
        file = pool.submit(transcribe, url_of(running), long_recording)
        wait_until(lambda: in_flight(running) == 1)
        running.ctrl_c()
        running.wait_for("Stopping: finishing 1 file, 120 s at most; Ctrl-C again drops it")
        running.ctrl_c()
        code = running.wait()

    assert "Dropping 1 file\n" in running.output
    assert file.result().status_code == 503
    check_clean(running, code, [], tmp_path)
