from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", sys.argv[1]], stdout=subprocess.PIPE)
assert child.stdout.readline() == b"watched\\n"
print(child.pid, flush=True)
"""
CHILD = """
import ctypes, time
from speech.parent_watchdog import exit_with_parent
exit_with_parent(2)
print("watched", flush=True)
"""


@pytest.mark.parametrize(
    "hangs",
    [
        pytest.param("time.sleep(60)", id="waiting"),
        pytest.param("ctypes.PyDLL(None).sleep(60)", id="holding Python's lock"),
    ],
)
def test_a_process_ends_with_its_parent_whatever_it_hangs_in(hangs: str) -> None:
    parent = subprocess.run([sys.executable, "-c", PARENT, CHILD + hangs], capture_output=True, check=True, timeout=30)
    child = int(parent.stdout)
    until = time.monotonic() + 20
    while is_alive(child):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(pid: int) -> bool:
    """One that is dead and not yet collected is not."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
