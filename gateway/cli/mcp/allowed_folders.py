"""The folders that an MCP client may name files in: the model behind it is not trusted with the whole disk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from gateway.cli.errors import WrongUse


@dataclass(frozen=True, slots=True)
class AllowedFolders:
    folders: tuple[Path, ...]  # without symbolic links

    @classmethod
    def of(cls, named: Sequence[str]) -> AllowedFolders:
        """The working directory where none is named, unless that is the whole disk. Raises WrongUse."""
        if not named:
            here = Path.cwd().resolve()
            return cls(() if here == here.parent else (here,))
        for name in named:
            if not Path(name).is_dir():
                raise WrongUse(f"--root {name}: there is no such folder")
        return cls(tuple(Path(name).resolve() for name in named))

    def existing_file(self, name: str) -> Path:
        """raises: WrongUse"""
        path = self._inside(name)
        if path.is_dir():
            raise WrongUse(f"{name} is a folder; give a file")
        if not path.exists():
            raise WrongUse(f"{name}: there is no such file in {self._listed()}")
        if not path.is_file():
            raise WrongUse(f"{name} is not a regular file")
        return path

    def new_file(self, name: str, ending: str) -> Path:
        """A place where nothing is yet, in a folder that is there. Raises WrongUse."""
        if Path(name).suffix.lower() != f".{ending}":
            raise WrongUse(f"{name}: the name has to end in .{ending}, as the format does")
        path = self._inside(name)
        if not path.parent.is_dir():
            raise WrongUse(f"{name}: there is no folder {path.parent.name}")
        if path.exists():
            raise WrongUse(f"{name} is there already and is not replaced; choose another name")
        return path

    def _inside(self, name: str) -> Path:
        """Links are followed first, so that none leads out. Raises WrongUse, whether or not there is a file outside."""
        if not self.folders:
            raise WrongUse("no folder is allowed, since the working directory is /; `stt mcp --root FOLDER` allows one")
        if "://" in name:
            raise WrongUse(f"{name}: accepted are a file's path, and addresses that begin with http:// or https://")
        try:
            path = (self.folders[0] / name).resolve()
        except (OSError, RuntimeError, ValueError):
            raise WrongUse(f"{name!r} is no path") from None
        around = next((folder for folder in self.folders if path.is_relative_to(folder)), None)
        if around is None:
            raise WrongUse(f"{name} lies outside {self._listed()}; `stt mcp --root FOLDER` allows another folder")
        if any(part.startswith(".") for part in path.relative_to(around).parts):
            raise WrongUse(f"{name} is hidden; files and folders whose names begin with a dot are left alone")
        return path

    def _listed(self) -> str:
        return ", ".join(str(folder) for folder in self.folders)
