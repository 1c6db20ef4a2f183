"""A class name is used once in the whole tree, so that whoever greps for it finds one class."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("speech", "gateway", "export", "benchmarks", "model_repository")
REQUIRED = {"TritonPythonModel"}  # what Triton asks every Python model to be called


def test_no_class_name_is_used_twice() -> None:
    modules: defaultdict[str, list[str]] = defaultdict(list)
    for path in (path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                modules[node.name].append(str(path.relative_to(ROOT)))

    twice = {name: used for name, used in modules.items() if len(used) > 1}
    assert {name: used for name, used in twice.items() if name not in REQUIRED} == {}
