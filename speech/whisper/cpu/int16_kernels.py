"""Products of activations of 16 bits with 8-bit weights: next to float32's exactness, at the speed of whole numbers.

Weights are the int8 panels (depth / 4, 64, 4) of int8_kernels. VNNI multiplies 8 bits by 8, so an activation lies there
as a high and a low byte, whose products are added up apart. AVX2 multiplies its 16 bits at once, of which fewer are
used where sums over great depths would overflow.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic

from speech.whisper.cpu.float_kernels import REASSOCIATE, element, fast_exp, largest_magnitude
from speech.whisper.cpu.float_kernels import largest as highest
from speech.whisper.cpu.int8_kernels import ACTIVATION, HAS_VNNI, INT64, KIND, add_up, row_pointers
from speech.whisper.cpu.panel_layout import LANES, PANEL
from speech.whisper.numba_cache import keep_compiled

keep_compiled()  # at import: numba reads the folder when it first meets a function

F = np.float32
TINY = F(1e-12)
FLOAT = ir.FloatType()
SUMS_AT_ONCE = 16  # registers, of 32
HALF = np.int32(1 << 15)
MOST = np.int64((2**31 - 1) // 127)  # sum of magnitudes that products with 8 bits of 32 can hold


@njit(inline="always", nogil=True)
def largest_activation(depth):
    """The magnitude to which activations of so many products are brought."""
    return F(HALF - 1) if HAS_VNNI else F(min(np.int64(HALF - 1), MOST // depth))


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def quantise(source, depth, target):
    """The first `depth` numbers, a multiple of 16, in 16 bits; returns the scale.

    source: float32, contiguous; target: ACTIVATION (≥ 2 · depth,); with VNNI the high bytes, around 128, then the low
    """
    largest = largest_activation(depth)
    peak = max(largest_magnitude(source, depth), TINY)
    step = largest / peak
    for c in range(depth):
        whole = np.int32(source[c] * step + F(32768.5))
        if HAS_VNNI:
            target[c] = ACTIVATION(np.int32(whole >> np.int32(8)))
            target[depth + c] = ACTIVATION(np.int32(whole & np.int32(255)))
        else:
            target[c] = ACTIVATION(np.int32(whole - HALF))
    return peak / largest


@njit(nogil=True, error_model="numpy", fastmath=REASSOCIATE)
def softmax(scores, length, depth, target):
    """e^(score - best) in whole numbers without a zero point, up to `depth` with zeros; returns their sum.

    scores: float32 (≥ length,), contiguous; target: ACTIVATION (2 · depth,), the low bytes behind the first `depth`
    """
    largest = F(2 * HALF - 1) if HAS_VNNI else largest_activation(depth)
    whole_vectors = length // LANES * LANES
    peak = highest(scores, whole_vectors) if whole_vectors else scores[0]
    for i in range(whole_vectors, length):
        peak = max(peak, scores[i])
    total = np.int32(0)
    for i in range(length):
        whole = np.int32(fast_exp(scores[i] - peak) * largest + F(0.5))
        total = np.int32(total + whole)
        if HAS_VNNI:
            target[i] = ACTIVATION(np.int32(whole >> np.int32(8)))
            target[depth + i] = ACTIVATION(np.int32(whole & np.int32(255)))
        else:
            target[i] = ACTIVATION(whole)
    for i in range(length, depth):
        target[i] = ACTIVATION(0)
        if HAS_VNNI:
            target[depth + i] = ACTIVATION(0)
    return F(total)


def _wide_product(rows: int) -> Any:
    """y[m, c] = Σ_k x[m, k] · w[k, c] over one panel, for a fixed number of rows m."""
    registers = KIND.REGISTERS
    while HAS_VNNI and 2 * rows * registers > SUMS_AT_ONCE:
        registers //= 2

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step = arguments
        kinds = signature.args
        x_from, w_from, y_from = (
            element(context, builder, kind, array, at)
            for kind, array, at in ((kinds[0], x, x_at), (kinds[4], w, w_at), (kinds[8], y, y_at))
        )
        sums_from = element(context, builder, kinds[7], sums, ir.Constant(INT64, 0))
        starts = row_pointers(builder, x_from, x_step, rows)
        if HAS_VNNI:
            starts += row_pointers(builder, builder.gep(x_from, [low]), x_step, rows)
        for first in range(0, PANEL, KIND.COLUMNS * registers):
            found = add_up(builder, starts, w_from, quads, first, registers)
            for m, target in enumerate(row_pointers(builder, y_from, y_step, rows)):
                offset = first
                for index, vector in enumerate(KIND.columns(builder, found[m])):
                    lanes = vector.type.count
                    wide = ir.VectorType(FLOAT, lanes)
                    if HAS_VNNI:
                        place = builder.gep(sums_from, [ir.Constant(INT64, offset)])
                        weighed = builder.load(builder.bitcast(place, vector.type.as_pointer()), align=4)
                        eights, sevens = (ir.Constant(kind, [number] * lanes) for kind, number in
                                          ((wide, 256.0), (vector.type, 7)))  # fmt: skip
                        high = builder.sitofp(builder.sub(vector, builder.shl(weighed, sevens)), wide)
                        value = builder.fadd(builder.fmul(high, eights), builder.sitofp(found[rows + m][index], wide))
                    else:
                        value = builder.sitofp(vector, wide)
                    place = builder.gep(target, [ir.Constant(INT64, offset)])
                    builder.store(value, builder.bitcast(place, wide.as_pointer()), align=4)
                    offset += lanes
        return context.get_dummy_value()

    @intrinsic
    def product(
        typing: Any, x: Any, x_at: Any, x_step: Any, low: Any, w: Any, w_at: Any, quads: Any, sums: Any, y: Any,
        y_at: Any, y_step: Any,
    ) -> Any:  # fmt: skip
        whole = types.int64
        return types.void(x, whole, whole, whole, w, whole, whole, sums, y, whole, whole), generate

    return product


_ONE, _TWO, _THREE, _FOUR = (_wide_product(rows) for rows in range(1, 5))


@njit(inline="never", nogil=True, cache=True)
def wide_product(rows, x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for m < rows ≤ 8 and the 64 columns of one panel; k < 4 · quads.

    x: ACTIVATION, flat, row m from x_at + m · x_step, low bytes `low` behind; w: int8, flat, panel from w_at
    sums: int32 (64,), of the panel's columns; zeros where activations are positive; y: float32, flat, as x
    """
    if rows > 4:  # more sums than registers would spill
        _FOUR(x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step)
        x_at += 4 * x_step
        y_at += 4 * y_step
        rows -= 4
    if rows == 1:
        _ONE(x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step)
    elif rows == 2:
        _TWO(x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step)
    elif rows == 3:
        _THREE(x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step)
    else:
        _FOUR(x, x_at, x_step, low, w, w_at, quads, sums, y, y_at, y_step)
