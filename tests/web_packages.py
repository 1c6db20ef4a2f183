"""The packages of `web/` that only its tests need."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

WEB = Path(__file__).parent.parent / "web"
PROGRAMS = Path(sys.executable).parent


def web_package(name: str) -> Path:
    """The folder of one; all are brought where it is missing."""
    folder = WEB / "node_modules" / name
    if not folder.is_dir():
        command: list[str | Path] = [PROGRAMS / "npm", "ci", "--prefix", WEB, "--ignore-scripts"]
        subprocess.run(command, check=True, capture_output=True, timeout=300)
    return folder
