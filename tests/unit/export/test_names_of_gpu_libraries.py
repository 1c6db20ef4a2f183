"""Every name of TensorRT and CUDA that the project uses exists in their real bindings.

Neither can run without a GPU. CUDA's bindings can be imported; TensorRT's cannot, but the names that they bind lie
in their extension module as text. TensorRT-RTX, which can be imported, tells besides what belongs to what.
"""

from __future__ import annotations

import ast
import importlib.util
import logging
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[3]
MODULES = [path for package in ("speech", "export") for path in sorted((ROOT / package).rglob("*.py"))]
PYTHON = {name for kind in (str, bytes, dict, list, tuple, int, Path, logging.Logger) for name in dir(kind)}
BUILDERS_OWN = {"__version__"}  # of the package around the extension


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def uses(path: Path, library: str) -> bool:
    """Whether a module imports the library, or is given it as `trt`."""
    imported = {alias.name for node in ast.walk(tree(path)) if isinstance(node, ast.Import) for alias in node.names}
    modules = {node.module or "" for node in ast.walk(tree(path)) if isinstance(node, ast.ImportFrom)}
    given = any(isinstance(node, ast.arg) and node.arg == "trt" for node in ast.walk(tree(path)))
    return any(name.split(".")[0] == library for name in imported | modules) or (library == "tensorrt" and given)


def chains(path: Path, roots: set[str]) -> Iterator[tuple[str, ...]]:
    """What is asked of a name, such as ("BuilderFlag", "TF32") of trt.BuilderFlag.TF32."""
    for node in ast.walk(tree(path)):
        names: tuple[str, ...] = ()
        part: ast.AST = node
        while isinstance(part, ast.Attribute):
            names, part = (part.attr, *names), part.value
            if ast.unparse(part) in roots:
                yield names


def attributes(path: Path) -> set[str]:
    """Every name after a dot."""
    return {node.attr for node in ast.walk(tree(path)) if isinstance(node, ast.Attribute)}


@cache
def ours() -> set[str]:
    """Names that the project gives to functions, methods, fields and modules itself."""
    names = {path.stem for path in MODULES}
    for node in (node for path in MODULES for node in ast.walk(tree(path))):
        if isinstance(node, ast.FunctionDef | ast.ClassDef | ast.AsyncFunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.AnnAssign):
            names.add(ast.unparse(node.target).removeprefix("self."))
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self":
            names.add(node.attr)
    return names


def tensorrt_modules() -> list[Path]:
    """And what is given TensorRT's objects by them."""
    return [path for path in MODULES if uses(path, "tensorrt") or path.stem == "tensorrt_library"]


def rtx_modules() -> list[Path]:
    """What TensorRT for RTX alone has."""
    return [path for path in MODULES if "import tensorrt_rtx_bindings" in path.read_text(encoding="utf-8")]


def cuda_modules() -> list[Path]:
    return [path for path in MODULES if uses(path, "cuda")]


@pytest.fixture(scope="module")
def extension() -> bytes:
    """TensorRT's own bindings, unread by Python: they would ask for a library that has no home on PyPI."""
    found = importlib.util.find_spec("tensorrt_bindings")
    assert found is not None and found.origin is not None, "tensorrt-cu13-bindings is not installed"
    return (Path(found.origin).parent / "tensorrt.so").read_bytes()


def bound(extension: bytes, name: str) -> bool:
    """Whether the name lies there as text of its own, or as the end of another: the linker joins the two."""
    return name.encode() + b"\0" in extension


@pytest.mark.parametrize("path", tensorrt_modules(), ids=lambda path: path.stem)
def test_what_is_asked_of_tensorrt_exists_there(path: Path, extension: bytes) -> None:
    import tensorrt_rtx_bindings as rtx

    for chain in chains(path, {"trt", "tensorrt", "self._trt"}):
        target: Any = rtx
        for name in chain:
            assert hasattr(target, name), f"trt.{'.'.join(chain)}"
            assert name in BUILDERS_OWN or hasattr(str, name) or bound(extension, name), f"trt.{'.'.join(chain)}"
            target = getattr(target, name)
            if name in BUILDERS_OWN:
                break


@pytest.mark.parametrize("path", tensorrt_modules(), ids=lambda path: path.stem)
def test_what_is_asked_of_tensorrt_s_objects_exists_there(path: Path, extension: bytes) -> None:
    """A name after a dot is Python's, ours, another library's, or one that some class of TensorRT has."""
    import tensorrt_rtx_bindings as rtx

    members = {name for kind in vars(rtx).values() if isinstance(kind, type) for name in dir(kind)}
    for name in attributes(path) - PYTHON - ours() - other_libraries(path) - BUILDERS_OWN:
        assert name in members or hasattr(rtx, name), f"{name} in {path.name}"
        assert bound(extension, name), f"{name} in {path.name}"


@pytest.mark.parametrize("path", rtx_modules(), ids=lambda path: path.stem)
def test_what_is_asked_of_tensorrt_for_rtx_exists_there(path: Path) -> None:
    import tensorrt_rtx_bindings as rtx

    for chain in chains(path, {"rtx", "self._rtx"}):
        target: Any = rtx
        for name in chain:
            assert hasattr(target, name), f"rtx.{'.'.join(chain)}"
            target = getattr(target, name)
    members = {name for kind in vars(rtx).values() if isinstance(kind, type) for name in dir(kind)}
    for name in attributes(path) - PYTHON - ours() - other_libraries(path) - BUILDERS_OWN:
        assert name in members or hasattr(rtx, name), f"{name} in {path.name}"


def other_libraries(path: Path) -> set[str]:
    """What is asked of modules that can be imported here."""
    names = {
        alias.asname or alias.name: alias.name
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Import)
        for alias in node.names
        if alias.name != "tensorrt"
    }
    return {chain[0] for chain in chains(path, set(names))}


def test_a_name_that_does_not_exist_is_found_out(extension: bytes) -> None:
    assert bound(extension, "set_memory_pool_limit")
    assert not bound(extension, "set_memory_pool_limits")


@pytest.mark.parametrize("path", cuda_modules(), ids=lambda path: path.stem)
def test_what_is_asked_of_cuda_exists_there(path: Path) -> None:
    from cuda.bindings import runtime

    for chain in chains(path, {"cudart"}):
        target: Any = runtime
        for name in chain:
            assert hasattr(target, name), f"cudart.{'.'.join(chain)}"
            target = getattr(target, name)
    members = {name for kind in vars(runtime).values() if isinstance(kind, type) for name in dir(kind)}
    for name in (name for name in attributes(path) if name.startswith("cuda")):
        assert hasattr(runtime, name) or name in members, f"{name} in {path.name}"


def test_the_modules_that_speak_with_a_gpu_are_among_those_looked_at() -> None:
    assert {"tensorrt_library", "plan_runtime", "tensorrt"} <= {path.stem for path in tensorrt_modules()}
    assert {path.stem for path in rtx_modules()} == {"rtx_runtime", "rtx"}
    assert "cuda" in {path.stem for path in cuda_modules()}
