"""8-bit products in 32-bit sums, exact on every CPU: by AMX's tiles, VNNI's dot products, or AVX2's 16-bit products.

Weights are int8 panels (depth / 4, 64, 4), activations whole numbers row by row: uint8 around 128 for AMX and VNNI,
which multiply nothing else, int16 around 0 for AVX2, whose 8-bit products overflow their 16-bit sums.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.whisper.cpu.float_kernels import element
from speech.whisper.cpu.panel_layout import LANES, PANEL, QUAD
from speech.whisper.numba_cache import cpu_features, keep_compiled, tiles_allowed

keep_compiled()  # at import: numba reads the folder when it first meets a function

HAS_VNNI = {"avx512f", "avx512vnni"} <= cpu_features()
HAS_AMX = HAS_VNNI and {"amx-int8", "amx-tile"} <= cpu_features() and tiles_allowed()
HAS_KERNELS = HAS_VNNI or {"avx2", "fma"} <= cpu_features()
HAS_AVX2 = "avx2" in cpu_features()
ACTIVATION = np.uint8 if HAS_VNNI else np.int16  # what activations are stored in
ZERO_POINT = np.int32(128 if HAS_VNNI else 0)  # of activations

TILE_ROWS, TILE_QUADS = 16, 16  # of activations, of a panel's depth
# With 4 registers of sums for each row of 32, or 2 of 16, and the operands beside them 6 rows fit.
MAX_ROWS = TILE_ROWS if HAS_AMX else 6  # of one call
QUADS_AT_ONCE = TILE_QUADS if HAS_AMX else 1  # depths are multiples of so many

VOID, INT8, INT16, INT32, INT64 = ir.VoidType(), *(ir.IntType(bits) for bits in (8, 16, 32, 64))


def _splat(builder: Any, scalar: Any, lanes: int) -> Any:
    wide = ir.VectorType(scalar.type, lanes)
    single = builder.insert_element(ir.Constant(wide, ir.Undefined), scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, lanes), [0] * lanes))


def _load(builder: Any, source: Any, place: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(source, [place]), kind.as_pointer()), align=1)


class Vnni:
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


class Avx2:
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
        return builder.add(total, cls._pairs(builder, activations, weights))

    @classmethod
    def _pairs(cls, builder: Any, activations: Any, weights: Any) -> Any:
        if HAS_AVX2:
            kind = ir.FunctionType(cls.SUMS, [cls.WORDS] * 2)
            pairs = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx2.pmadd.wd")
            return builder.call(pairs, [activations, weights])
        wide = ir.VectorType(INT32, 16)
        products = builder.mul(builder.sext(activations, wide), builder.sext(weights, wide))
        return builder.add(*_even_and_odd(builder, products, products))

    @classmethod
    def columns(cls, builder: Any, sums: list[Any]) -> Iterator[Any]:
        """Vectors of the columns' sums, in the columns' order."""
        for low, high in zip(sums[::2], sums[1::2], strict=True):
            yield builder.add(*_even_and_odd(builder, low, high))


def _even_and_odd(builder: Any, low: Any, high: Any) -> Iterator[Any]:
    """The even lanes, then the odd ones, of two vectors of 8 that follow each other, or of one of 16."""
    for first in (0, 1):
        lanes = ir.Constant(ir.VectorType(INT32, 8), list(range(first, 16, 2)))
        yield builder.shuffle_vector(low, high, lanes)


KIND = Vnni if HAS_VNNI else Avx2


def add_up(builder: Any, rows: list[Any], weights_from: Any, quads: Any, first: int, registers: int) -> list[list[Any]]:
    """Of each row the sums over `quads` of products with a panel's columns from `first` on, in so many registers.

    rows: pointers to activations; weights_from: to the panel
    """
    zero = ir.Constant(KIND.SUMS, [0] * KIND.SUMS.count)
    sums = [[cgutils.alloca_once(builder, KIND.SUMS) for _ in range(registers)] for _ in rows]
    for cell in (cell for row in sums for cell in row):
        builder.store(zero, cell)
    with cgutils.for_range(builder, quads, intp=INT64) as loop:
        at = builder.mul(loop.index, ir.Constant(INT64, PANEL * QUAD))
        weights = []
        for register in range(registers):
            offset = ir.Constant(INT64, (first + register * KIND.COLUMNS) * QUAD)
            weights.append(KIND.weights(builder, weights_from, builder.add(at, offset)))
        place = builder.mul(loop.index, ir.Constant(INT64, QUAD))
        for row, cells in zip(rows, sums, strict=True):
            four = KIND.activations(builder, row, place)
            for cell, weight in zip(cells, weights, strict=True):
                builder.store(KIND.add(builder, builder.load(cell), four, weight), cell)
    return [[builder.load(cell) for cell in row] for row in sums]


def row_pointers(builder: Any, start: Any, step: Any, rows: int) -> list[Any]:
    return [builder.gep(start, [builder.mul(step, ir.Constant(INT64, m))]) for m in range(rows)]


def _panel_dot(rows: int) -> Callable[..., Any]:
    step = KIND.COLUMNS * KIND.REGISTERS  # columns at once

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, w, w_at, quads, y, y_at = arguments
        x_from = element(context, builder, signature.args[0], x, x_at)
        w_from = element(context, builder, signature.args[3], w, w_at)
        y_from = element(context, builder, signature.args[6], y, y_at)
        starts = row_pointers(builder, x_from, x_step, rows)
        for first in range(0, PANEL, step):
            for m, sums in enumerate(add_up(builder, starts, w_from, quads, first, KIND.REGISTERS)):
                offset = m * PANEL + first
                for vector in KIND.columns(builder, sums):
                    place = builder.gep(y_from, [ir.Constant(INT64, offset)])
                    builder.store(vector, builder.bitcast(place, vector.type.as_pointer()), align=4)
                    offset += vector.type.count
        return context.get_dummy_value()

    @intrinsic
    def dot(typing: Any, x: Any, x_at: Any, x_step: Any, w: Any, w_at: Any, quads: Any, y: Any, y_at: Any) -> Any:
        whole = types.int64
        return types.void(x, whole, whole, w, whole, whole, y, whole), generate

    return dot


def tile_call(builder: Any, name: str, arguments: list[Any]) -> None:
    """One of AMX's instructions, on tiles that are named by constants."""
    kind = ir.FunctionType(VOID, [argument.type for argument in arguments])
    builder.call(cgutils.get_or_insert_function(builder.module, kind, f"llvm.x86.{name}"), arguments)


@intrinsic
def _tile_dot(typing: Any, x: Any, x_at: Any, x_step: Any, w: Any, w_at: Any, quads: Any, y: Any, y_at: Any) -> Any:
    """16 rows by a panel: four tiles of sums (0 to 3), one of activations (4), and weights (5 to 7) in turn."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, w, w_at, quads, y, y_at = arguments
        kinds = signature.args
        x_from, w_from, y_from = (
            builder.bitcast(element(context, builder, kind, array, at), INT8.as_pointer())
            for kind, array, at in ((kinds[0], x, x_at), (kinds[3], w, w_at), (kinds[6], y, y_at))
        )
        tiles = [ir.Constant(INT8, number) for number in range(8)]
        panel_step = ir.Constant(INT64, PANEL * QUAD)  # bytes of a panel's row of quads, and of a row of sums
        for tile in tiles[:4]:
            tile_call(builder, "tilezero", [tile])
        steps = builder.sdiv(quads, ir.Constant(INT64, TILE_QUADS))
        with cgutils.for_range(builder, steps, intp=INT64) as loop:
            four = builder.gep(x_from, [builder.mul(loop.index, ir.Constant(INT64, TILE_QUADS * QUAD))])
            tile_call(builder, "tileloadd64", [tiles[4], four, x_step])
            depth = builder.mul(loop.index, ir.Constant(INT64, TILE_QUADS * PANEL * QUAD))
            for number, total in enumerate(tiles[:4]):
                weights = tiles[5 + number % 3]
                place = builder.add(depth, ir.Constant(INT64, number * LANES * QUAD))
                tile_call(builder, "tileloadd64", [weights, builder.gep(w_from, [place]), panel_step])
                tile_call(builder, "tdpbusd", [total, tiles[4], weights])
        for number, total in enumerate(tiles[:4]):
            place = builder.gep(y_from, [ir.Constant(INT64, number * LANES * QUAD)])
            tile_call(builder, "tilestored64", [total, place, panel_step])
        return context.get_dummy_value()

    whole = types.int64
    return types.void(x, whole, whole, w, whole, whole, y, whole), generate


TILES = np.zeros(64, np.uint8)  # how the tiles are divided: palette 1, of each the bytes of a row and the rows
TILES[0] = 1
TILES[16:32:2] = 64
TILES[48:56] = TILE_ROWS


@intrinsic
def _configure_tiles(typing: Any, tiles: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        start = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        tile_call(builder, "ldtilecfg", [builder.bitcast(start, INT8.as_pointer())])
        return context.get_dummy_value()

    return types.void(tiles), generate


@intrinsic
def _release_tiles(typing: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tile_call(builder, "tilerelease", [])
        return context.get_dummy_value()

    return types.void(), generate


@njit(nogil=True)
def begin_products():
    """To be called by a thread before its first `panel_dot`."""
    if HAS_AMX:
        _configure_tiles(TILES)


@njit(nogil=True)
def end_products():
    """To be called by a thread after its last `panel_dot`."""
    if HAS_AMX:
        _release_tiles()


_ONE, _TWO, _THREE, _FOUR, _FIVE, _SIX = (_panel_dot(rows) for rows in range(1, 7))


@njit(inline="never", nogil=True)
def panel_dot(rows, x, x_at, x_step, w, w_at, quads, y, y_at):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for m < rows ≤ MAX_ROWS and the 64 columns of one panel; k < 4 · quads.

    x: ACTIVATION, flat, row m from x_at + m · x_step; w: int8, flat, panel from w_at; y: int32, flat, (rows, 64)
    quads: a multiple of QUADS_AT_ONCE. Tiles read and write MAX_ROWS rows whatever `rows` is: x and y must hold them.
    """
    if HAS_AMX:
        _tile_dot(x, x_at, x_step, w, w_at, quads, y, y_at)
    elif rows == 6:
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
