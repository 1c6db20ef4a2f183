"""Machine code for the decoder's inner loops, written once as vectors and compiled for the CPU at hand.

A panel is 64 columns of an 8-bit matrix, stored row by row: a dense layer, a head's keys (columns are
frames) and a head's values (columns are channels) are all panels, so one kernel serves them. Products
accumulate in float32, in the same order whatever rows are computed beside a row: its result does not
depend on them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.whisper.cpu.panel_layout import LANES, PANEL
from speech.whisper.numba_cache import cpu_features, keep_compiled

keep_compiled()  # at import: numba reads the folder when it first meets a function

MAX_ROWS = 8  # of one call: more accumulators than registers would spill

HAS_AVX512 = "avx512f" in cpu_features()
FLOAT_LANES = 16 if HAS_AVX512 else 8  # float32 in a register of this CPU
ACCUMULATORS = 16 if HAS_AVX512 else 8  # registers, of 32 or 16

# For fastmath. Sums in any order, which is the same one for every row.
REASSOCIATE = {"reassoc", "nsz", "contract"}

FLOAT = ir.FloatType()
INT8 = ir.IntType(8)
INT32 = ir.IntType(32)
INT64 = ir.IntType(64)


def element(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    """A pointer to one element of an array, for code that is built by hand."""
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _columns_at_once(rows: int) -> int:
    """Columns whose sums fit into the registers at this many rows; divides a panel."""
    columns = FLOAT_LANES
    while columns < PANEL and rows * columns * 2 <= ACCUMULATORS * FLOAT_LANES:
        columns *= 2
    return columns


def _panel_product(rows: int, floats: bool = False) -> Any:
    """y[m, c] = Σ_k x[m, k] · w[k, c] over one panel, for a fixed number of rows m. w: int8, or float32 (`floats`)"""
    columns = _columns_at_once(rows)
    vectors = columns // FLOAT_LANES
    wide = ir.VectorType(FLOAT, FLOAT_LANES)

    def weight(builder: Any, start: Any, place: Any) -> Any:
        kind = wide if floats else ir.VectorType(INT8, FLOAT_LANES)
        read = builder.load(builder.bitcast(builder.gep(start, [place]), kind.as_pointer()), align=4 if floats else 1)
        return read if floats else builder.sitofp(builder.sext(read, ir.VectorType(INT32, FLOAT_LANES)), wide)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, w, w_at, depth, y, y_at, y_step = arguments
        x_from = element(context, builder, signature.args[0], x, x_at)
        w_from = element(context, builder, signature.args[3], w, w_at)
        y_from = element(context, builder, signature.args[6], y, y_at)
        fma = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(wide, [wide] * 3), f"llvm.fma.v{FLOAT_LANES}f32"
        )
        zero = ir.Constant(wide, [0.0] * FLOAT_LANES)
        for first in range(0, PANEL, columns):
            sums = [[cgutils.alloca_once_value(builder, zero) for _ in range(vectors)] for _ in range(rows)]
            for row in sums:
                for cell in row:
                    builder.store(zero, cell)
            with cgutils.for_range(builder, depth, intp=INT64) as loop:
                at = builder.mul(loop.index, ir.Constant(INT64, PANEL))
                weights = []
                for vector in range(vectors):
                    place = builder.add(at, ir.Constant(INT64, first + vector * FLOAT_LANES))
                    weights.append(weight(builder, w_from, place))
                for m in range(rows):
                    place = builder.add(builder.mul(x_step, ir.Constant(INT64, m)), loop.index)
                    scalar = builder.load(builder.gep(x_from, [place]))
                    single = builder.insert_element(ir.Constant(wide, ir.Undefined), scalar, ir.Constant(INT32, 0))
                    splat = builder.shuffle_vector(
                        single, single, ir.Constant(ir.VectorType(INT32, FLOAT_LANES), [0] * FLOAT_LANES)
                    )
                    for vector in range(vectors):
                        cell = sums[m][vector]
                        builder.store(builder.call(fma, [splat, weights[vector], builder.load(cell)]), cell)
            for m in range(rows):
                for vector in range(vectors):
                    place = builder.mul(y_step, ir.Constant(INT64, m))
                    place = builder.add(place, ir.Constant(INT64, first + vector * FLOAT_LANES))
                    target = builder.bitcast(builder.gep(y_from, [place]), wide.as_pointer())
                    builder.store(builder.load(sums[m][vector]), target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def product(
        typing: Any, x: Any, x_at: Any, x_step: Any, w: Any, w_at: Any, depth: Any, y: Any, y_at: Any, y_step: Any
    ) -> Any:
        whole = types.int64
        return types.void(x, whole, whole, w, whole, whole, y, whole, whole), generate

    return product


_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX, _SEVEN, _EIGHT = (_panel_product(rows) for rows in range(1, MAX_ROWS + 1))
float_row_product = _panel_product(1, floats=True)  # as `panel_product` of one row


@njit(inline="never", nogil=True, cache=True)
def panel_product(rows, x, x_at, x_step, w, w_at, depth, y, y_at, y_step):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for m < rows ≤ 8 and the 64 columns of one panel.

    x, y: float32, flat, row m from x_at + m · x_step, y_at + m · y_step; w: int8, flat, panel from w_at
    """
    if rows == 1:
        _ONE(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 2:
        _TWO(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 3:
        _THREE(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 4:
        _FOUR(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 5:
        _FIVE(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 6:
        _SIX(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    elif rows == 7:
        _SEVEN(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)
    else:
        _EIGHT(x, x_at, x_step, w, w_at, depth, y, y_at, y_step)


def _largest(magnitude: bool) -> Any:
    """The largest number, or magnitude, of the first n (a multiple of 16) of a contiguous float32 array.

    Compilers keep the order of comparisons and so take one number at a time; here it is 64.
    """
    lanes, chains = LANES, 4
    wide = ir.VectorType(FLOAT, lanes)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        best = cgutils.alloca_once(builder, wide)
        name = f"llvm.fabs.v{lanes}f32"
        absolute = cgutils.get_or_insert_function(builder.module, ir.FunctionType(wide, [wide]), name)

        def read(place: Any) -> Any:
            value = builder.load(builder.bitcast(builder.gep(start, [place]), wide.as_pointer()), align=4)
            return builder.call(absolute, [value]) if magnitude else value

        def keep(cell: Any, value: Any) -> None:
            old = builder.load(cell)
            builder.store(builder.select(builder.fcmp_ordered(">", value, old), value, old), cell)

        cells = [cgutils.alloca_once(builder, wide) for _ in range(chains)]
        for cell in [best, *cells]:
            builder.store(read(ir.Constant(INT64, 0)), cell)
        step = ir.Constant(INT64, lanes * chains)
        with cgutils.for_range(builder, builder.sdiv(arguments[1], step), intp=INT64) as loop:
            for chain, cell in enumerate(cells):
                offset = builder.mul(loop.index, step)
                keep(cell, read(builder.add(offset, ir.Constant(INT64, chain * lanes))))
        done = builder.mul(builder.sdiv(arguments[1], step), step)
        rest = builder.sdiv(builder.sub(arguments[1], done), ir.Constant(INT64, lanes))
        with cgutils.for_range(builder, rest, intp=INT64) as loop:
            keep(best, read(builder.add(done, builder.mul(loop.index, ir.Constant(INT64, lanes)))))
        for cell in cells:
            keep(best, builder.load(cell))
        width = lanes
        vector = builder.load(best)
        while width > 1:
            width //= 2
            indices = ir.VectorType(INT32, width)
            low = builder.shuffle_vector(vector, vector, ir.Constant(indices, list(range(width))))
            high = builder.shuffle_vector(vector, vector, ir.Constant(indices, list(range(width, 2 * width))))
            vector = builder.select(builder.fcmp_ordered(">", high, low), high, low)
        return builder.extract_element(vector, ir.Constant(INT32, 0))

    @intrinsic
    def largest(typing: Any, source: Any, n: Any) -> Any:
        return types.float32(source, types.int64), generate

    return largest


largest, largest_magnitude = _largest(magnitude=False), _largest(magnitude=True)


@intrinsic
def float_from_bits(typing: Any, bits: Any) -> Any:
    """The float32 whose bits are those of an int32."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], FLOAT)

    return types.float32(types.int32), generate


@intrinsic
def atomic_add(typing: Any, counters: Any, index: Any, amount: Any) -> Any:
    """Adds to counters[index] as one indivisible operation; returns the value before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = element(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.atomic_rmw("add", place, arguments[2], "seq_cst")

    return types.int64(counters, types.int64, types.int64), generate


@intrinsic
def atomic_load(typing: Any, counters: Any, index: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        place = element(context, builder, signature.args[0], arguments[0], arguments[1])
        return builder.load_atomic(place, "seq_cst", 8)

    return types.int64(counters, types.int64), generate


_sched_yield = types.ExternalFunction("sched_yield", types.int32())

SPINS = 2000  # reads of the counter before the core is offered to others


@njit(nogil=True)
def barrier(counters, threads, phase):
    """Waits until all threads have come to their `phase`-th barrier. counters: int64 (1,), zero at the start."""
    if threads == 1:
        return
    atomic_add(counters, 0, 1)
    goal = phase * threads
    spins = 0
    while atomic_load(counters, 0) < goal:
        spins += 1
        if spins > SPINS:
            _sched_yield()


_F = np.float32
LOG2_E = _F(1.4426950408889634)
LN_2_HIGH = _F(0.693359375)
LN_2_LOW = _F(-2.12194440e-4)
LEAST_EXPONENT = _F(-87.0)
EXP_SERIES = tuple(map(_F, (1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 0.5)))
E5, E4, E3, E2, E1, E0 = EXP_SERIES


@njit(inline="always", nogil=True)
def fast_exp(x):
    """e^x in float32, relative error below 3e-7, for x ≤ 87; below -87 it stays at about 1e-38.

    source: Cephes expf
    """
    x = max(x, LEAST_EXPONENT)
    n = np.int32(np.int32(x * LOG2_E + _F(1024.5)) - np.int32(1024))  # numba widens every sum to 64 bits
    r = x - _F(n) * LN_2_HIGH - _F(n) * LN_2_LOW
    series = ((((E5 * r + E4) * r + E3) * r + E2) * r + E1) * r + E0
    power = float_from_bits(np.int32(np.int32(n + np.int32(127)) << np.int32(23)))
    return (series * r * r + r + _F(1)) * power


@njit(inline="always", nogil=True)
def fast_gelu(x):
    """The exact GELU in float32, absolute error below 1e-6.

    source: erf by Abramowitz & Stegun 7.1.26
    """
    z = abs(x) * _F(0.7071067811865476)
    t = _F(1) / (_F(1) + _F(0.3275911) * z)
    series = ((((_F(1.061405429) * t - _F(1.453152027)) * t + _F(1.421413741)) * t - _F(0.284496736)) * t
              + _F(0.254829592)) * t  # fmt: skip
    tail = _F(0.5) * series * fast_exp(-z * z)  # the normal distribution beyond |x|
    return x * (tail if x < 0 else _F(1) - tail)
