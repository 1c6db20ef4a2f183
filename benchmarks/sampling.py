"""Which functions a process spends its processor time in, by py-spy's samples (`pip install py-spy`)."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

RATE = 100  # samples a second
# What a frame is searched for, innermost first, and the part of the work that it belongs to.
WHISPER = (
    ("compose (", "word times"),
    ("_log_mel (", "log-mel"),
    ("encode (", "encoder"),
    ("prefill (", "decoder"),
    ("verify (", "decoder"),
    ("step (", "decoder"),
    ("span_languages (", "decoder"),
)
DIARIZER = (
    ("classes (", "segmentation"),
    ("features (", "embedding"),
    ("mel (", "filterbank"),
    ("pool (", "pooling"),
)
GATEWAY = (
    ("activity.py", "voice activity"),
    ("gateway/media/", "reading the file"),
    ("gateway/accounts/", "accounts"),
    ("find_turns (", "clustering"),
    ("speech/diarization/", "clustering"),
    ("gateway/triton/", "calls to Triton"),
    ("gateway/streaming/", "live session"),
    ("gateway/transcript/", "text"),
    ("gateway/recognition/", "recognition"),
    ("dbos/", "jobs"),
    ("uvicorn/", "HTTP"),
    ("websockets/", "HTTP"),
)
WAITING = (  # innermost frames of threads that have nothing to do; py-spy cannot always tell
    "_worker (",
    "wait (",
    "select (",
    "watch (",
    "join (",
    "acquire (",
    "result (",
    "Thread.run (",
    "Runner.run (",
    "queue_worker_thread (",
    "_notification_listener_polling (",
    "_collect (",
)
POOL = "pool"  # a thread whose Python frames do not tell what compiled code it runs


class NoSampler(RuntimeError):
    """py-spy is not installed, or may not look into processes."""


@dataclass
class Samples:
    """Of one process: how often each part was at work."""

    parts: Counter[str] = field(default_factory=Counter)

    def shares(self) -> dict[str, float]:
        """Of the process's time. Pool threads work where their caller does, so they are left out."""
        named = {part: count for part, count in self.parts.items() if part != POOL}
        total = sum(named.values())
        return {part: count / total for part, count in named.items()} if total else {}


def read_samples(raw: str, parts: Sequence[tuple[str, str]]) -> Samples:
    """raw: py-spy's collapsed stacks, `frame;frame;… count` a line"""
    found = Samples()
    for line in raw.splitlines():
        stack, _, count = line.rpartition(" ")
        frames = stack.split(";")
        if frames[-1] and not any(sign in frames[-1] for sign in WAITING):
            found.parts[_part(frames, parts)] += int(count)
    return found


def _part(frames: Sequence[str], parts: Sequence[tuple[str, str]]) -> str:
    for frame in reversed(frames):
        for sign, part in parts:
            if sign in frame:
                return part
    return POOL if "concurrent/futures/thread.py" in frames[-1] else "rest"


@contextmanager
def sampled(processes: Mapping[str, tuple[int, Sequence[tuple[str, str]]]]) -> Iterator[dict[str, Samples]]:
    """Samples processes while the context lasts; what they did is there once it is left.

    processes: by a name, the id and the parts. raises: NoSampler
    """
    program = find_sampler()
    found: dict[str, Samples] = {}
    with TemporaryDirectory() as folder:
        running = {name: _start(program, pid, Path(folder) / name) for name, (pid, _) in processes.items()}
        try:
            yield found
        finally:
            for name, sampler in running.items():
                sampler.send_signal(signal.SIGINT)
                sampler.wait(timeout=60)
                raw = Path(folder) / name
                if raw.exists():
                    found[name] = read_samples(raw.read_text(), processes[name][1])


def find_sampler() -> str:
    """raises: NoSampler"""
    found = shutil.which("py-spy") or shutil.which(str(Path(sys.executable).parent / "py-spy"))
    if found is None:
        raise NoSampler("py-spy is missing: pip install py-spy")
    return found


def _start(program: str, pid: int, output: Path) -> subprocess.Popen[bytes]:
    command = [program, "record", "--pid", str(pid), "--rate", str(RATE), "--format", "raw", "--function"]
    sampler = subprocess.Popen(
        [*command, "--duration", "3600", "--output", str(output)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert sampler.stdout is not None
    line = sampler.stdout.readline()  # it is attached, or says why not
    if b"Sampling process" not in line:
        sampler.kill()
        raise NoSampler(f"py-spy: {(line + sampler.stdout.read()).decode().strip()}")
    return sampler
