"""What packages bring along and nothing here ever opens: their own tests, and parts for others."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
STUBS = "pytriton/tritonserver/python_backend_stubs"
NEVER_OPENED = (
    "nvidia_pytriton.libs/libpython3-*.13.so.*",  # of the stub for Python 3.13
    "numba/cuda/tests",
    "numba/tests",
    "numpy/*/tests",
    "onnx/backend/test",
    "onnxruntime/capi/libonnxruntime.so.*",  # for programs in C; Python's module holds its own
    "swagger_ui_bundle/vendor/*/*.map",
)


def prune(packages: Path) -> None:
    """packages: a site-packages folder. Removing a package afterwards works: pip passes over what is not there."""
    for path in never_opened(packages):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def never_opened(packages: Path) -> Iterator[Path]:
    for pattern in NEVER_OPENED:
        yield from packages.glob(pattern)
    yield from (stub for stub in packages.glob(f"{STUBS}/*") if stub.name != VERSION)
