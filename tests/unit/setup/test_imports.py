"""Set-up runs before anything is installed."""

import ast
import sys
from pathlib import Path

import pytest

SETUP = Path(__file__).parents[3] / "setup"


@pytest.mark.parametrize("module", sorted(SETUP.glob("*.py")), ids=lambda path: path.stem)
def test_set_up_imports_the_standard_library_alone(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        for name in names:
            assert name.split(".")[0] in {*sys.stdlib_module_names, "setup"}
