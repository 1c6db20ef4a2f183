"""An object store that speaks S3, for tests: SeaweedFS in a temporary folder, which may be killed and started again."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import obstore
from obstore.exceptions import BaseError
from obstore.store import S3Store

PROGRAM = Path(sys.executable).with_name("weed")
BUCKET = "recordings"
KEYS = {"AWS_ACCESS_KEY_ID": "gateway", "AWS_SECRET_ACCESS_KEY": "its-own-secret"}
SERVERS = ("master", "volume", "filer", "s3", "admin")  # each with a port for HTTP and one for gRPC
UNUSED = ("-webdav=false", "-admin.ui=false", "-s3.port.iceberg=0", "-s3.port.lance=0", "-master.telemetry=false")
START_SECONDS = 60.0


@dataclass
class ObjectStoreServer:
    folder: Path
    ports: list[int] = field(default_factory=lambda: free_ports(2 * len(SERVERS)))
    process: subprocess.Popen[bytes] | None = None

    @property
    def settings(self) -> dict[str, str]:
        """Of a gateway that stores recordings in it, below a prefix that nobody else has."""
        return {
            **KEYS,
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT": self._url,
            "STT_JOBS_STORAGE": f"s3://{BUCKET}/{uuid4().hex}/recordings",
        }

    @property
    def _url(self) -> str:
        return f"http://127.0.0.1:{self.ports[2 * SERVERS.index('s3')]}"

    def start(self) -> None:
        """With what was stored before, at the same ports."""
        ports = [f"-{name}.port={self.ports[2 * at]}" for at, name in enumerate(SERVERS)]
        ports += [f"-{name}.port.grpc={self.ports[2 * at + 1]}" for at, name in enumerate(SERVERS)]
        here = [f"-dir={self.folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1", f"-bucket={BUCKET}"]
        with (self.folder / "log.txt").open("ab") as log:
            command = [str(PROGRAM), "mini", *here, *ports, *UNUSED]
            self.process = subprocess.Popen(command, env=os.environ | KEYS, stdout=log, stderr=log)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.process is not None and self.process.poll() is None:
            try:
                obstore.put(self.bucket(), "started", b"yes")
                return
            except BaseError:
                time.sleep(0.1)
        raise AssertionError((self.folder / "log.txt").read_text()[-3000:])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def bucket(self, prefix: str | None = None) -> Any:
        return S3Store(
            BUCKET,
            prefix=prefix,
            endpoint=self._url,
            access_key_id=KEYS["AWS_ACCESS_KEY_ID"],
            secret_access_key=KEYS["AWS_SECRET_ACCESS_KEY"],
            region="us-east-1",
            client_options={"allow_http": True},
            retry_config={"max_retries": 0},
        )

    def names(self, url: str) -> list[str]:
        """Of all that is stored below an address as a gateway has it."""
        stored = obstore.list(self.bucket(url.removeprefix(f"s3://{BUCKET}/"))).collect()
        return sorted(str(entry["path"]) for entry in stored)


def free_ports(number: int) -> list[int]:
    with ExitStack() as stack:
        probes = [stack.enter_context(socket.socket()) for _ in range(number)]
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
