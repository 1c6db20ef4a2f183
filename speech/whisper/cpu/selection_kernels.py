"""The tokens that may follow, out of the logits of all."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from speech.whisper.cpu.float_kernels import REASSOCIATE, fast_exp, largest
from speech.whisper.cpu.panel_layout import PANEL

Array = NDArray[Any]
CANDIDATES = 8  # tokens whose logits are computed again exactly
MARGIN = np.float32(1.0)  # logits: far more than 8-bit weights can be wrong by


@njit(nogil=True, cache=True, error_model="numpy", fastmath=REASSOCIATE)
def run_selection(
    thread: int, threads: int, logits: Array, masks: Array, kinds: Array, chosen: Array, sums: Array
) -> None:
    """The best tokens of each row, and how much all tokens weigh: rows thread, thread + threads, …

    logits: float32 (8, padded), to which the row of masks (kinds, padded) that `kinds` (rows,) names is added
    chosen: int64 (8, candidates): those within the margin of the best, best first, then -1
    sums: float32 (8,), log Σ exp(logit)
    """
    for m in range(thread, len(kinds), threads):
        row, mask = logits[m], masks[kinds[m]]
        for i in range(len(row)):
            row[i] += mask[i]
        peak = largest(row, len(row))
        total = np.float32(0)
        for i in range(len(row)):
            total += fast_exp(row[i] - peak)
        sums[m] = peak + np.log(total)
        best = chosen[m]
        best[:] = -1
        least = peak - MARGIN
        for block in range(0, len(row), PANEL):
            if largest(row[block : block + PANEL], PANEL) >= least:
                for i in range(block, block + PANEL):
                    if row[i] >= least:
                        _insert(best, row, i)


@njit(nogil=True)
def _insert(best, row, index):
    """Keeps `best` in falling order of row[·]; what falls off its end is lost."""
    for place in range(len(best)):
        if best[place] < 0 or row[index] > row[best[place]]:
            best[place], index = index, best[place]
            if index < 0:
                return
