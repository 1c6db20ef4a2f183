"""This service as its users run it: started by `stt serve`, asked over HTTP."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from benchmarks.environments import PROJECT, SERVICE_PYTHON
from benchmarks.peers.contender import Outcome
from benchmarks.peers.process import PeerFailed
from benchmarks.processes import processor_seconds
from benchmarks.recordings import CorpusRecording

PATIENCE = 180.0  # seconds until the service must be ready
SETTINGS = {  # no limits on callers; what other parts would run beside is left out
    "STT_SERVER_LOG_LEVEL": "warning",
    "STT_ACCOUNTS_ANONYMOUS": "unlimited",
    "STT_DIARIZATION_DEPLOYED": "false",
    "STT_SUMMARIZER_MODE": "off",
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@dataclass
class Service:
    """A running service. As a context: started here, on a free port with an empty data folder, and stopped."""

    name: str = "this service"
    python: Path = SERVICE_PYTHON
    port: int = 0
    settings: dict[str, str] = field(default_factory=dict)
    key: str = ""  # API key, for a service that limits anonymous callers

    def __enter__(self) -> Self:
        self.port = self.port or free_port()
        self._data = tempfile.TemporaryDirectory(prefix="stt-benchmark-")
        environment = os.environ | SETTINGS | self.settings | {
            "STT_SERVER_PORT": str(self.port),
            "STT_SERVER_DATA": self._data.name,
            "PATH": f"{self.python.parent}:{os.environ['PATH']}",
        }  # fmt: skip
        self.log = Path(self._data.name) / "serve.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(self.python.parent / "stt"), "serve"], cwd=PROJECT, env=environment, stdout=log, stderr=log
            )
        self.client = httpx.Client(base_url=f"http://127.0.0.1:{self.port}", timeout=3600)
        try:
            self._wait()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def _wait(self) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if self.process.poll() is not None:
                break
            with contextlib.suppress(httpx.TransportError):
                if self.client.get("/health").status_code == httpx.codes.OK:
                    return
            time.sleep(0.2)
        raise PeerFailed(f"the service did not get ready: {self.log.read_text()[-2000:]}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._data.cleanup()

    @property
    def versions(self) -> dict[str, str]:
        return {}

    def transcribe(
        self, recording: CorpusRecording, *, words: bool = True, language: str = "", vad: bool = True
    ) -> Outcome:
        """Posts the file and waits for its JSON. Word times always come: the contract has them."""
        processor, began = processor_seconds(self.process.pid), time.perf_counter()
        answer = self.post(recording.path, language=language or "auto")
        seconds = time.perf_counter() - began
        if answer.status_code != httpx.codes.OK:
            raise PeerFailed(f"{recording.id}: {answer.status_code} {answer.text[:300]}")
        heard = answer.json()
        spoken = [word for segment in heard["segments"] for word in segment["words"]]
        return Outcome(
            text=heard["text"],
            language=heard["language"],
            seconds=seconds,
            processor_seconds=processor_seconds(self.process.pid) - processor,
            words=tuple((word["word"], word["start"], word["end"]) for word in spoken),
        )

    def post(self, path: Path, **fields: str) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        data = {"model": "base", "diarize": "false"} | fields
        with path.open("rb") as file:
            return self.client.post("/v1/transcribe", files={"file": file}, data=data, headers=headers)
