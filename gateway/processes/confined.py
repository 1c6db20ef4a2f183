"""Confined processes, each started by a fork server that stands ready: a clip's decoding costs no new Python."""

from __future__ import annotations

import array
import contextlib
import errno
import marshal
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from gateway.processes import confine, fork_server
from gateway.processes.sandbox import Sandbox

NUMBER = struct.Struct("@i")
POLL_SECONDS = 0.1  # between two looks whether somebody still waits for a start


class StartAbandoned(RuntimeError):
    """Nobody waits for the process any more, and it had not been started."""


class ConfinedProcess:
    """As much of subprocess.Popen as readers of its output need."""

    def __init__(self, server: object, pid: int, stdout: int, stderr: int, status: int) -> None:
        self._server = server  # ends when nobody holds it, and the process with it
        self.pid = pid
        self.returncode: int | None = None
        self.stdout: IO[bytes] = os.fdopen(stdout, "rb", 0)
        self.stderr: IO[bytes] = os.fdopen(stderr, "rb", 0)
        self._status = os.fdopen(status, "rb", 0)
        self._ended = threading.Lock()

    def kill(self) -> None:
        # Once its exit code can be read its id may be another process's.
        if self.returncode is None and not _is_readable(self._status, 0):
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGKILL)

    def wait(self) -> int:
        """The exit code; negative for a signal, as for a process that died with its server."""
        with self._ended:
            if self.returncode is None:
                self.returncode = _number(self._status, default=-signal.SIGKILL)
                self._status.close()
            return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[bytes, bytes]:
        """What it writes until it ends. raises: subprocess.TimeoutExpired"""
        errors = list[bytes]()
        reader = threading.Thread(target=lambda: errors.append(self.stderr.read()), daemon=True)
        reader.start()
        patience = threading.Timer(timeout, self.kill) if timeout else None
        if patience is not None:
            patience.start()
        written = self.stdout.read()
        reader.join()
        self.wait()
        if patience is not None:
            patience.cancel()
        return written, b"".join(errors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stdout.close()
        self.stderr.close()
        self.wait()


class _Server:
    """One running fork server."""

    def __init__(self, sandbox: Sandbox, binary: Path) -> None:
        self._channel, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        rules = marshal.dumps(sandbox.rules({})).hex()
        command = [sys.executable, "-I", "-S", fork_server.__file__, confine.__file__, rules, str(binary)]
        with theirs:
            process = subprocess.Popen(
                command, stdin=theirs.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C"}, cwd="/", start_new_session=True,
            )  # fmt: skip
        self._end = weakref.finalize(self, _end, self._channel, process)

    def start(
        self, arguments: Sequence[str], limits: dict[str, int], source: int, abandoned: Callable[[], bool]
    ) -> ConfinedProcess:
        """raises: OSError where the server is gone; StartAbandoned"""
        reading, writing = zip(*(os.pipe() for _ in range(3)), strict=True)
        try:
            try:
                message = marshal.dumps((limits, list(arguments)))
                files = array.array("i", [source, *writing])
                self._channel.sendmsg([message], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])
            finally:
                for end in writing:
                    os.close(end)
            pid = _started(reading[2], abandoned)
        except BaseException:
            for end in reading:
                os.close(end)
            raise
        return ConfinedProcess(self, pid, *reading)

    def close(self) -> None:
        self._end()


class ConfinedProcesses:
    """Runs of one binary in one sandbox. The server is started with the first, and anew where it was killed."""

    def __init__(self, sandbox: Sandbox, binary: Path) -> None:
        self._sandbox = sandbox
        self._binary = binary
        self._server: _Server | None = None
        self._lock = threading.Lock()

    def stand_ready(self) -> None:
        """Starts the server, so that the first run does not wait for it."""
        self._running()

    def start(
        self,
        arguments: Sequence[str],
        limits: dict[str, int],
        source: int,
        abandoned: Callable[[], bool] = lambda: False,
    ) -> ConfinedProcess:
        """Runs the binary on the open file `source`; its standard output and error are pipes.

        limits: name of a limit in `resource`, and its value
        abandoned: whether nobody waits for it any more; asked until it was started
        raises: OSError, with EAGAIN where the server was killed twice meanwhile; StartAbandoned
        """
        server = self._running()
        with contextlib.suppress(OSError):
            return server.start(arguments, limits, source, abandoned)
        try:
            return self._running(dead=server).start(arguments, limits, source, abandoned)
        except (ChildProcessError, BrokenPipeError, ConnectionResetError) as error:
            raise BlockingIOError(errno.EAGAIN, "the server that starts confined processes ended twice") from error

    def _running(self, dead: _Server | None = None) -> _Server:
        """dead: one that does not answer any more"""
        with self._lock:
            if self._server is None or self._server is dead:
                self._server = _Server(self._sandbox, self._binary)
            if dead is not None:
                dead.close()
            return self._server


def _started(status: int, abandoned: Callable[[], bool]) -> int:
    """The id of a process, once it was started. raises: ChildProcessError, StartAbandoned"""
    while not _is_readable(status, POLL_SECONDS):
        if abandoned():
            raise StartAbandoned
    data = os.read(status, NUMBER.size)
    if len(data) < NUMBER.size:
        raise ChildProcessError("the fork server has ended")
    return int(NUMBER.unpack(data)[0])


def _is_readable(pipe: IO[bytes] | int, seconds: float) -> bool:
    poll = select.poll()
    poll.register(pipe, select.POLLIN)
    return bool(poll.poll(1000 * seconds))


def _number(pipe: IO[bytes], default: int) -> int:
    data = pipe.read(NUMBER.size)
    return int(NUMBER.unpack(data)[0]) if data and len(data) == NUMBER.size else default


def _end(channel: socket.socket, process: subprocess.Popen[bytes]) -> None:
    channel.close()
    process.kill()  # and everything that it started dies with it
    process.wait()
