"""`stt serve` as its own process, started as a user starts it."""

from __future__ import annotations

import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

from benchmarks.processes import family

STT = str(Path(sys.executable).with_name("stt"))
OPEN = {"STT_SERVER_PORT": "0", "STT_ACCOUNTS_ANONYMOUS": "unlimited"}
METERED = {
    "STT_ACCOUNTS_ANONYMOUS": "anonymous",
    "STT_ACCOUNTS_TRUSTED_PROXIES": "127.0.0.1",  # lets a test be many addresses
    "STT_SERVER_CORS_ORIGINS": "https://app.example",
    "STT_ACCOUNTS_LEASE_SECONDS": "12",  # a third of which is the time until revoked work is ended
}
START_SECONDS = 120  # a start that hangs must fail, not block the suite


def stt_keys(data: Path, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """`stt keys …` as an operator runs it beside the service with this data folder."""
    environment = os.environ | {"STT_SERVER_DATA": str(data)} | settings
    command = [STT, "keys", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)


@dataclass
class ServiceProcess:
    process: subprocess.Popen[str]
    log: Path
    lines: list[str]  # of standard output up to the ready line

    @property
    def url(self) -> str:
        return self.lines[-1].split()[1]

    @property
    def triton(self) -> str:
        """gRPC address of the Triton that it started."""
        return self._triton_line().split()[3].rstrip(",")

    def metric(self, name: str) -> float:
        """A figure that the model publishes; Triton brings it up to date every second."""
        metrics = httpx.get(self._triton_line().split()[-1]).text
        return sum(float(line.split()[-1]) for line in metrics.splitlines() if line.startswith(f"{name}{{"))

    def _triton_line(self) -> str:
        (line,) = (line for line in self.lines if line.startswith("Triton answers at "))
        return line

    @property
    def data(self) -> Path:
        return self.log.parent

    def children(self) -> dict[int, str]:
        """Process id → command line, of everything that runs below it."""
        return {pid: _command(pid) for pid in family(self.process.pid)[1:]}

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """The exit code."""
        self.process.send_signal(number)
        return self.process.wait(timeout=90)


def client_of(service: ServiceProcess, key: str | None = None, address: str = "198.51.100.1") -> httpx.Client:
    headers = {"X-Forwarded-For": address} | ({"Authorization": f"Bearer {key}"} if key else {})
    return httpx.Client(base_url=service.url, timeout=300, headers=headers)


def wait_for_summaries(service: ServiceProcess, key: str | None = None) -> None:
    """Until the summarizer has loaded its model."""
    deadline = time.monotonic() + START_SECONDS
    with client_of(service, key) as client:
        while client.post("/v1/summarize", json={"text": "We launch in May.", "style": "headline"}).status_code == 503:
            assert time.monotonic() < deadline
            time.sleep(0.2)


@contextmanager
def run_service(data: Path, **settings: str) -> Iterator[ServiceProcess]:
    """Settings are environment variables. Stopped at the end, if it still runs."""
    data.mkdir(parents=True, exist_ok=True)
    log = data / "service.log"
    own = {
        "STT_SERVER_DATA": str(data),
        "XDG_RUNTIME_DIR": str(data),
        "SUMMARIZER": "off",
    }  # a summarizer costs 2 GB and 8 s
    environment = os.environ | OPEN | own | settings
    with log.open("w") as errors:
        process = subprocess.Popen([STT, "serve"], env=environment, stdout=subprocess.PIPE, stderr=errors, text=True)
    try:
        yield ServiceProcess(process, log, _until_ready(process, log))
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=90)


def _until_ready(process: subprocess.Popen[str], log: Path) -> list[str]:
    assert process.stdout is not None
    arriving: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_pass_on, args=[process.stdout, arriving], daemon=True).start()
    lines: list[str] = []
    while not (lines and lines[-1].startswith("Ready:")):
        try:
            lines.append(arriving.get(timeout=START_SECONDS if process.poll() is None else 1).rstrip())
        except queue.Empty:
            process.kill()
            raise AssertionError(f"the service did not start: {lines}\n{log.read_text()[-4000:]}") from None
    return lines


def _pass_on(lines: Iterable[str], arriving: queue.Queue[str]) -> None:
    for line in lines:
        arriving.put(line)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode()
    except OSError:
        return ""
