"""The name under which a gateway process holds its leases, and how to tell that such a process is dead.

A lease of a dead gateway expires by itself; one that died on this machine is recognised at once, so that
a restart after a crash gives everything back before the first request.
"""

from __future__ import annotations

import os
import platform
import secrets
from pathlib import Path

BOOT = Path("/proc/sys/kernel/random/boot_id")
START_TIME_FIELD = 19  # of /proc/PID/stat, counted after the command's closing parenthesis


def this_process() -> str:
    """`host|pid|start|random`; the last part tells stores apart that one process opened."""
    pid = os.getpid()
    return f"{_host()}|{pid}|{_started(pid)}|{secrets.token_hex(4)}"


def is_dead(owner: str) -> bool:
    """True only where it is certain: the same machine, boot and process namespace, and no such process."""
    host, _, process = owner.partition("|")
    pid, _, rest = process.partition("|")
    if host != _host() or not pid.isdecimal():
        return False
    try:
        return str(_started(int(pid))) != rest.partition("|")[0]
    except OSError:  # no descriptors left, or /proc hides others' processes: who knows
        return False


def _host() -> str:
    try:
        boot = BOOT.read_text().strip()
        namespace = os.stat("/proc/self/ns/pid").st_ino  # noqa: PTH116, the link's target has no path
    except OSError:
        return f"{platform.node()}/{secrets.token_hex(8)}"  # no /proc: never certain
    return f"{platform.node()[:60]}/{boot}/{namespace}"


def _started(pid: int) -> int | None:
    """Clock ticks after boot at which the process began; None where there is none, or a zombie."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[START_TIME_FIELD])
