"""Ctrl-C and SIGTERM at every moment, as a terminal and a service manager send them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.e2e.service_process import OPEN, STT, ServiceProcess
from tests.e2e.terminal import PATIENCE, Terminal, terminal

ROOT = Path(__file__).parents[2]
BASE_PYTHON = getattr(sys, "_base_executable", sys.executable)
TEXT = "Anna prepares the release notes until Wednesday, Peter checks the backups. " * 5
NOISE = ("Traceback", "never retrieved", "KeyboardInterrupt", "Exception ignored", "ERROR")


def serve(data: Path, **settings: str) -> dict[str, str]:
    return OPEN | {"STT_SERVER_DATA": str(data), "SUMMARIZER": "off"} | settings


def check_clean(stopped: Terminal, code: int, children: list[int], data: Path) -> None:
    assert code == 0, stopped.output
    assert not [word for word in NOISE if word in stopped.output], stopped.output
    assert stopped.output.rstrip().endswith("Stopped")
    wait_until(partial(all_ended, children))  # who was killed is gone when the kernel has come to it
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


def test_a_start_where_no_triton_answers_says_so(tmp_path: Path) -> None:
    with terminal([STT, "serve"], **serve(tmp_path, STT_TRITON_URLS="127.0.0.1:1")) as running:
        running.wait_for("Ready:")
        running.ctrl_c()
        code = running.wait()

    assert "Warning: no Triton answers for whisper-base, diarizer yet; " in running.output.split("Ready:")[0]
    check_clean(running, code, [], tmp_path)


@contextmanager
def gateway(service: ServiceProcess, data: Path, summarizer: Path) -> Iterator[Terminal]:
    """A gateway beside the tests' Triton, which writes summaries."""
    settings = {"STT_TRITON_URLS": service.triton, "STT_SERVER_METRICS_PORT": "0", "SUMMARIZER": "embedded"}
    settings["STT_SUMMARIZER_FILE"] = str(summarizer)
    settings["STT_SERVER_SHUTDOWN_SECONDS"] = "120"  # a busy machine takes its time
    with terminal([STT, "serve"], **serve(data, **settings)) as running:
        running.wait_for("Ready:")
        wait_until(lambda: summarize(url_of(running), "Anna rang.").status_code == 200)
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


@contextmanager
def paused(processes: Iterable[int]) -> Iterator[None]:
    """Held where they are until the block ends, so that nothing is finished meanwhile."""
    held = list(processes)
    for pid in held:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in held:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


@dataclass(frozen=True)
class InFlight:
    """One of each kind of work, as their clients see them."""

    file: Future[httpx.Response]
    summary: Future[httpx.Response]
    live: Future[tuple[list[dict[str, Any]], int | None]]  # messages, close code


def begin_one_of_each(pool: Executor, running: Terminal, recording: Path, pcm: bytes) -> InFlight:
    url = url_of(running)
    begun = InFlight(
        pool.submit(transcribe, url, recording), pool.submit(summarize, url, TEXT), pool.submit(speak, url, pcm)
    )
    wait_until(lambda: in_flight(running) == 3)
    return begun


def test_what_is_in_flight_is_finished(
    service: ServiceProcess, small_summarizer: Path, dashwood: Path, pcm: bytes, tmp_path: Path
) -> None:
    with gateway(service, tmp_path, small_summarizer) as running, ThreadPoolExecutor(3) as pool:
        children = running.family()[1:]
        with paused([*service.children(), *children]):
            begun = begin_one_of_each(pool, running, dashwood, pcm)
            running.ctrl_c()
            running.wait_for("Stopping: finishing 1 file, 1 live session and 1 summary, 120 s at most; Ctrl-C again")
        code = running.wait()

    assert begun.file.result().status_code == begun.summary.result().status_code == 200, running.output
    messages, close_code = begun.live.result()
    assert (messages[-1]["type"], close_code) == ("final", 1012)
    check_clean(running, code, children, tmp_path)


def test_a_second_ctrl_c_drops_what_is_in_flight(
    service: ServiceProcess, small_summarizer: Path, dashwood: Path, pcm: bytes, tmp_path: Path
) -> None:
    with gateway(service, tmp_path, small_summarizer) as running, ThreadPoolExecutor(3) as pool:
        children = running.family()[1:]
        with paused([*service.children(), *children]):
            begun = begin_one_of_each(pool, running, dashwood, pcm)
            running.ctrl_c()
            running.wait_for("120 s at most; Ctrl-C again drops them")
            running.ctrl_c()
            running.wait_for("Dropping 1 file, 1 live session and 1 summary\n")
            answers = [begun.file.result().status_code, begun.summary.result().status_code]
            _, close_code = begun.live.result()
        code = running.wait()

    assert answers == [503, 503]
    assert close_code == 1012
    check_clean(running, code, children, tmp_path)


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """As cloned, and with a lock that no index can serve: what is installed does not matter here."""
    shutil.copytree(ROOT / "setup", tmp_path / "setup")
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    lock = tmp_path / "requirements" / "service.txt"
    lock.parent.mkdir()
    lock.write_text(f"stt-nothing==1 --hash=sha256:{'0' * 64}\n", encoding="ascii")
    return tmp_path


def test_a_stop_of_set_up_leaves_nothing_running_and_the_next_run_goes_on(checkout: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent_index:
        settings = {"PIP_INDEX_URL": f"http://127.0.0.1:{silent_index.getsockname()[1]}/"}
        settings |= {"SUMMARIZER": "off", "STT_SERVER_PORT": "0", "PYTHON": BASE_PYTHON}
        make = ["make", "-C", str(checkout), "serve"]
        without_make = ["env", "-C", str(checkout), BASE_PYTHON, "-m", "setup", "service"]
        for command, moment, stop, accepted in (
            (make, "] environment", press_ctrl_c, {-signal.SIGINT, 130}),
            (without_make, "] packages (service)", send_sigterm, {143}),
        ):
            with terminal(command, **settings) as running:
                running.wait_for(moment)
                children = running.family()[1:]
                stop(running)
                code = running.wait()

            assert code in accepted
            assert "Stopped. The same command goes on where this one was." in running.output
            assert not [word for word in NOISE if word in running.output], running.output
            wait_until(partial(all_ended, children))


def all_ended(processes: list[int]) -> bool:
    return not any(is_running(pid) for pid in processes)


def is_running(pid: int) -> bool:
    """One that ended and that nobody has collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
