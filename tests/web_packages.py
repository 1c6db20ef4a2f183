"""The packages of `web/` that only its tests need."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent.parent / "web"
PROGRAMS = Path(sys.executable).parent


def web_package(name: str) -> Path:
    """The folder of one; all are brought where it is missing, by one process of the tests."""
    folder = WEB / "node_modules" / name
    with (WEB / "package-lock.json").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            command: list[str | Path] = [PROGRAMS / "npm", "ci", "--prefix", WEB, "--ignore-scripts"]
            subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder
