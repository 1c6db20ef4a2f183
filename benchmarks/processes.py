"""A process and all its children: memory and processor time, from /proc."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

TICKS = os.sysconf("SC_CLK_TCK")


def family(root: int) -> list[int]:
    """The process and every descendant that lives now."""
    parents: dict[int, int] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError, ValueError):
            parents[int(folder.name)] = int(_after_name(folder)[1])
    members = [root]
    for member in members:  # grows while it is read
        members += [child for child, parent in parents.items() if parent == member]
    return members


def processor_seconds(root: int) -> float:
    """User and system time of the family, children that have ended included."""
    total = 0
    for member in family(root):
        with contextlib.suppress(OSError):
            total += sum(int(field) for field in _after_name(Path(f"/proc/{member}"))[11:15])
    return total / TICKS


def processor_parts(root: int) -> dict[str, float]:
    """User and system time of a service's family by part: the gateway with what it starts, Triton's server, and the
    process of each of its models by the model's name."""
    parts: dict[str, float] = {}
    for member in family(root):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{member}/cmdline").read_bytes().decode(errors="replace").split("\0")
            spent = sum(int(field) for field in _after_name(Path(f"/proc/{member}"))[11:15]) / TICKS
            name = part_name(arguments)
            parts[name] = parts.get(name, 0.0) + spent
    return parts


def part_processes(root: int) -> dict[str, int]:
    """The id of each part's process; of the gateway, its own."""
    found = {"gateway": root}
    for member in family(root):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{member}/cmdline").read_bytes().decode(errors="replace").split("\0")
            found.setdefault(part_name(arguments), member)
    return found


def ended_children_seconds(root: int) -> float:
    """User and system time of what the gateway, or what it runs, has started and has ended."""
    total = 0
    for member in family(root):
        with contextlib.suppress(OSError):
            arguments = Path(f"/proc/{member}/cmdline").read_bytes().decode(errors="replace").split("\0")
            if part_name(arguments) == "gateway":
                total += sum(int(field) for field in _after_name(Path(f"/proc/{member}"))[13:15])
    return total / TICKS


def part_name(arguments: Sequence[str]) -> str:
    """Of a process of the service, from its command line."""
    program = Path(arguments[0]).name
    if program.endswith("python_backend_stub"):
        return Path(arguments[1]).parents[1].name  # <repository>/<model>/<version>/model.py
    return program if program == "tritonserver" else "gateway"


def memory(root: int) -> dict[str, float]:
    """Proportional set size of the family in megabytes, by command name: shared pages count once."""
    sizes: dict[str, float] = {}
    for member in family(root):
        with contextlib.suppress(OSError):
            name = Path(f"/proc/{member}/comm").read_text().strip()
            rollup = Path(f"/proc/{member}/smaps_rollup").read_text()
            kilobytes = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
            sizes[name] = sizes.get(name, 0.0) + kilobytes / 1024
    return sizes


class MemoryWatch:
    """The largest memory that a family takes while the context lasts, looked at every `interval` seconds."""

    def __init__(self, root: int, interval: float = 0.5) -> None:
        self.root = root
        self.interval = interval
        self.peak = 0.0  # megabytes, all processes together
        self.parts: dict[str, float] = {}  # megabytes by command name, at the peak
        self.samples: list[dict[str, float]] = []  # the same at every look
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="memory-watch", daemon=True)

    def _watch(self) -> None:
        while True:
            parts = memory(self.root)
            self.samples.append(parts)
            if (total := sum(parts.values())) > self.peak:
                self.peak, self.parts = total, parts
            if self._done.wait(self.interval):
                return

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._done.set()
        self._thread.join()


def _after_name(folder: Path) -> list[str]:
    """The fields of /proc/PID/stat from the third on: the second, the name, may hold spaces."""
    return (folder / "stat").read_text().rpartition(")")[2].split()
