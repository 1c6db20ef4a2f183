"""8-bit products in 32-bit sums by the CPU's dot-product instruction (VNNI), four numbers a lane at a time.

Weights are panels (depth / 4, 64, 4), activations uint8, row by row.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.whisper.cpu.panel_layout import LANES, PANEL, QUAD
from speech.whisper.numba_cache import cpu_features, keep_compiled

keep_compiled()  # at import: numba reads the folder when it first meets a function

MAX_ROWS = 6  # 24 sums, 4 weights and an activation fill the 32 registers

HAS_DOT_PRODUCT = {"avx512f", "avx512vnni"} <= cpu_features()
VECTORS = PANEL // LANES

INT32 = ir.IntType(32)
INT64 = ir.IntType(64)
WIDE = ir.VectorType(INT32, LANES)
INSTRUCTION = "llvm.x86.avx512.vpdpbusd.512"


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _panel_dot(rows: int) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, w, w_at, quads, y, y_at = arguments
        x_from = _pointer(context, builder, signature.args[0], x, x_at)
        w_from = _pointer(context, builder, signature.args[3], w, w_at)
        y_from = _pointer(context, builder, signature.args[6], y, y_at)
        dot = cgutils.get_or_insert_function(builder.module, ir.FunctionType(WIDE, [WIDE] * 3), INSTRUCTION)
        zero = ir.Constant(WIDE, [0] * LANES)
        sums = [[cgutils.alloca_once(builder, WIDE) for _ in range(VECTORS)] for _ in range(rows)]
        for row in sums:
            for cell in row:
                builder.store(zero, cell)
        with cgutils.for_range(builder, quads, intp=INT64) as loop:
            weights = []
            for vector in range(VECTORS):
                place = builder.mul(loop.index, ir.Constant(INT64, PANEL * QUAD))
                place = builder.add(place, ir.Constant(INT64, vector * LANES * QUAD))
                source = builder.bitcast(builder.gep(w_from, [place]), WIDE.as_pointer())
                weights.append(builder.load(source, align=1))
            for m in range(rows):
                place = builder.mul(x_step, ir.Constant(INT64, m))
                place = builder.add(place, builder.mul(loop.index, ir.Constant(INT64, QUAD)))
                four = builder.load(builder.bitcast(builder.gep(x_from, [place]), INT32.as_pointer()), align=1)
                single = builder.insert_element(ir.Constant(WIDE, ir.Undefined), four, ir.Constant(INT32, 0))
                splat = builder.shuffle_vector(single, single, ir.Constant(WIDE, [0] * LANES))
                for vector in range(VECTORS):
                    cell = sums[m][vector]
                    builder.store(builder.call(dot, [builder.load(cell), splat, weights[vector]]), cell)
        for m in range(rows):
            for vector in range(VECTORS):
                place = builder.gep(y_from, [ir.Constant(INT64, m * PANEL + vector * LANES)])
                builder.store(builder.load(sums[m][vector]), builder.bitcast(place, WIDE.as_pointer()), align=4)
        return context.get_dummy_value()

    @intrinsic
    def dot(typing: Any, x: Any, x_at: Any, x_step: Any, w: Any, w_at: Any, quads: Any, y: Any, y_at: Any) -> Any:
        whole = types.int64
        return types.void(x, whole, whole, w, whole, whole, y, whole), generate

    return dot


_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX = (_panel_dot(rows) for rows in range(1, MAX_ROWS + 1))


@njit(inline="never", nogil=True)
def panel_dot(rows, x, x_at, x_step, w, w_at, quads, y, y_at):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for m < rows ≤ 6 and the 64 columns of one panel; k < 4 · quads.

    x: uint8, flat, row m from x_at + m · x_step; w: int8, flat, panel from w_at; y: int32, flat, (rows, 64)
    """
    if rows == 6:
        _SIX(x, x_at, x_step, w, w_at, quads, y, y_at)
    elif rows == 5:
        _FIVE(x, x_at, x_step, w, w_at, quads, y, y_at)
    elif rows == 4:
        _FOUR(x, x_at, x_step, w, w_at, quads, y, y_at)
    elif rows == 3:
        _THREE(x, x_at, x_step, w, w_at, quads, y, y_at)
    elif rows == 2:
        _TWO(x, x_at, x_step, w, w_at, quads, y, y_at)
    else:
        _ONE(x, x_at, x_step, w, w_at, quads, y, y_at)
