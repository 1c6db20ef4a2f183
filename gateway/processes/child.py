"""Child processes that end with the gateway: started through the launcher, killed as a group."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from gateway.processes import launcher

GROUP_SECONDS = 3.0  # for killed processes to be gone
EXIT_POLL_SECONDS = 0.05
SETTINGS_PREFIXES = ("STT_", "SUMMARIZER")


async def launch(*command: str | Path, **options: Any) -> asyncio.subprocess.Process:
    """Starts a command in a session of its own, out of reach of the terminal's Ctrl-C.

    The kernel kills it with the thread that calls this.

    command: an absolute path, and its arguments
    options: as asyncio.create_subprocess_exec takes them
    """
    parent = str(os.getpid())
    return await asyncio.create_subprocess_exec(
        sys.executable, "-S", launcher.__file__, parent, *map(str, command), start_new_session=True, **options
    )


def without_settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Without what is meant for the service alone, its database's password among it."""
    return {name: value for name, value in environment.items() if not name.startswith(SETTINGS_PREFIXES)}


async def terminate(process: asyncio.subprocess.Process, seconds: float) -> None:
    """Asks it to end (SIGTERM), and kills what is left of its group after `seconds`, or when this is cancelled."""
    try:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.terminate()
            with suppress(TimeoutError):
                await asyncio.wait_for(wait_for_exit(process), seconds)
    finally:
        await kill_group(process.pid)
        await process.wait()


async def wait_for_exit(process: asyncio.subprocess.Process) -> int:
    """Its exit code as soon as there is one; Process.wait may wait for children too that hold its output open."""
    while process.returncode is None:
        await asyncio.sleep(EXIT_POLL_SECONDS)
    return process.returncode


async def kill_group(leader: int) -> None:
    """Kills a process and its descendants, which are in its group."""
    with suppress(ProcessLookupError, TimeoutError):
        async with asyncio.timeout(GROUP_SECONDS):
            while living_members(leader):
                os.killpg(leader, signal.SIGKILL)
                await asyncio.sleep(0.02)


def living_members(group: int) -> set[int]:
    """Ids of the processes in a group that run; one that is dead and not yet collected does not."""
    found: set[int] = set()
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it ended meanwhile
            state, _, member_of = path.read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state != "Z":
                found.add(int(path.parent.name))
    return found


async def read_lines(stream: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """Lines until the end of the stream, however long they are: a full pipe would block its writer."""
    while True:
        try:
            line = await stream.readline()
        except ValueError:  # longer than the reader's limit: the rest comes as the next line
            continue
        if not line:
            return
        yield line
