"""8-bit products in 32-bit sums, exact on every CPU: by VNNI's dot products, or by AVX2's products of 16 bits.

Weights are int8 panels (depth / 4, 64, 4), activations whole numbers row by row: uint8 around 128 for VNNI, which
multiplies nothing else, int16 around 0 for AVX2, whose 8-bit products overflow their 16-bit sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.whisper.cpu.panel_layout import LANES, PANEL, QUAD
from speech.whisper.numba_cache import cpu_features, keep_compiled

keep_compiled()  # at import: numba reads the folder when it first meets a function

MAX_ROWS = 6  # with 4 registers of sums each of 32, or 2 of 16, and the operands beside them

HAS_VNNI = {"avx512f", "avx512vnni"} <= cpu_features()
HAS_KERNELS = HAS_VNNI or {"avx2", "fma"} <= cpu_features()
ACTIVATION = np.uint8 if HAS_VNNI else np.int16  # what activations are stored in
ZERO_POINT = np.int32(128 if HAS_VNNI else 0)  # of activations

INT8, INT16, INT32, INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))


def _pointer(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    wide = ir.VectorType(scalar.type, lanes)
    single = builder.insert_element(ir.Constant(wide, ir.Undefined), scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes))


def _load(builder: Any, source: Any, place: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(source, [place]), kind.as_pointer()), align=1)


class _Vnni:
    """Four products a lane at once: a register holds the sums of 16 columns."""

    SUMS = ir.VectorType(INT32, LANES)
    COLUMNS = LANES  # of a register
    REGISTERS = PANEL // LANES  # of a row's sums that are kept at once

    @classmethod
    def weights(cls, builder: Any, source: Any, place: Any) -> Any:
        return _load(builder, source, place, cls.SUMS)

    @classmethod
    def activations(cls, builder: Any, source: Any, place: Any) -> Any:
        return _splat(builder, _load(builder, source, place, INT32), LANES)

    @classmethod
    def add(cls, builder: Any, total: Any, activations: Any, weights: Any) -> Any:
        kind = ir.FunctionType(cls.SUMS, [cls.SUMS] * 3)
        dot = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        return builder.call(dot, [total, activations, weights])

    @classmethod
    def columns(cls, builder: Any, sums: list[Any]) -> Iterator[Any]:
        """Vectors of the columns' sums, in the columns' order."""
        yield from sums


class _Avx2:
    """Two products a lane: a register holds two sums of each of 4 columns, which are added at the end."""

    SUMS = ir.VectorType(INT32, 8)
    WORDS = ir.VectorType(INT16, 16)
    COLUMNS = 4
    REGISTERS = 2

    @classmethod
    def weights(cls, builder: Any, source: Any, place: Any) -> Any:
        return builder.sext(_load(builder, source, place, ir.VectorType(INT8, 16)), cls.WORDS)

    @classmethod
    def activations(cls, builder: Any, source: Any, place: Any) -> Any:
        return builder.bitcast(_splat(builder, _load(builder, source, place, INT64), 4), cls.WORDS)

    @classmethod
    def add(cls, builder: Any, total: Any, activations: Any, weights: Any) -> Any:
        kind = ir.FunctionType(cls.SUMS, [cls.WORDS] * 2)
        pairs = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.wd")
        return builder.add(total, builder.call(pairs, [activations, weights]))

    @classmethod
    def columns(cls, builder: Any, sums: list[Any]) -> Iterator[Any]:
        """Vectors of the columns' sums, in the columns' order."""
        kind = ir.VectorType(INT32, 8)
        for low, high in zip(sums[::2], sums[1::2], strict=True):
            even, odd = (
                builder.shuffle_vector(low, high, ir.Constant(kind, list(range(first, 16, 2)))) for first in (0, 1)
            )
            yield builder.add(even, odd)


def _panel_dot(rows: int, kind: type[_Vnni] | type[_Avx2]) -> Callable[..., Any]:
    step = kind.COLUMNS * kind.REGISTERS  # columns at once

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, w, w_at, quads, y, y_at = arguments
        x_from = _pointer(context, builder, signature.args[0], x, x_at)
        w_from = _pointer(context, builder, signature.args[3], w, w_at)
        y_from = _pointer(context, builder, signature.args[6], y, y_at)
        zero = ir.Constant(kind.SUMS, [0] * kind.SUMS.count)
        for first in range(0, PANEL, step):
            sums = [[cgutils.alloca_once(builder, kind.SUMS) for _ in range(kind.REGISTERS)] for _ in range(rows)]
            for cell in (cell for row in sums for cell in row):
                builder.store(zero, cell)
            with cgutils.for_range(builder, quads, intp=INT64) as loop:
                at = builder.mul(loop.index, ir.Constant(INT64, PANEL * QUAD))
                weights = []
                for register in range(kind.REGISTERS):
                    offset = ir.Constant(INT64, (first + register * kind.COLUMNS) * QUAD)
                    weights.append(kind.weights(builder, w_from, builder.add(at, offset)))
                for m in range(rows):
                    place = builder.mul(x_step, ir.Constant(INT64, m))
                    place = builder.add(place, builder.mul(loop.index, ir.Constant(INT64, QUAD)))
                    four = kind.activations(builder, x_from, place)
                    for cell, weight in zip(sums[m], weights, strict=True):
                        builder.store(kind.add(builder, builder.load(cell), four, weight), cell)
            for m in range(rows):
                offset = m * PANEL + first
                for vector in kind.columns(builder, [builder.load(cell) for cell in sums[m]]):
                    place = builder.gep(y_from, [ir.Constant(INT64, offset)])
                    builder.store(vector, builder.bitcast(place, vector.type.as_pointer()), align=4)
                    offset += vector.type.count
        return context.get_dummy_value()

    @intrinsic
    def dot(typing: Any, x: Any, x_at: Any, x_step: Any, w: Any, w_at: Any, quads: Any, y: Any, y_at: Any) -> Any:
        whole = types.int64
        return types.void(x, whole, whole, w, whole, whole, y, whole), generate

    return dot


_KIND = _Vnni if HAS_VNNI else _Avx2
_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX = (_panel_dot(rows, _KIND) for rows in range(1, MAX_ROWS + 1))


@njit(inline="never", nogil=True)
def panel_dot(rows, x, x_at, x_step, w, w_at, quads, y, y_at):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for m < rows ≤ 6 and the 64 columns of one panel; k < 4 · quads.

    x: ACTIVATION, flat, row m from x_at + m · x_step; w: int8, flat, panel from w_at; y: int32, flat, (rows, 64)
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
