"""Echo gateways that share a store and a folder of recordings, and may be killed."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import imageio_ffmpeg

from tests.integration.jobs.echo_gateway import HELD

GATEWAY = Path(__file__).with_name("echo_gateway.py")
SPEECH = Path(__file__).parents[2] / "data" / "dashwood.flac"
PATIENCE = 120.0  # seconds: the machine may be busy
LEASE_SECONDS = 3


@dataclass
class EchoGateway:
    data: Path
    settings: dict[str, str]
    seconds: float  # that a window takes
    url: str = ""
    process: subprocess.Popen[bytes] = field(init=False)

    def start(self) -> EchoGateway:
        """On the port that it had before, if any."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", int(self.url.rpartition(":")[2] or 0)))
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        environment = os.environ | self.settings | {"STT_SERVER_DATA": str(self.data), "PYTHONPATH": str(Path.cwd())}
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "out.log").open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, str(GATEWAY), str(listener.fileno()), str(self.seconds)],
                env=environment,
                pass_fds=[listener.fileno()],
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        listener.close()
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and self.process.poll() is None:
            try:
                httpx.get(f"{self.url}/v1/models")
                return
            except httpx.TransportError:
                time.sleep(0.1)
        raise AssertionError((self.data / "out.log").read_text()[-3000:])

    @property
    def log(self) -> str:
        """All that it printed, over all of its lives."""
        return (self.data / "out.log").read_text()

    @property
    def windows(self) -> int:
        """That its models were asked about."""
        return self.log.count("window\n")

    @contextmanager
    def held(self) -> Iterator[None]:
        """No window that is asked for meanwhile ends before the block does, however long the test takes."""
        hold = self.data / HELD
        hold.touch()
        try:
            yield
        finally:
            hold.unlink()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@contextmanager
def gateways(folder: Path, database: str, windows: Sequence[float], **settings: str) -> Iterator[list[EchoGateway]]:
    """One for each entry: the seconds that a window takes there. database: its address, "" for SQLite"""
    shared = {
        "STT_ACCOUNTS_DATABASE": database or f"sqlite:///{folder / 'accounts.db'}",
        "STT_ACCOUNTS_LEASE_SECONDS": str(LEASE_SECONDS),
        "STT_JOBS_STORAGE": f"file://{folder / 'shared'}",
        "STT_DIARIZATION_DEPLOYED": "false",
        **settings,
    }
    (folder / "shared").mkdir(exist_ok=True)
    running: list[EchoGateway] = []
    try:
        for number, seconds in enumerate(windows):
            running.append(EchoGateway(folder / f"gateway{number}", shared, seconds).start())
        yield running
    finally:
        for gateway in running:
            gateway.process.terminate()
        for gateway in running:
            gateway.process.wait()


def recording(path: Path, seconds: float) -> Path:
    repeat = ["-stream_loop", "-1", "-i", str(SPEECH), "-t", str(seconds), str(path)]
    subprocess.run([imageio_ffmpeg.get_ffmpeg_exe(), "-loglevel", "error", "-y", *repeat], check=True)
    return path


def submit(gateway: EchoGateway, key: str, path: Path, **fields: str) -> str:
    with path.open("rb") as file:
        answer = httpx.post(
            f"{gateway.url}/v1/jobs",
            headers={"Authorization": f"Bearer {key}"},
            files={"file": (path.name, file)},
            data=fields,
            timeout=PATIENCE,
        )
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def show(gateway: EchoGateway, key: str, path: str) -> Any:
    answer = httpx.get(f"{gateway.url}{path}", headers={"Authorization": f"Bearer {key}"}, timeout=PATIENCE)
    return answer.raise_for_status().json()


def wait_for(gateway: EchoGateway, key: str, identity: str, *, progress: float = 1.0) -> Any:
    """The job, once it has ended or is so far."""
    deadline = time.monotonic() + PATIENCE
    while True:
        job = show(gateway, key, f"/v1/jobs/{identity}")
        if job["status"] in ("completed", "failed", "cancelled") or job["progress"] >= progress:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)
