"""Where this installation keeps its data, weights and models: the same folders from wherever a command is run.

A checkout (an editable installation) has its own `var/` and `model_repository/`. An installed wheel follows the XDG
base directory specification.
"""

from __future__ import annotations

import os
from pathlib import Path

NAME = "stt"


def checkout() -> Path | None:
    """The root of the checkout that this code runs from; None where it was installed as a wheel."""
    root = Path(__file__).resolve().parents[1]
    return root if (root / "pyproject.toml").is_file() and (root / "model_repository").is_dir() else None


def data_folder() -> Path:
    """For everything that the service writes, and for downloaded weights."""
    root = checkout()
    return root / "var" if root else xdg_data_home() / NAME


def model_repository() -> Path:
    """Triton's models, with their engines."""
    root = checkout()
    return root / "model_repository" if root else xdg_data_home() / NAME / "model_repository"


def weights_folder() -> Path:
    return data_folder() / "weights"


def xdg_data_home() -> Path:
    """XDG_DATA_HOME, or ~/.local/share. A relative value is ignored, as the specification demands."""
    named = Path(os.environ.get("XDG_DATA_HOME", ""))
    return named if named.is_absolute() else _home() / ".local" / "share"


def _home() -> Path:
    try:
        return Path.home()
    except RuntimeError:  # a user without an entry in the password file, as in some containers
        return Path("/")
