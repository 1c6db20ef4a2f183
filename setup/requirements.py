"""What set-up needs of a machine. Each need that is not met is one sentence, with the command that helps."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from setup.machine import PYTHONS, Machine, port_in_use

OLDEST_GLIBC = (2, 28)
MEMORY_GB = 2.0  # of the service with Whisper base and the diarizer
SUMMARIZER_MEMORY_GB = 2.5
DISK_GB = 2.0  # environment, weights, engines, and what lies beside them while they are made
SUMMARIZER_DISK_GB = 2.5  # the model's file, and for a moment its parts


@dataclass(frozen=True)
class Needs:
    summarizer: bool = True
    installed: bool = False  # environment, weights and engines are there
    address: tuple[str, int] | None = None  # to listen on


@dataclass(frozen=True)
class Findings:
    missing: tuple[str, ...]  # nothing works without
    doubts: tuple[str, ...]  # it may work


def examine(machine: Machine, needs: Needs) -> Findings:
    """What the machine lacks for these needs."""
    missing = [found for check in _REQUIREMENTS if (found := check(machine, needs))]
    doubts = [found for check in _RECOMMENDATIONS if (found := check(machine, needs))]
    return Findings(tuple(missing), tuple(doubts))


def address(environment: Mapping[str, str]) -> tuple[str, int] | None:
    """Where the service will listen; nothing where the setting is none that could be checked here."""
    port = environment.get("STT_SERVER_PORT", "8080")
    if not port.isdecimal() or not 0 < int(port) <= 65535:
        return None  # a free one, or a mistake that `stt serve` explains
    return environment.get("STT_SERVER_HOST", "127.0.0.1"), int(port)


def _system(machine: Machine, _needs: Needs) -> str:
    if machine.system != "Linux":
        return f"Linux is needed: the embedded Triton exists for nothing else, and this is {machine.system}."
    if machine.processor not in ("x86_64", "AMD64"):
        return (
            f"An x86-64 processor is needed: the embedded Triton's wheel exists for no other, and this one is "
            f"{machine.processor}. A gateway alone runs there, with Tritons elsewhere (docs/deployment.md)."
        )
    if machine.glibc < OLDEST_GLIBC:
        found = ".".join(map(str, machine.glibc)) or "another C library"
        return f"glibc 2.28 or later is needed (Debian 10, Ubuntu 20.04, RHEL 8); this system has {found}."
    return ""


def _python(machine: Machine, _needs: Needs) -> str:
    if machine.python in PYTHONS:
        return ""
    found = ".".join(map(str, machine.python))
    why = " (numpy 1.26, which the embedded Triton needs, has no wheels for a newer one)"
    name = machine.offers or "python3.11"
    get = f"`sudo {machine.installer} install {name}{_parts(machine)}` brings one; " if machine.offers else ""
    return (
        f"Python 3.11 or 3.12 is needed{why if machine.python > PYTHONS[-1] else ''}; {sys.executable} is {found}. "
        f"{get}`make serve PYTHON={name}` uses it."
    )


def _parts(machine: Machine) -> str:
    """What Debian keeps in packages of their own."""
    return f" {machine.offers}-venv lib{machine.offers}" if machine.installer == "apt-get" else ""


def _venv(machine: Machine, _needs: Needs) -> str:
    if machine.has_venv or machine.python not in PYTHONS:
        return ""
    version = ".".join(map(str, machine.python))
    return f"Python's modules venv and ensurepip are missing.{_install(machine, {'apt-get': f'python{version}-venv'})}"


def _libpython(machine: Machine, _needs: Needs) -> str:
    if machine.has_libpython or machine.python not in PYTHONS:
        return ""
    version = ".".join(map(str, machine.python))
    packages = {"apt-get": f"libpython{version}", "dnf": f"python{version}-libs"}
    own = "" if machine.installer in packages else " A Python built by hand needs `--enable-shared`."
    return f"The shared library libpython{version}.so is missing; Triton loads it.{_install(machine, packages)}{own}"


def _disk(machine: Machine, needs: Needs) -> str:
    needed = 0.2 if needs.installed else DISK_GB + SUMMARIZER_DISK_GB * needs.summarizer
    if machine.disk_gb >= needed:
        return ""
    advice = f" `SUMMARIZER=off make serve` needs {DISK_GB:g} GB." if needs.summarizer and not needs.installed else ""
    return f"{needed:g} GB of disk are needed here; {machine.disk_gb:.1f} GB are free.{advice}"


def _port(_machine: Machine, needs: Needs) -> str:
    if needs.address is None or not port_in_use(*needs.address):
        return ""
    host, port = needs.address
    return f"{host}:{port} is in use, or not to be had. Another: `STT_SERVER_PORT={port + 1} make serve`."


def _memory_for_both(machine: Machine, needs: Needs) -> str:
    needed = MEMORY_GB + SUMMARIZER_MEMORY_GB * needs.summarizer
    if machine.memory_gb >= 0.9 * needed:  # what a machine of 4 GB shows is less
        return ""
    advice = f"; `SUMMARIZER=off make serve` takes {MEMORY_GB:g} GB" if needs.summarizer else ""
    return f"The service takes up to {needed:g} GB of memory, and this machine has {machine.memory_gb:.1f} GB{advice}."


def _vectors(machine: Machine, _needs: Needs) -> str:
    if not machine.flags or "avx2" in machine.flags:
        return ""
    return "This processor has no AVX2: the service was never tried on one, and will be slow."


_Check = Callable[[Machine, Needs], str]
_REQUIREMENTS: tuple[_Check, ...] = (_system, _python, _venv, _libpython, _disk, _port)
_RECOMMENDATIONS: tuple[_Check, ...] = (_memory_for_both, _vectors)


def _install(machine: Machine, packages: Mapping[str, str]) -> str:
    """The command that brings what is missing, where the system's is known."""
    if machine.installer not in packages:
        return ""
    return f" `sudo {machine.installer} install {packages[machine.installer]}` brings it."
