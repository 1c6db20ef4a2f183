"""The web page, built of `web/` by Node, which comes as a Python package. Without it everything else works."""

from __future__ import annotations

from pathlib import Path

from setup.environment import Environment, fingerprint
from setup.steps import Step

NO_PAGE = "warning: no web page until `make page` succeeds"
STAMP = "built.stamp"
PARTS = ("package.json", "package-lock.json", "build.mjs", "source/**/*.*")
GENERATED = "api.d.ts"  # by the type check


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
        if not environment.has(self.lock):
            environment.install(self.lock, step)
        step.progress("packages of Node")
        programs, sources = environment.folder / "bin", str(self.sources)
        step.run([str(programs / "npm"), "ci", "--prefix", sources, "--omit=dev", "--ignore-scripts"])
        step.progress("bundle")
        step.run([str(programs / "node"), str(self.sources / "build.mjs"), str(self.built)])
        (self.built / STAMP).write_text(f"{self._fingerprint()}\n", encoding="ascii")

    def _fingerprint(self) -> str:
        found = {path for part in PARTS for path in self.sources.glob(part) if path.name != GENERATED}
        return fingerprint(sorted(found))
