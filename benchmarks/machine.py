"""What this machine can do at most: matrix products in float32, bfloat16 and int8, and reads from memory.

Runs in the service's environment (`.venv`), which holds the libraries that could reach the peak; the best
of them, or of the bare instructions, counts as the machine's limit; torch is one where it is installed
(`pip install -e .[reference]`).
Prints JSON.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import os
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper

from benchmarks.peak_kernels import FLOAT_PRODUCTS, INT8_PRODUCTS, float_turns, int8_turns

SHAPES = {  # rows, inner, columns
    "large": (2048, 2048, 2048),
    "encoder mlp": (1500, 512, 2048),  # Whisper base, one window of 30 s
    "encoder attention": (1500, 64, 1500),  # the scores of one head
}
READ_BYTES = 512 * 1024**2  # far beyond every cache
SECONDS = 0.6  # per measurement
TURNS = 1_000_000  # of a loop over registers


@dataclass(frozen=True)
class Peak:
    shape: str
    precision: str
    library: str
    gops: float  # 10⁹ multiplications and additions a second


def best_time(run: Callable[[], object], seconds: float = SECONDS) -> float:
    """The shortest of the runs that fit into `seconds`: what the machine does when nothing disturbs it."""
    run()
    times: list[float] = []
    until = time.perf_counter() + seconds
    while time.perf_counter() < until or len(times) < 3:
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def peaks(threads: int) -> Iterator[Peak]:
    """Every library, precision and shape; one that lacks a precision on this machine is left out."""
    for shape, (rows, inner, columns) in SHAPES.items():
        work = 2.0 * rows * inner * columns
        for library, precision, prepare in contenders():
            try:
                seconds = best_time(prepare(rows, inner, columns, threads))
            except (RuntimeError, NotImplementedError):
                continue
            yield Peak(shape, precision, library, work / seconds / 1e9)


def instruction_peaks(threads: int) -> Iterator[Peak]:
    """The processor's own products, registers alone, by the instructions that the service's kernels use."""
    for precision, loop, products in (
        ("int8", int8_turns, INT8_PRODUCTS),
        ("float32", float_turns, FLOAT_PRODUCTS),
    ):
        with ThreadPoolExecutor(threads) as pool:
            seconds = best_time(lambda loop=loop: list(pool.map(loop, [1.0] * threads, [TURNS] * threads)))  # type: ignore[misc]
        yield Peak("registers", precision, "instructions", 2.0 * products * TURNS * threads / seconds / 1e9)


def read_bandwidth(threads: int) -> float:
    """Bytes a second, one array read once by all threads."""
    parts = np.array_split(np.ones(READ_BYTES // 4, np.float32), threads)
    with ThreadPoolExecutor(threads) as pool:
        return READ_BYTES / best_time(lambda: list(pool.map(np.max, parts)), 1.5)


def copy_bandwidth(threads: int) -> float:
    """Bytes a second, read and written together."""
    source, target = (np.ones(READ_BYTES // 8, np.float32) for _ in range(2))
    pairs = [np.array_split(array, threads) for array in (target, source)]
    with ThreadPoolExecutor(threads) as pool:
        return READ_BYTES / best_time(lambda: list(pool.map(np.copyto, *pairs)), 1.5)


def _numpy(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
    left, right = (np.ones(shape, dtype=np.float32) for shape in ((rows, inner), (inner, columns)))
    return lambda: left @ right


def _torch(precision: str) -> Prepare:
    import torch

    dtype = getattr(torch, precision)

    def prepare(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
        torch.set_num_threads(threads)
        left, right = torch.ones(rows, inner).to(dtype), torch.ones(inner, columns).to(dtype)
        if precision == "int8":
            return lambda: torch._int_mm(left, right)
        return lambda: left @ right

    return prepare


def _onnxruntime(precision: str) -> Callable[[int, int, int, int], Callable[[], object]]:
    """A product with a constant right side, as a model's weights are (they are packed once)."""

    def prepare(rows: int, inner: int, columns: int, threads: int) -> Callable[[], object]:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        session = onnxruntime.InferenceSession(_product(precision, inner, columns), options)
        kind = np.float32 if precision == "float32" else np.uint8
        left = {"left": np.ones((rows, inner), dtype=kind)}
        return lambda: session.run(None, left)

    return prepare


def _product(precision: str, inner: int, columns: int) -> bytes:
    whole = precision == "int8"
    right = np.ones((inner, columns), dtype=np.int8 if whole else np.float32)
    left_type, out_type = (TensorProto.UINT8, TensorProto.INT32) if whole else (TensorProto.FLOAT,) * 2
    node = helper.make_node("MatMulInteger" if whole else "MatMul", ["left", "right"], ["out"])
    graph = helper.make_graph(
        [node],
        "product",
        [helper.make_tensor_value_info("left", left_type, ["rows", inner])],
        [helper.make_tensor_value_info("out", out_type, ["rows", columns])],
        [onnx.numpy_helper.from_array(right, "right")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())


Prepare = Callable[[int, int, int, int], Callable[[], object]]


def contenders() -> list[tuple[str, str, Prepare]]:
    """Library, precision, and what prepares a product of rows, inner and columns for a number of threads."""
    found: list[tuple[str, str, Prepare]] = [
        ("numpy", "float32", _numpy),
        ("onnxruntime", "float32", _onnxruntime("float32")),
        ("onnxruntime", "int8", _onnxruntime("int8")),
    ]
    if importlib.util.find_spec("torch"):
        found += [("torch", precision, _torch(precision)) for precision in ("float32", "bfloat16", "int8")]
    return found


def main() -> None:
    threads = len(os.sched_getaffinity(0))
    versions = {name: importlib.metadata.version(name) for name in sorted({name for name, *_ in contenders()})}
    limited = "NUMBA_CPU_FEATURES" in os.environ  # to older instructions, to which libraries cannot be limited
    found = [*instruction_peaks(threads), *([] if limited else peaks(threads))]
    measured = {
        "threads": threads,
        "peaks": [asdict(peak) for peak in found],
        "read_bandwidth": read_bandwidth(threads),
        "copy_bandwidth": copy_bandwidth(threads),
        "versions": versions,
    }
    print(json.dumps(measured))


if __name__ == "__main__":
    main()
