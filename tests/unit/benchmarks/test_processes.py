"""A process and its children, seen through /proc."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from benchmarks.processes import MemoryWatch, family, memory, part_name, processor_seconds

CHILD = "import time; block = bytearray(64 * 1024**2); print('ready', flush=True); time.sleep(60)"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {CHILD!r}])"


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """A process whose child holds 64 MB."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        child = family(process.pid)[-1]
        yield process
        subprocess.run(["kill", str(child)], check=True)
        process.wait()


def test_memory_and_time_of_children_are_counted(parent: subprocess.Popen[str]) -> None:
    with MemoryWatch(parent.pid, interval=0.05) as watch:
        sizes = memory(parent.pid)

    assert len(family(parent.pid)) == 2
    assert sum(sizes.values()) > 64
    assert watch.peak > 64
    assert processor_seconds(parent.pid) > 0


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        (["/x/backends/python/triton_python_backend_stub", "/m/model_repository/diarizer/1/model.py", "y"], "diarizer"),
        (["/x/tritonserver/bin/tritonserver", "--model-repository=/m"], "tritonserver"),
        (["/x/bin/python", "/x/bin/stt", "serve"], "gateway"),
        (["/x/ffmpeg", "-i", "clip.mp3"], "gateway"),
    ],
)
def test_a_service_is_told_by_its_parts(arguments: list[str], name: str) -> None:
    assert part_name(arguments) == name
