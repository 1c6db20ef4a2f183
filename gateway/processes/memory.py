"""How much memory this process and its children may take."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

CGROUPS = Path("/sys/fs/cgroup")


def memory_bytes(cgroups: Path = CGROUPS, own: Path = Path("/proc/self/cgroup")) -> int:
    """The machine's memory, or less where a control group (a container, a systemd unit) has a limit."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for folder in _groups(cgroups, own):
        with contextlib.suppress(OSError, ValueError):  # "max": none
            limits.append(int((folder / "memory.max").read_text()))
    return min(limits)


def _groups(cgroups: Path, own: Path) -> list[Path]:
    """Its own control group and those around it, of version 2."""
    with contextlib.suppress(OSError):
        for line in own.read_text().splitlines():
            number, _, path = line.split(":", 2)
            if number == "0":
                inner = cgroups / path.strip("/")
                return [folder for folder in (inner, *inner.parents) if folder.is_relative_to(cgroups)]
    return [cgroups]
