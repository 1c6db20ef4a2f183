"""A newer C library beside the system's: for programs that were linked against one that Debian 12 lacks.

The packages come from Debian 13 through the system's own mirror, with a private apt configuration; the
system's packages and apt's state stay untouched. They are unpacked into a folder, and the program runs
under their dynamic loader.
"""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

SUITE = "trixie"
PACKAGES = ("libc6", "libstdc++6", "libgcc-s1", "zlib1g", "libssl3t64")
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu", "usr/lib64", "lib64")
SOURCES = Path("/etc/apt/sources.list.d"), Path("/etc/apt/sources.list")


class NoMirror(RuntimeError):
    """The system has no Debian mirror to fetch from."""


def command_under_new_loader(program: Path, folder: Path) -> list[str]:
    """What to run instead of `program`; fetches the libraries into `folder` the first time."""
    if not (folder / "unpacked").exists():
        _fetch(folder)
        (folder / "unpacked").touch()
    libraries = [str(folder / "root" / path) for path in LIBRARIES]
    (loader,) = {path.resolve() for path in (folder / "root").rglob("ld-linux-x86-64.so.2")}
    return [str(loader), "--library-path", ":".join(libraries), str(program)]


def _fetch(folder: Path) -> None:
    for name in ("lists/partial", "archives/partial", "root"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "sources.list").write_text(source_line(_system_sources()) + "\n")
    apt = ["apt-get", "--quiet", *_private(folder)]
    subprocess.run([*apt, "update"], check=True)
    subprocess.run([*apt, "download", *PACKAGES], cwd=folder / "archives", check=True)
    for package in sorted((folder / "archives").glob("*.deb")):
        subprocess.run(["dpkg-deb", "-x", str(package), str(folder / "root")], check=True)


def _private(folder: Path) -> list[str]:
    """apt's options that keep its configuration, lists and cache in the folder."""
    (folder / "status").touch()
    settings = {
        "Dir::Etc::sourcelist": folder / "sources.list",
        "Dir::Etc::sourceparts": "-",
        "Dir::State::lists": folder / "lists",
        "Dir::State::status": folder / "status",
        "Dir::Cache": folder,
        "Dir::Cache::archives": folder / "archives",
        "APT::Sandbox::User": "root",
    }
    return [part for name, value in settings.items() for part in ("--option", f"{name}={value}")]


def _system_sources() -> str:
    files = [path for source in SOURCES for path in (sorted(source.glob("*")) if source.is_dir() else [source])]
    return "\n".join(path.read_text() for path in files if path.is_file())


def source_line(system: str) -> str:
    """The system's own Debian mirror, with the newer suite; from either of apt's two formats.

    raises: NoMirror if the text names none
    """
    mirror = re.search(r"https?://\S+/debian/?(?=\s|$)", system)
    if mirror is None:
        raise NoMirror("apt's sources name no Debian mirror; Debian 13's libraries are needed")
    key = re.search(r"[Ss]igned-[Bb]y[:=]\s*(/usr/share/keyrings/debian-\S+?)\]?(?=\s|$)", system)
    options = f"[signed-by={key[1]}] " if key else ""
    return f"deb {options}{mirror[0]} {SUITE} main"
