"""numba's settings for a CPU with AVX2 and nothing newer, so that the kernels for one can be run on any later CPU."""

from __future__ import annotations

import re

import llvmlite.binding as llvm

NEWER = re.compile("avx512|avx10|avxvnni|avxifma|avxneconvert|amx|evex|vaes|vpclmul|gfni|sha|prefer")


def haswell() -> dict[str, str]:
    """Environment variables for Intel's first CPU with AVX2; none where this CPU has no AVX2 itself."""
    features = llvm.get_host_cpu_features()
    if not features.get("avx2"):
        return {}
    kept = [f"+{name}" for name, present in features.items() if present and not NEWER.match(name)]
    gone = [f"-{name}" for name in features if NEWER.match(name)]
    return {"NUMBA_CPU_NAME": "haswell", "NUMBA_CPU_FEATURES": ",".join(kept + gone)}
