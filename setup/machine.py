"""What this machine is: system, processor, memory, disk, and the Python that runs."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PYTHONS = ((3, 11), (3, 12))  # numpy 1.26, which the embedded Triton needs, has wheels for no newer one
_VECTORS = {"avx512_vnni": "AVX-512 VNNI", "avx_vnni": "AVX-VNNI", "avx512f": "AVX-512", "avx2": "AVX2"}


@dataclass(frozen=True)
class Machine:
    system: str  # Linux
    processor: str  # x86_64
    flags: frozenset[str]  # of the processor, as /proc/cpuinfo names them; empty: unknown
    cores: int
    memory_gb: float
    disk_gb: float  # free where the checkout lies
    glibc: tuple[int, ...]  # empty: another C library
    python: tuple[int, int]
    has_venv: bool
    has_libpython: bool
    installer: str  # the system's own: apt-get, dnf, or nothing that is known here
    offers: str = ""  # a Python among PYTHONS that the installer has: python3.11


def this_machine(checkout: Path) -> Machine:
    return Machine(
        system=platform.system(),
        processor=platform.machine(),
        flags=_flags(_read("/proc/cpuinfo")),
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        memory_gb=min(_memory(_read("/proc/meminfo")), _cgroup_limit(_read("/sys/fs/cgroup/memory.max"))),
        disk_gb=shutil.disk_usage(checkout).free / 1e9,
        glibc=_version(platform.libc_ver()[1]) if platform.libc_ver()[0] == "glibc" else (),
        python=(sys.version_info[0], sys.version_info[1]),
        has_venv=all(importlib.util.find_spec(name) is not None for name in ("venv", "ensurepip")),
        has_libpython=_has_libpython(),
        installer=_installer(),
        offers="" if sys.version_info[:2] in PYTHONS else _offered_python(_installer()),
    )


def describe(machine: Machine) -> str:
    """One line: what was found, where nothing is missing."""
    python = ".".join(map(str, machine.python))
    vectors = next((name for flag, name in _VECTORS.items() if flag in machine.flags), "no AVX2")
    return (
        f"Python {python}, {machine.cores} cores ({vectors}), "
        f"{machine.memory_gb:.0f} GB of memory, {machine.disk_gb:.0f} GB of disk free"
    )


def port_in_use(host: str, port: int) -> bool:
    """Whether something listens there already."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return True
    return False


def _installer() -> str:
    return next((tool for tool in ("apt-get", "dnf", "zypper", "pacman") if shutil.which(tool)), "")


def _offered_python(installer: str) -> str:
    """The name of a package with a Python that is accepted; empty where none is known."""
    shows = {"apt-get": ["apt-cache", "show"], "dnf": ["dnf", "--quiet", "--cacheonly", "info"]}
    for version in PYTHONS:
        name = f"python{version[0]}.{version[1]}"
        command = [*shows.get(installer, []), name]
        if len(command) > 1 and shutil.which(command[0]):
            ended = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
            if ended.returncode == 0:
                return name
    return ""


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def _flags(cpuinfo: str) -> frozenset[str]:
    line = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    return frozenset(line.partition(":")[2].split())


def _memory(meminfo: str) -> float:
    """GB; without end where it is unknown."""
    for line in meminfo.splitlines():
        if line.startswith("MemTotal:"):
            return int(line.split()[1]) * 1024 / 1e9
    return float("inf")


def _cgroup_limit(text: str) -> float:
    """GB that a container may have; without end where nothing limits it."""
    return int(text) / 1e9 if text.strip().isdecimal() else float("inf")


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdecimal())


def _has_libpython() -> bool:
    name = sysconfig.get_config_var("INSTSONAME") or ""
    if ".so" not in name:  # this Python is static: its library comes by itself, if at all
        name = f"libpython{sys.version_info[0]}.{sys.version_info[1]}.so.1.0"
    return any(_loads(path) for path in _candidates(name))


def _candidates(name: str) -> Iterator[str]:
    directory = sysconfig.get_config_var("LIBDIR")
    if directory:
        yield str(Path(directory) / name)
    yield name


def _loads(path: str) -> bool:
    try:
        ctypes.CDLL(path)
    except OSError:
        return False
    return True
