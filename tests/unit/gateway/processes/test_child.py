from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from gateway.processes.child import launch, living_members, read_lines, terminate, wait_for_exit

PARENT = """
import asyncio, sys
from gateway.processes.child import launch

async def main():
    await launch(*sys.argv[1:])
    await asyncio.sleep(600)

asyncio.run(main())
"""
# Says its id and its child's, both of which ignore SIGTERM.
FAMILY = """trap "" TERM; sleep 600 & echo $$ $!; wait"""


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False


def wait_until_gone(pids: list[int]) -> None:
    end = time.monotonic() + 20
    while any(is_alive(pid) for pid in pids):
        assert time.monotonic() < end, "a process is still there"
        time.sleep(0.02)


async def test_a_child_that_ignores_the_signal_is_killed_with_its_own_children() -> None:
    process = await launch("/bin/sh", "-c", FAMILY, stdout=PIPE)
    assert process.stdout is not None
    family = [int(word) for word in (await process.stdout.readline()).split()]
    assert living_members(process.pid) == set(family)

    await terminate(process, 0.2)

    wait_until_gone(family)
    assert process.returncode == -signal.SIGKILL
    assert living_members(process.pid) == set()


async def test_a_child_may_finish_what_it_does() -> None:
    process = await launch(
        "/bin/sh", "-c", "trap 'echo bye; exit 0' TERM; echo up; while :; do sleep 0.01; done", stdout=PIPE
    )
    assert process.stdout is not None
    await process.stdout.readline()

    await terminate(process, 60)

    assert process.returncode == 0
    assert await process.stdout.read() == b"bye\n"


async def test_an_exit_is_noticed_though_another_process_holds_the_output() -> None:
    process = await launch("/bin/sh", "-c", "sleep 600 & exit 3", stdout=PIPE)

    async with asyncio.timeout(20):
        assert await wait_for_exit(process) == 3
    assert len(living_members(process.pid)) == 1

    await terminate(process, 0)
    assert living_members(process.pid) == set()


async def test_a_stop_that_is_cancelled_kills_the_child() -> None:
    process = await launch("/bin/sh", "-c", FAMILY, stdout=PIPE)
    assert process.stdout is not None
    family = [int(word) for word in (await process.stdout.readline()).split()]
    stopping = asyncio.create_task(terminate(process, 600))
    await asyncio.sleep(0)

    stopping.cancel()

    with pytest.raises(asyncio.CancelledError):
        await stopping
    wait_until_gone(family)


def test_a_child_dies_with_a_parent_that_is_killed() -> None:
    command = [sys.executable, "-c", PARENT, "/bin/sh", "-c", "echo $$; exec sleep 600"]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert os.getpgid(child) == child
        parent.kill()

    wait_until_gone([child])


async def test_a_line_without_end_does_not_end_the_reading() -> None:
    stream = asyncio.StreamReader(limit=100)
    stream.feed_data(b"first\n" + 500 * b"x" + b"\nlast\n")
    stream.feed_eof()

    lines = [line async for line in read_lines(stream)]

    assert lines[0] == b"first\n"
    assert lines[-1] == b"last\n"
