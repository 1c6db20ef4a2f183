"""What is taken out of the environment, and how large that leaves it."""

from __future__ import annotations

import csv
import os
import re
import sysconfig
from importlib.metadata import distribution
from pathlib import Path

from setup.pruning import STUBS, VERSION, never_opened, prune

LOCK = Path(__file__).parents[3] / "requirements" / "service.txt"
LIMIT = 910e6  # bytes of packages: 900 MB as `du -m` counts them, less what Python compiles on their first import
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
    packages = sysconfig.get_path("purelib")
    removed = tuple(str(path) for path in never_opened(Path(packages)))
    names = re.findall(r"^([A-Za-z0-9][\w.-]*)(?:\[[\w,]+\])?==", LOCK.read_text(encoding="utf-8"), re.MULTILINE)
    files = [f"{packages}/{line[0]}" for name in names for line in record_of(name) if not line[0].endswith(".pyc")]

    size = sum(on_disk(file) for file in files if not file.startswith(removed))

    assert 500e6 < size < LIMIT


def record_of(package: str) -> list[list[str]]:
    """The files that it brought: path, hash, size."""
    return list(csv.reader((distribution(package).read_text("RECORD") or "").splitlines()))


def on_disk(file: str) -> int:
    """Bytes of a disk's blocks; 0 where it is not there."""
    try:
        return -(-os.stat(file).st_size // DISK_BLOCK) * DISK_BLOCK  # noqa: PTH116 (ten thousand of them)
    except FileNotFoundError:
        return 0
