"""Starts confined processes without a new Python for each: `python -I -S fork_server.py CONFINE RULES BINARY`.

Run as a file, not imported, by `ConfinedProcesses`, which talks to it over the socket that is its standard input.
Every message asks for one process with three open files and a pipe for its id and its exit code; it is forked,
confines itself (confine.py, at the path CONFINE) and becomes BINARY. So a process serves one file, and nothing goes
from one to another. When the socket closes, because the gateway has ended, so does this, and with it everything that it
started.
"""

from __future__ import annotations

import array
import contextlib
import importlib.util
import marshal
import os
import select
import signal
import socket
import struct
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FILES = 4  # that come with a request: standard input, output and error, the pipe for the exit code
MOST_BYTES = 2**16  # of a message
NOT_STARTED = 127


def main(confine: Any, rules: dict[str, Any], binary: str) -> None:
    """Serves until the socket closes."""
    channel = socket.socket(fileno=os.dup(0))
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake)
    rules["parent"] = os.getpid()
    running: dict[int, int] = {}  # by process: the pipe for its exit code
    while True:
        ready, _, _ = select.select([channel.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
            _tell_ended(running)
        if channel.fileno() in ready and not _answer(channel, running, confine, rules, binary):
            break
    for process in running:
        os.kill(process, signal.SIGKILL)


def _answer(channel: socket.socket, running: dict[int, int], confine: Any, rules: dict[str, Any], binary: str) -> bool:
    """Starts what one message asks for, and tells its id. False once the socket is closed."""
    size = array.array("i").itemsize
    message, extra, _, _ = channel.recvmsg(MOST_BYTES, socket.CMSG_LEN(FILES * size), socket.MSG_CMSG_CLOEXEC)
    if not message:
        return False
    limits, arguments = marshal.loads(message)
    files = array.array("i")
    for _, _, data in extra:
        files.frombytes(data)
    process = os.fork()
    if process == 0:
        _become(confine, {**rules, "limits": limits}, [binary, *arguments], files)
    for file in files[:3]:
        os.close(file)
    running[process] = files[3]
    _tell(files[3], process)
    return True


def _become(confine: Any, rules: dict[str, Any], command: list[str], files: array.array[int]) -> None:
    """In the new process: never returns."""
    try:
        signal.set_wakeup_fd(-1)
        os.setsid()  # out of reach of the terminal's Ctrl-C, at which ffmpeg ends as if the file did
        for place in range(3):
            os.dup2(files[place], place)
        confine.main(rules, command)
    except BaseException as error:
        os.write(2, f"{command[0]} could not be confined: {error}\n".encode())
    finally:
        os._exit(NOT_STARTED)


def _tell(pipe: int, number: int) -> None:
    with contextlib.suppress(OSError):  # nobody waits for it any more
        os.write(pipe, struct.pack("@i", number))


def _tell_ended(running: dict[int, int]) -> None:
    """Each exit code into the pipe of its process: as subprocess has it, negative for a signal."""
    while running:
        process, status = os.waitpid(-1, os.WNOHANG)
        if not process:
            return
        pipe = running.pop(process)
        _tell(pipe, os.waitstatus_to_exitcode(status))
        os.close(pipe)


def _load(path: str) -> Any:
    """A module by its file: `-I` leaves no folder to import it from."""
    found = importlib.util.spec_from_file_location("confine", path)
    assert found is not None and found.loader is not None
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main(_load(sys.argv[1]), marshal.loads(bytes.fromhex(sys.argv[2])), sys.argv[3])
