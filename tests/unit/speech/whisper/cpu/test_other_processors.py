"""What the encoder's products become on a processor that this machine need not have."""

from __future__ import annotations

import os
import subprocess
import sys

import llvmlite.binding as llvm
import pytest

from speech.whisper.numba_cache import tiles_allowed

PRODUCT = """
import sys
import numpy as np
from numba import types
from speech.whisper.cpu.int8_kernels import ACTIVATION, HAS_KERNELS, panel_dot

DEPTH, WHOLE = 512, types.int64
if HAS_KERNELS:
    kinds = {np.uint8: types.uint8, np.int16: types.int16}
    panel_dot.compile(types.void(
        WHOLE, kinds[ACTIVATION][::1], WHOLE, WHOLE, types.int8[::1], WHOLE, WHOLE, types.int32[::1], WHOLE))
    print(*panel_dot.inspect_asm().values())
    if sys.argv[1:]:
        x, w = np.full((6, DEPTH), 255, ACTIVATION), np.full((DEPTH, 64), -127, np.int8)
        y = np.zeros((6, 64), np.int32)
        panel_dot(6, x.ravel(), 0, DEPTH, w.ravel(), 0, DEPTH // 4, y.ravel(), 0)
        print("sum", *set(y.ravel().tolist()))
"""
AVX2 = "+sse2,+sse4.2,+avx,+avx2,+fma"
VNNI = f"{AVX2},+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vnni"
AMX = f"{VNNI},+amx-tile,+amx-int8"


def compiled(name: str, features: str, *arguments: str) -> str:
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}
    command = [sys.executable, "-c", PRODUCT, *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    ("name", "features", "present", "absent"),
    [
        ("znver4", VNNI, "vpdpbusd", "vpmaddwd"),
        pytest.param(
            "sapphirerapids",
            AMX,
            "tdpbusd",
            "vpmaddwd",
            marks=pytest.mark.skipif(not tiles_allowed(), reason="this system gives no tiles"),
        ),
        ("haswell", AVX2, "vpmaddwd", "vpdpbusd"),
        ("nehalem", "+sse2,+sse4.2", "", "vpmaddwd"),
    ],
)
def test_each_processor_gets_its_own_instructions(name: str, features: str, present: str, absent: str) -> None:
    code = compiled(name, features)

    assert present in code
    assert absent not in code


@pytest.mark.skipif(not llvm.get_host_cpu_features().get("avx2"), reason="this CPU has no AVX2")
def test_the_largest_products_do_not_overflow_without_vnni() -> None:
    assert f"sum {512 * 255 * -127}" in compiled("haswell", AVX2, "run")
