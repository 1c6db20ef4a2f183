"""Opens the engine that an export for GPUs can be run by here, with as many slots as the memory takes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import ENCODE_BATCH, MOST_SLOTS, USUAL_SLOTS
from speech.whisper.gpu.device_memory import DeviceMemory, MemoryFull
from speech.whisper.gpu.device_runner import DeviceRunner
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.library import GraphLibrary
from speech.whisper.gpu.memory_plan import SHARE, ModelSize, fitting_slots, footprint
from speech.whisper.gpu.plan_runtime import PlanRuntime
from speech.whisper.gpu.slot_kv_cache import SlotKvCache, slot_shapes
from speech.whisper.manifest import Compiled, Manifest, check_plan, read_manifest

SWITCH_SECONDS = 1e-4  # after which a thread that is busy with Python lets the engine's thread go on: a step is short

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    slots: int = 0  # at most, up to MOST_SLOTS; 0: USUAL_SLOTS, if they fit
    share: float = SHARE  # of the free memory that may be taken
    memory: int = 0  # bytes that may be taken, weights included, instead of a share; 0: the share counts


def open_tensorrt(folder: Path, limits: EngineLimits) -> GraphEngine:
    """An export for TensorRT; without TensorRT, its graphs in ONNX Runtime.

    raises: InvalidManifest if the plans are of another version or for another card; EngineError
    """
    try:
        import tensorrt
    except ImportError as error:
        return _open_cuda_instead("TensorRT", error, folder, limits)
    return _open_plans(folder, limits, lambda: PlanRuntime(tensorrt))


def open_rtx(folder: Path, limits: EngineLimits) -> GraphEngine:
    """The same of TensorRT for RTX."""
    try:
        from speech.whisper.gpu.rtx_runtime import RtxRuntime
    except ImportError as error:
        return _open_cuda_instead("TensorRT-RTX", error, folder, limits)
    return _open_plans(folder, limits, lambda: RtxRuntime(folder))


def _open_cuda_instead(missing: str, error: ImportError, folder: Path, limits: EngineLimits) -> GraphEngine:
    log.warning("%s is missing (%s): ONNX Runtime's CUDA provider runs the same graphs, slower", missing, error)
    return open_cuda(folder, limits)


def _open_plans(folder: Path, limits: EngineLimits, open_runtime: Callable[[], PlanRuntime]) -> GraphEngine:
    try:
        from speech.whisper.gpu.cuda import CudaMemory, find_card
    except ImportError as error:
        raise _bindings_missing(error) from error
    from speech.whisper.gpu.tensorrt_library import TensorRtLibrary, load_plans

    manifest, card, runtime = read_manifest(folder), find_card(), open_runtime()
    check_plan(manifest, Compiled(runtime.version, card.compute_capability, card.name, card.multiprocessors))
    memory = CudaMemory()
    plans = load_plans(folder, runtime)
    needs = footprint(model_size(manifest))
    budget = MemoryBudget(memory.free, needs.encoded + sum(plans.scratch), needs.slot, needs.weights)
    slots = slots_that_fit(manifest, limits, budget, plans.step_rows)
    encode_batch = min(plans.encode_batch, ENCODE_BATCH)
    engine = _open_fitting(manifest, slots, encode_batch, memory, lambda: TensorRtLibrary(plans, runtime, memory))
    runtime.remember()
    return engine


def open_cuda(folder: Path, limits: EngineLimits) -> GraphEngine:
    """The graphs in ONNX Runtime's CUDA provider. Raises InvalidManifest, EngineError."""
    from speech.whisper.gpu.onnx_library import CUDA, OnnxLibrary, SessionSettings, check_provider, load_sessions

    manifest = read_manifest(folder)
    check_provider(CUDA)
    try:
        from speech.whisper.gpu.cuda import CudaMemory
    except ImportError as error:
        raise _bindings_missing(error) from error
    memory = CudaMemory()
    sessions = load_sessions(folder, SessionSettings(CUDA, int(memory.stream), int(memory.encoding.stream)))
    needs = footprint(model_size(manifest))
    budget = MemoryBudget(memory.free, needs.encoded + needs.scratch, needs.slot, needs.weights)
    slots = slots_that_fit(manifest, limits, budget, MOST_SLOTS)
    return _open_fitting(manifest, slots, ENCODE_BATCH, memory, lambda: OnnxLibrary(sessions, memory.device))


def open_torch(folder: Path, limits: EngineLimits) -> GraphEngine:
    """The graphs in plain torch, to compare others with, on a machine that has torch with CUDA.

    raises: InvalidManifest, EngineError
    """
    try:
        from speech.whisper.gpu.torch_library import TorchLibrary
    except ImportError as error:
        raise EngineError(f"WHISPER_LIBRARY=torch needs the packages torch and onnx: {error}") from error
    try:
        from speech.whisper.gpu.cuda import CudaMemory
    except ImportError as error:
        raise _bindings_missing(error) from error
    manifest, memory = read_manifest(folder), CudaMemory()
    library = TorchLibrary(folder, memory, (int(memory.stream), int(memory.encoding.stream)))
    needs = footprint(model_size(manifest))
    budget = MemoryBudget(memory.free, needs.encoded + needs.scratch, needs.slot, needs.weights)
    slots = slots_that_fit(manifest, limits, budget, MOST_SLOTS)
    return _open_fitting(manifest, slots, ENCODE_BATCH, memory, lambda: library)


def _bindings_missing(error: ImportError) -> EngineError:
    return EngineError(f"the package `cuda-bindings` is missing or cannot be loaded: {error}")


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes of the GPU's memory, once the weights are loaded."""

    free: int
    fixed: int  # needed whatever the number of slots
    slot: int
    weights: int = 0  # taken already


def slots_that_fit(manifest: Manifest, limits: EngineLimits, budget: MemoryBudget, most: int) -> int:
    """As many slots as the limits allow, as a step can have and as the memory takes. Raises EngineError if not one."""
    allowed = int(budget.free * limits.share)
    said = f"{limits.share:.0%} of the {_size(budget.free)} that are free"
    if limits.memory:
        allowed = min(budget.free, limits.memory - budget.weights)
        said = f"{_size(limits.memory)} with its weights, of which {_size(budget.free)} are free,"
    fitting = fitting_slots(allowed, budget.fixed, budget.slot, share=1)
    if fitting < 1:
        raise EngineError(
            f"whisper-{manifest.id} needs {_size(budget.fixed + budget.slot)} of the GPU's memory besides its weights; "
            f"{said} is not enough"
        )
    slots = min(most, fitting, limits.slots or USUAL_SLOTS)
    taken = budget.fixed + slots * budget.slot
    log.info("whisper-%s: %d slots of %s; %s taken", manifest.id, slots, _size(budget.slot), _size(taken))
    return slots


def model_size(manifest: Manifest) -> ModelSize:
    element = 2 if manifest.precision["encoder"] == "float16" else 1
    return ModelSize(manifest.dimensions, len(manifest.alignment_heads), element)


def _open_fitting(
    manifest: Manifest, slots: int, encode_batch: int, memory: DeviceMemory, open_library: Callable[[], GraphLibrary]
) -> GraphEngine:
    """The engine, warmed up, with fewer slots where memory runs out after all: contexts and CUDA graphs take some
    that nobody can say beforehand.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    while True:
        try:
            engine = GraphEngine(manifest, open_runner(manifest, open_library(), slots, encode_batch, memory))
            engine.warm_up()
        except MemoryFull as error:
            memory.wait()
            memory.release()
            fewer = slots * 4 // 5
            if not fewer:
                raise
            log.warning("whisper-%s: memory is short (%s): %d slots instead of %d", manifest.id, error, fewer, slots)
            slots = fewer
        else:
            return engine


def open_runner(
    manifest: Manifest, library: GraphLibrary, slots: int, encode_batch: int, memory: DeviceMemory
) -> DeviceRunner:
    shapes = slot_shapes(manifest.dimensions, len(manifest.alignment_heads))
    return DeviceRunner(manifest, library, SlotKvCache(shapes, slots, min(slots, encode_batch), memory))


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
