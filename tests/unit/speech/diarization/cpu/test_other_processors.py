"""What is compiled for a processor that this machine need not have."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

COMPILE = """
from numba.core.caching import NullCache
from speech.diarization.cpu.dot_kernels import HAS_KERNELS, INT8_PRODUCT, int8_product
if HAS_KERNELS:
    int8_product._cache = NullCache()  # what is read from a cache shows no instructions
    int8_product.compile(INT8_PRODUCT)
    print(*int8_product.inspect_asm().values())
"""
AVX2 = "+sse2,+sse4.2,+avx,+avx2,+fma"
VNNI = f"{AVX2},+avx512f,+avx512bw,+avx512dq,+avx512vl,+avx512vnni"


@pytest.mark.parametrize(
    ("name", "features", "present", "absent"),
    [
        ("znver4", VNNI, "vpdpbusd", "vpmaddubsw"),
        ("haswell", AVX2, "vpmaddubsw", "vpdpbusd"),
        ("nehalem", "+sse2,+sse4.2", "", "vpmaddubsw"),
    ],
)
def test_each_processor_gets_its_own_instructions(name: str, features: str, present: str, absent: str) -> None:
    environment = os.environ | {"NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features}

    code = subprocess.run(
        [sys.executable, "-c", COMPILE], env=environment, capture_output=True, text=True, check=True
    ).stdout

    assert present in code
    assert absent not in code
