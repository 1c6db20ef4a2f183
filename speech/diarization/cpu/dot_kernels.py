"""Products of a few rows with one panel of weights, in 8 bits and in float32, by the CPU's vector instructions.

8-bit rows are uint8 and lie in segments, as a convolution's taps do: `segments` runs of 4 · quads numbers,
`segment_step` apart. Sums are exact, so CPUs with and without VNNI find the same.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from speech.diarization.cpu.panel_layout import FLOAT_PANEL, PANEL, QUAD
from speech.whisper.numba_cache import cpu_features, keep_compiled

keep_compiled()  # at import: numba reads the folder when it first meets a function

HAS_VNNI = {"avx512f", "avx512vnni"} <= cpu_features()
HAS_KERNELS = HAS_VNNI or {"avx2", "fma"} <= cpu_features()
ROWS = 8 if HAS_VNNI else 5  # of one call: as many sums as the registers hold

LANES = 16 if HAS_VNNI else 8  # 32-bit numbers in a register
INT8, INT16, INT32, INT64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
FLOAT = ir.FloatType()
WIDE, FLOATS = ir.VectorType(INT32, LANES), ir.VectorType(FLOAT, LANES)
BYTES, WORDS = ir.VectorType(INT8, 4 * LANES), ir.VectorType(INT16, 2 * LANES)
PAIR = 2  # registers of weights that are read together


def _data(context: Any, builder: Any, kind: Any, array: Any, offset: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [offset])


def _load(builder: Any, source: Any, place: Any, kind: Any) -> Any:
    return builder.load(builder.bitcast(builder.gep(source, [place]), kind.as_pointer()), align=1)


def _splat(builder: Any, scalar: Any, wide: Any) -> Any:
    single = builder.insert_element(ir.Constant(wide, ir.Undefined), scalar, ir.Constant(INT32, 0))
    return builder.shuffle_vector(single, single, ir.Constant(ir.VectorType(INT32, LANES), [0] * LANES))


def _whole(value: int) -> Any:
    return ir.Constant(INT64, value)


def _sums(builder: Any, rows: int, vectors: int, wide: Any) -> list[list[Any]]:
    zero = ir.Constant(wide, [0] * LANES)
    sums = [[cgutils.alloca_once(builder, wide) for _ in range(vectors)] for _ in range(rows)]
    for row in sums:
        for cell in row:
            builder.store(zero, cell)
    return sums


def _dot_products(builder: Any, activations: Any, weights: Any, total: Any) -> Any:
    """total + Σ of four uint8 · int8 in each 32-bit lane."""
    if HAS_VNNI:
        kind = ir.FunctionType(WIDE, [WIDE] * 3)
        add = cgutils.get_or_insert_function(builder.module, kind, "llvm.x86.avx512.vpdpbusd.512")
        return builder.call(add, [total, activations, weights])
    kinds = ir.FunctionType(WORDS, [BYTES, BYTES]), ir.FunctionType(WIDE, [WORDS, WORDS])
    multiply = cgutils.get_or_insert_function(builder.module, kinds[0], "llvm.x86.avx2.pmadd.ub.sw")
    pairs = cgutils.get_or_insert_function(builder.module, kinds[1], "llvm.x86.avx2.pmadd.wd")
    products = builder.call(multiply, [builder.bitcast(activations, BYTES), builder.bitcast(weights, BYTES)])
    return builder.add(total, builder.call(pairs, [products, ir.Constant(WORDS, [1] * 2 * LANES)]))


def _int8_product(rows: int) -> Any:
    """y[m, c] = Σ_k x[m, k] · w[k, c] for a fixed number of rows m and the 32 columns of a panel."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, segments, segment_step, quads, w, w_at, y, y_at = arguments
        x_from = _data(context, builder, signature.args[0], x, x_at)
        w_from = _data(context, builder, signature.args[6], w, w_at)
        y_from = _data(context, builder, signature.args[8], y, y_at)
        for first in range(0, PANEL, PAIR * LANES):
            sums = _sums(builder, rows, PAIR, WIDE)
            with cgutils.for_range(builder, segments, intp=INT64) as segment:
                x_segment = builder.gep(x_from, [builder.mul(segment.index, segment_step)])
                w_place = builder.mul(builder.mul(segment.index, quads), _whole(PANEL * QUAD))
                w_segment = builder.gep(w_from, [builder.add(w_place, _whole(first * QUAD))])
                with cgutils.for_range(builder, quads, intp=INT64) as loop:
                    at = builder.mul(loop.index, _whole(PANEL * QUAD))
                    places = [builder.add(at, _whole(vector * LANES * QUAD)) for vector in range(PAIR)]
                    weights = [_load(builder, w_segment, place, WIDE) for place in places]
                    for m in range(rows):
                        place = builder.add(builder.mul(x_step, _whole(m)), builder.mul(loop.index, _whole(QUAD)))
                        four = _splat(builder, _load(builder, x_segment, place, INT32), WIDE)
                        for cell, weight in zip(sums[m], weights, strict=True):
                            builder.store(_dot_products(builder, four, weight, builder.load(cell)), cell)
            for m in range(rows):
                for vector, cell in enumerate(sums[m]):
                    place = builder.gep(y_from, [_whole(m * PANEL + first + vector * LANES)])
                    builder.store(builder.load(cell), builder.bitcast(place, WIDE.as_pointer()), align=4)
        return context.get_dummy_value()

    @intrinsic
    def product(
        typing: Any, x: Any, x_at: Any, x_step: Any, segments: Any, segment_step: Any, quads: Any, w: Any, w_at: Any,
        y: Any, y_at: Any,
    ) -> Any:  # fmt: skip
        n = types.int64
        return types.void(x, n, n, n, n, n, w, n, y, n), generate

    return product


def _float_product(rows: int) -> Any:
    """y[m, c] = Σ_k x[m, k] · w[k, c] for a fixed number of rows m and the 16 columns of a panel."""
    vectors = FLOAT_PANEL // LANES

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, x_at, x_step, depth, w, w_at, y, y_at, y_step = arguments
        x_from = _data(context, builder, signature.args[0], x, x_at)
        w_from = _data(context, builder, signature.args[4], w, w_at)
        y_from = _data(context, builder, signature.args[6], y, y_at)
        kind = ir.FunctionType(FLOATS, [FLOATS] * 3)
        fma = cgutils.get_or_insert_function(builder.module, kind, f"llvm.fma.v{LANES}f32")
        sums = _sums(builder, rows, vectors, FLOATS)
        with cgutils.for_range(builder, depth, intp=INT64) as loop:
            at = builder.mul(loop.index, _whole(FLOAT_PANEL))
            weights = [_load(builder, w_from, builder.add(at, _whole(v * LANES)), FLOATS) for v in range(vectors)]
            for m in range(rows):
                place = builder.add(builder.mul(x_step, _whole(m)), loop.index)
                one = _splat(builder, builder.load(builder.gep(x_from, [place])), FLOATS)
                for cell, weight in zip(sums[m], weights, strict=True):
                    builder.store(builder.call(fma, [one, weight, builder.load(cell)]), cell)
        for m in range(rows):
            for vector, cell in enumerate(sums[m]):
                place = builder.add(builder.mul(y_step, _whole(m)), _whole(vector * LANES))
                target = builder.bitcast(builder.gep(y_from, [place]), FLOATS.as_pointer())
                builder.store(builder.load(cell), target, align=4)
        return context.get_dummy_value()

    @intrinsic
    def product(
        typing: Any, x: Any, x_at: Any, x_step: Any, depth: Any, w: Any, w_at: Any, y: Any, y_at: Any, y_step: Any
    ) -> Any:
        n = types.int64
        return types.void(x, n, n, n, w, n, y, n, n), generate

    return product


_INT8_ONE, _INT8_TWO, _INT8_MANY = (_int8_product(rows) for rows in (1, 2, ROWS))
_FLOAT_ONE, _FLOAT_MANY = (_float_product(rows) for rows in (1, ROWS))


WHOLE, FLOAT_ARRAY, BYTE_ARRAY = types.int64, types.float32[::1], types.uint8[::1]
FLOAT_ROWS, BYTE_ROWS = types.float32[:, ::1], types.uint8[:, ::1]
INT8_PRODUCT = types.void(
    WHOLE, BYTE_ARRAY, WHOLE, WHOLE, WHOLE, WHOLE, WHOLE, types.int8[::1], WHOLE, types.int32[::1], WHOLE
)
FLOAT_PRODUCT = types.void(WHOLE, FLOAT_ARRAY, WHOLE, WHOLE, WHOLE, FLOAT_ARRAY, WHOLE, FLOAT_ARRAY, WHOLE, WHOLE)


_KERNELS: list[tuple[Any, Any]] = []  # dispatchers with what they are compiled for, each after those it calls


def kernel(signature: Any, **options: Any) -> Callable[[Callable[..., Any]], Any]:
    """njit for one signature, which `compile_kernels` compiles."""

    def register(function: Callable[..., Any]) -> Any:
        dispatcher = njit(nogil=True, error_model="numpy", cache=True, **options)(function)
        _KERNELS.append((dispatcher, signature))
        return dispatcher

    return register


def compile_kernels() -> None:
    """Compiles every kernel that was imported, or reads what was compiled before."""
    for dispatcher, signature in _KERNELS:
        if not dispatcher.signatures:
            dispatcher.compile(signature)
            dispatcher.disable_compile()


@kernel(INT8_PRODUCT, inline="never")
def int8_product(rows, x, x_at, x_step, segments, segment_step, quads, w, w_at, y, y_at):
    """y[m, c] = Σ_s Σ_k x[m, s, k] · w[s, k, c] for the 32 columns of one panel, any number of rows m.

    x: uint8, flat, row m from x_at + m · x_step, its segment s `segment_step` further; w: int8, flat, panel from
    w_at; y: int32, flat, (rows, 32) from y_at
    """
    m = 0
    while rows - m >= ROWS:
        _INT8_MANY(x, x_at + m * x_step, x_step, segments, segment_step, quads, w, w_at, y, y_at + m * PANEL)
        m += ROWS
    while rows - m >= 2:
        _INT8_TWO(x, x_at + m * x_step, x_step, segments, segment_step, quads, w, w_at, y, y_at + m * PANEL)
        m += 2
    if m < rows:
        _INT8_ONE(x, x_at + m * x_step, x_step, segments, segment_step, quads, w, w_at, y, y_at + m * PANEL)


@kernel(FLOAT_PRODUCT, inline="never")
def float_product(rows, x, x_at, x_step, depth, w, w_at, y, y_at, y_step):
    """y[m, c] = Σ_k x[m, k] · w[k, c] for the 16 columns of one panel, any number of rows m.

    x, w, y: float32, flat; row m of x from x_at + m · x_step (rows may overlap), of y from y_at + m · y_step
    """
    m = 0
    while rows - m >= ROWS:
        _FLOAT_MANY(x, x_at + m * x_step, x_step, depth, w, w_at, y, y_at + m * y_step, y_step)
        m += ROWS
    while m < rows:
        _FLOAT_ONE(x, x_at + m * x_step, x_step, depth, w, w_at, y, y_at + m * y_step, y_step)
        m += 1
