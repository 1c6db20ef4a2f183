"""An environment that Python's own venv module makes."""

from __future__ import annotations

from pathlib import Path

from setup.environment import Environment
from setup.programs import Log
from setup.steps import Step


def test_what_an_interrupted_run_left_is_made_again_whole(tmp_path: Path) -> None:
    """Debian's Python without python3-venv leaves an environment with bin/python and without pip."""
    environment = Environment(tmp_path / "venv")
    environment.python.parent.mkdir(parents=True)
    environment.python.symlink_to("/usr/bin/false")
    step = Step("environment", Log(tmp_path / "setup.log"), None)
    assert not environment.is_made()

    environment.make(step)

    assert environment.is_made()
    assert step.result == "made again"
    step.run([str(environment.python), "-m", "pip", "--version"])
