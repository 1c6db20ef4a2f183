"""Environments that are made whole, or made again, by a Python that only pretends."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from setup.environment import MADE, UNFINISHED, VERSION, Environment, PipProgress, fingerprint
from setup.programs import Log
from setup.steps import Step, StepFailed


@pytest.fixture
def step(tmp_path: Path) -> Step:
    return Step("environment", Log(tmp_path / "setup.log"), None)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """Made by an earlier run."""
    made = Environment(tmp_path / "venv")
    made.python.parent.mkdir(parents=True)
    made.python.touch()
    (made.folder / MADE).write_text(f"{VERSION}\n", encoding="ascii")
    return made


def test_an_environment_that_was_finished_is_made(environment: Environment) -> None:
    assert environment.is_made()


def test_what_was_begun_alone_is_not_made(environment: Environment) -> None:
    (environment.folder / UNFINISHED).touch()

    assert not environment.is_made()


@pytest.mark.parametrize(("pip", "whole"), [(f"echo {VERSION}", True), ("echo 3.9", False), ("exit 1", False)])
def test_one_that_was_made_by_other_means_is_taken_if_it_is_whole(
    environment: Environment, pip: str, whole: bool
) -> None:
    (environment.folder / MADE).unlink()
    pretend(environment, pip)

    assert environment.is_made() is whole


def test_an_environment_of_another_python_is_not_the_one_that_is_wanted(environment: Environment) -> None:
    (environment.folder / MADE).write_text("3.9\n", encoding="ascii")

    assert not environment.is_made()


def test_packages_are_there_until_their_lock_changes(environment: Environment, step: Step, tmp_path: Path) -> None:
    lock = tmp_path / "service.txt"
    lock.write_text("one==1.0 --hash=sha256:00\n", encoding="utf-8")
    pretend(environment, "exit 0")
    environment.install(lock, step)
    assert environment.has(lock)

    lock.write_text("one==1.1 --hash=sha256:00\n", encoding="utf-8")

    assert not environment.has(lock)


def test_an_install_that_fails_is_not_taken_for_done(environment: Environment, step: Step, tmp_path: Path) -> None:
    lock = tmp_path / "service.txt"
    lock.write_text("one==1.0 --hash=sha256:00\n", encoding="utf-8")
    pretend(environment, "exit 0")
    environment.install(lock, step)
    pretend(environment, "echo no such hash; exit 1")

    with pytest.raises(StepFailed, match="exit code 1"):
        environment.install(lock, step)

    assert not environment.has(lock)
    assert step.log.tail(1) == ["no such hash"]


def pretend(environment: Environment, pip: str) -> None:
    """Puts a script in the place of the environment's Python."""
    environment.python.write_text(f"#!/bin/sh\n{pip}\n", encoding="utf-8")
    environment.python.chmod(0o755)


def test_a_python_that_makes_half_an_environment_leaves_nothing_behind(
    environment: Environment, step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As Debian's does without python3-venv: it fails, and bin/python is there."""
    python = tmp_path / "python-without-ensurepip"
    python.write_text('#!/bin/sh\nmkdir -p "$3/bin" && touch "$3/bin/python" && exit 1\n', encoding="utf-8")
    python.chmod(0o755)
    monkeypatch.setattr("setup.environment.PYTHON", str(python))

    with pytest.raises(StepFailed, match="cannot make an environment"):
        environment.make(step)

    assert not environment.folder.exists()


def test_the_fingerprint_is_that_of_the_contents(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("same", encoding="ascii")
    other.write_text("same", encoding="ascii")
    os.utime(one, (0, 0))

    assert fingerprint([one]) == fingerprint([other]) != fingerprint([one, other])


def test_progress_is_read_from_what_pip_prints() -> None:
    step = Step("packages", Log(Path(os.devnull)), None)
    progress = PipProgress(3, step)
    seen = []
    for line in (
        "Collecting numpy==1.26.4 (from -r requirements/service.txt (line 12))",
        "  Downloading numpy-1.26.4-cp311-cp311-manylinux_2_17_x86_64.whl (18.3 MB)",
        "Collecting idna==3.11 (from -r requirements/service.txt (line 40))",
        "  Downloading idna-3.11-py3-none-any.whl (71 kB)",
        "Installing collected packages: numpy, idna",
    ):
        progress(line)
        seen.append(step.shown)

    assert seen == ["1 of 3, 0 MB", "1 of 3, 18 MB", "2 of 3, 18 MB", "2 of 3, 18 MB", "installing 2 packages"]


def test_pip_is_replaced_before_anything_else_uses_it(environment: Environment, step: Step, tmp_path: Path) -> None:
    lock = tmp_path / "service.txt"
    lock.write_text(
        "numpy==1.26.4 \\\n    --hash=sha256:00\n    # via stt\npip==26.3 \\\n    --hash=sha256:11\n    # via stt\n",
        encoding="utf-8",
    )
    pretend(environment, 'for last; do :; done; cat "$last"')

    environment.install_installers(lock, step)

    assert [line.strip() for line in step.log.tail(3)] == ["pip==26.3 \\", "--hash=sha256:11", "# via stt"]
    assert not environment.has(lock)
