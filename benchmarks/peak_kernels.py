"""What a core's arithmetic reaches at most: products of registers with registers, nothing read from memory.

Compiled as the service's kernels are, so numba's settings for an older processor hold here, too. Runs in the service's
environment.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.whisper.cpu.float_kernels import FLOAT_LANES
from speech.whisper.cpu.int8_kernels import HAS_AMX, HAS_VNNI, begin_products, end_products, tile_call

CHAINS = 12  # sums that do not wait for each other
INT16, INT32, INT64, FLOAT = ir.IntType(16), ir.IntType(32), ir.IntType(64), ir.FloatType()
LANES = 16 if HAS_VNNI else 8
SUMS, WORDS = ir.VectorType(INT32, LANES), ir.VectorType(INT16, 2 * LANES)
FLOATS = ir.VectorType(FLOAT, FLOAT_LANES)
TILES = 6  # of sums, beside two that are multiplied
INT8_PRODUCTS = TILES * 16 * 16 * 64 if HAS_AMX else CHAINS * LANES * (4 if HAS_VNNI else 2)  # multiply-adds of a turn
FLOAT_PRODUCTS = CHAINS * FLOAT_LANES

AddProduct = Callable[[Any, Any, Any], Any]


_untyped: Any = cgutils


def _function(builder: Any, kind: Any, name: str) -> Any:
    return _untyped.get_or_insert_function(builder.module, kind, name)


def _vnni(builder: Any, total: Any, factor: Any) -> Any:
    kind = ir.FunctionType(SUMS, [SUMS] * 3)
    dot = _function(builder, kind, "llvm.x86.avx512.vpdpbusd.512")
    return builder.call(dot, [total, factor, factor])


def _avx2(builder: Any, total: Any, factor: Any) -> Any:
    """factor: changes with the sum, so that the product is not taken out of the loop"""
    pairs = _function(builder, ir.FunctionType(SUMS, [WORDS] * 2), "llvm.x86.avx2.pmadd.wd")
    return builder.add(total, builder.call(pairs, [builder.bitcast(total, WORDS), builder.bitcast(factor, WORDS)]))


def _fma(builder: Any, total: Any, factor: Any) -> Any:
    kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
    fma = _function(builder, kind, f"llvm.fma.v{FLOAT_LANES}f32")
    return builder.call(fma, [total, factor, factor])


def _turns(wide: Any, add: AddProduct) -> Any:
    @intrinsic
    def run(typing: Any, seed: Any, turns: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            scalar = arguments[0] if wide.element == FLOAT else builder.fptosi(arguments[0], INT32)
            single = builder.insert_element(ir.Constant(wide, ir.Undefined), scalar, ir.Constant(INT32, 0))
            places = ir.Constant(ir.VectorType(INT32, wide.count), [0] * wide.count)
            factor = builder.shuffle_vector(single, single, places)
            cells = [_untyped.alloca_once_value(builder, factor) for _ in range(CHAINS)]
            with cgutils.for_range(builder, arguments[1], intp=INT64):
                for cell in cells:
                    builder.store(add(builder, builder.load(cell), factor), cell)
            total = builder.load(cells[0])
            for cell in cells[1:]:
                join = builder.fadd if wide.element == FLOAT else builder.add
                total = join(total, builder.load(cell))
            found = builder.extract_element(total, ir.Constant(INT32, 0))
            return found if wide.element == FLOAT else builder.sitofp(found, FLOAT)

        return types.float32(types.float32, types.int64), generate

    @njit(nogil=True)
    def loop(seed, turns):  # type: ignore[no-untyped-def]
        return run(seed, turns)  # type: ignore[call-arg]

    return loop


@intrinsic
def _multiply_tiles(typing: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        tiles = [ir.Constant(ir.IntType(8), number) for number in range(TILES + 2)]
        for total in tiles[:TILES]:
            tile_call(builder, "tdpbusd", [total, *tiles[TILES:]])
        return context.get_dummy_value()

    return types.void(), generate


@njit(nogil=True)
def _tile_turns(seed, turns):  # type: ignore[no-untyped-def]
    begin_products()
    for _ in range(turns):
        _multiply_tiles()  # type: ignore[call-arg]
    end_products()
    return seed


int8_turns = _tile_turns if HAS_AMX else _turns(SUMS, _vnni if HAS_VNNI else _avx2)
float_turns = _turns(FLOATS, _fma)
