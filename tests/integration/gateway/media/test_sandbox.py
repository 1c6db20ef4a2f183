"""What a hostile file could do if it took ffmpeg over: tried by a Python in ffmpeg's place."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.media.ffmpeg import Ffmpeg, MediaLimits
from gateway.processes import confine
from gateway.processes.confined import ConfinedProcess, StartAbandoned
from gateway.processes.sandbox import Sandbox

SYSTEM_PYTHON = shutil.which("python3", path="/usr/bin:/usr/local/bin")  # any user may run it, and its library too
PYTHON = Path(SYSTEM_PYTHON or sys.executable).resolve()
pytestmark = pytest.mark.skipif(SYSTEM_PYTHON is None, reason="no Python in /usr that any user may run")
SOMEBODY = 10001  # the user of our containers
PROBE = """
import json, os, socket, sys
secret, parent = sys.argv[1], int(sys.argv[2])
found = {}
def attempt(name, action):
    try:
        action()
        found[name] = "done"
    except OSError as problem:
        found[name] = type(problem).__name__
attempt("read", lambda: open(secret).read())
attempt("read what another process was told", lambda: open(f"/proc/{parent}/environ").read())
attempt("list", lambda: os.listdir(os.path.dirname(secret)))
attempt("connect", lambda: socket.create_connection(("127.0.0.1", int(sys.argv[3])), 1).close())
attempt("signal", lambda: os.kill(parent, 0))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("empty", lambda: os.truncate(secret, 0))
attempt("write", lambda: open(secret, "w").close())
attempt("make", lambda: open(secret + ".new", "x").close())
attempt("rename", lambda: os.rename(secret, secret + ".moved"))
attempt("delete", lambda: os.unlink(secret + ".moved"))
print(json.dumps(found), flush=True)
"""


@pytest.fixture
def secret() -> Iterator[Path]:
    """A file that its owner alone may read, in a folder that its owner alone may change."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "accounts.db"
        path.write_text("secret")
        path.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(path, SOMEBODY, SOMEBODY)
            os.chown(folder, SOMEBODY, SOMEBODY)
        yield path


def tried(sandbox: Sandbox, secret: Path, port: int) -> dict[str, str]:
    """Outcomes of the probe by name, run by the file's own user."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        launcher = Path(shutil.copy(confine.__file__, folder))
        launcher.chmod(0o644)
        command = sandbox.command(PYTHON, {})
        command[0], command[3] = str(PYTHON), str(launcher)
        own: dict[str, object] = {"user": SOMEBODY, "group": SOMEBODY, "extra_groups": []} if os.geteuid() == 0 else {}
        waiting = subprocess.Popen(["sleep", "60"], **own)  # type: ignore[call-overload]
        try:
            arguments = ["-I", "-S", "-c", PROBE, str(secret), str(waiting.pid), str(port)]
            done = subprocess.run([*command, *arguments], capture_output=True, text=True, check=True, cwd="/", **own)  # type: ignore[call-overload]
        finally:
            waiting.kill()
            waiting.wait()
    return dict(json.loads(done.stdout.splitlines()[-1]))


@pytest.fixture
def port() -> Iterator[int]:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_it_can_reach_nothing_of_the_user_that_it_runs_as(secret: Path, port: int) -> None:
    sandbox = replace(Sandbox.find(), user=0)
    if sandbox.missing:
        pytest.skip(f"this machine has no {' and no '.join(sandbox.missing)}")

    outcomes = tried(sandbox, secret, port)

    assert set(outcomes.values()) == {"PermissionError"}, outcomes
    assert secret.read_text() == "secret"


def test_without_the_sandbox_it_could(secret: Path, port: int) -> None:
    assert set(tried(Sandbox(), secret, port).values()) == {"done"}


def test_without_seccomp_it_still_opens_no_file(secret: Path, port: int) -> None:
    outcomes = tried(replace(Sandbox.find(), user=0, filter=b""), secret, port)

    assert {outcomes[name] for name in ("read", "write", "empty", "make", "list")} == {"PermissionError"}


def test_without_landlock_it_still_reaches_no_network_and_changes_no_file(secret: Path, port: int) -> None:
    outcomes = tried(replace(Sandbox.find(), user=0, landlock=0), secret, port)

    assert {outcomes[name] for name in ("connect", "signal", "fork", "write", "delete")} == {"PermissionError"}
    assert secret.read_text() == "secret"


def test_what_keeps_a_binary_from_working_is_left_away_and_told(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox.find()

    fitting = sandbox.fitting(Path("/bin/sh"), "-c", "(exit 0)")  # a shell in a shell: it forks

    assert fitting == replace(sandbox, filter=b"")
    assert "seccomp" in fitting.missing
    assert "sh is not confined by" in caplog.text


def running(code: str, limits: MediaLimits | None = None) -> ConfinedProcess:
    python = replace(Ffmpeg.find(), executable=PYTHON)
    with Path("/dev/null").open("rb") as nothing:
        return python.spawn(["-I", "-S", "-c", code], nothing.fileno(), limits or MediaLimits())


def parent_of(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("PPid:"))


def said(code: str) -> str:
    return running(code).communicate(timeout=60)[0].decode()


def test_it_runs_as_somebody_else_where_the_service_is_root() -> None:
    assert int(said("import os; print(os.getuid())")) == (65534 if os.geteuid() == 0 else os.getuid())


def test_its_memory_and_its_time_are_limited_and_it_is_the_first_to_go_when_memory_ends() -> None:
    limits = MediaLimits()
    code = "import resource as r; print([r.getrlimit(n)[1] for n in (r.RLIMIT_AS, r.RLIMIT_CPU, r.RLIMIT_NOFILE)])"

    assert json.loads(said(code)) == [limits.memory, limits.processor, 64]
    child = running("import time; time.sleep(60)")
    try:
        adjusted = Path(f"/proc/{child.pid}/oom_score_adj")
        deadline = time.monotonic() + 30
        while adjusted.read_text().strip() != "1000" and time.monotonic() < deadline:
            time.sleep(0.02)
        assert adjusted.read_text().strip() == "1000"
    finally:
        child.kill()
        child.communicate()


def test_it_dies_with_the_gateway(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from dataclasses import replace\n"
        "from gateway.media.ffmpeg import Ffmpeg, MediaLimits\n"
        f"python = replace(Ffmpeg.find(), executable=Path({str(PYTHON)!r}))\n"
        "code = 'import time; print(1, flush=True); time.sleep(60)'\n"
        "child = python.spawn(['-I', '-S', '-c', code], 0, MediaLimits())\n"
        "child.stdout.read(1); print(child.pid, flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as gateway:
        assert gateway.stdout is not None
        decoder = int(gateway.stdout.readline())
        assert Path(f"/proc/{decoder}").exists()
        gateway.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + 10
    while Path(f"/proc/{decoder}").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not Path(f"/proc/{decoder}").exists()


def test_every_file_has_a_process_of_its_own_that_holds_nothing_of_another() -> None:
    python = replace(Ffmpeg.find(), executable=PYTHON)
    code = "import os; print(os.getpid(), sorted(os.listdir('/proc/self/fd'), key=int)[:-1])"
    unconfined = replace(python, sandbox=Sandbox())
    with Path("/dev/null").open("rb") as nothing:
        outputs = [
            unconfined.spawn(["-I", "-S", "-c", code], nothing.fileno(), MediaLimits()).communicate(60)[0].decode()
            for _ in range(2)
        ]

    assert len({output.split()[0] for output in outputs}) == 2
    assert all(output.split(maxsplit=1)[1].strip() == "['0', '1', '2']" for output in outputs), outputs


def test_a_killed_process_is_told_by_its_signal_and_one_that_fails_by_its_code() -> None:
    sleeper = running("import time; time.sleep(60)")
    sleeper.kill()
    failed = running("raise SystemExit(3)")

    assert (sleeper.wait(), failed.wait()) == (-signal.SIGKILL, 3)


def test_a_fork_server_that_was_killed_is_started_again() -> None:
    python = replace(Ffmpeg.find(), executable=PYTHON)
    started = [python.spawn(["-I", "-S", "-c", "print(1)"], 0, MediaLimits())]
    os.kill(parent_of(started[0].pid), signal.SIGKILL)

    started.append(python.spawn(["-I", "-S", "-c", "print(1)"], 0, MediaLimits()))

    assert started[1].communicate(60)[0] == b"1\n"
    started[0].communicate(60)


def test_what_a_fork_server_started_dies_with_it() -> None:
    python = replace(Ffmpeg.find(), executable=PYTHON)
    started = python.spawn(["-I", "-S", "-c", "import time; print(1, flush=True); time.sleep(600)"], 0, MediaLimits())
    started.stdout.read(1)
    os.kill(parent_of(started.pid), signal.SIGKILL)

    deadline = time.monotonic() + 60
    while runs(started.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not runs(started.pid)


def runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def test_a_start_that_nobody_waits_for_is_given_up_though_the_server_stands_still() -> None:
    python = replace(Ffmpeg.find(), executable=PYTHON)
    first = python.spawn(["-I", "-S", "-c", "print(1)"], 0, MediaLimits())
    server = parent_of(first.pid)
    os.kill(server, signal.SIGSTOP)
    try:
        with pytest.raises(StartAbandoned):
            python.spawn(["-I", "-S", "-c", "print(2)"], 0, MediaLimits(), lambda: True)
    finally:
        os.kill(server, signal.SIGCONT)

    third = python.spawn(["-I", "-S", "-c", "print(3)"], 0, MediaLimits())
    assert (first.communicate(60)[0], third.communicate(60)[0]) == (b"1\n", b"3\n")
