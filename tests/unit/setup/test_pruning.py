"""What is taken out of the environment, and how large that leaves it."""

from __future__ import annotations

import re
import sysconfig
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path

from setup.pruning import STUBS, VERSION, never_opened, prune

LOCK = Path(__file__).parents[3] / "requirements" / "service.txt"
LIMIT = 870e6  # bytes of packages: 900 MB less what Python compiles on their first import
DISK_BLOCK = 4096


def test_tests_and_parts_for_other_pythons_go(tmp_path: Path) -> None:
    kept = ["numba/core.py", "onnx/backend/base.py", f"{STUBS}/{VERSION}/stub", "nvidia_pytriton.libs/libtriton.so"]
    gone = ["numba/tests/one.py", "numpy/linalg/tests/one.py", f"{STUBS}/3.8/stub"]
    gone += ["nvidia_pytriton.libs/libpython3-419a3a08.13.so.1.0"]
    for name in kept + gone:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    prune(tmp_path)

    assert sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()) == sorted(kept)


def test_the_environment_of_the_service_stays_under_900_mb() -> None:
    packages = Path(sysconfig.get_path("purelib"))
    removed = tuple(never_opened(packages))
    names = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    size = 0
    for path in (file for name in names for file in files_of(name)):
        if path.suffix != ".pyc" and not any(path.is_relative_to(each) for each in removed):
            size += -(-path.stat().st_size // DISK_BLOCK) * DISK_BLOCK

    assert 500e6 < size < LIMIT


def files_of(package: str) -> Iterator[Path]:
    """Those that it brought and that are there."""
    for name in distribution(package).files or ():
        path = Path(str(name.locate()))
        if path.is_file():
            yield path
