"""Opens the engine that an export for GPUs can be run by here, with as many slots as the memory takes."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import ENCODE_BATCH, MOST_SLOTS
from speech.whisper.gpu.engine import GraphEngine
from speech.whisper.gpu.memory_plan import SHARE, ModelSize, fitting_slots, footprint
from speech.whisper.gpu.runner import Runner
from speech.whisper.gpu.slot_kv_cache import DeviceMemory, SlotKvCache, slot_shapes
from speech.whisper.manifest import Manifest, check_plan, read_manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class EngineLimits:
    slots: int = 0  # at most; 0: as many as fit
    share: float = SHARE  # of the free memory that may be taken


def open_tensorrt(folder: Path, limits: EngineLimits) -> GraphEngine:
    """An export for TensorRT; without TensorRT, its graphs in ONNX Runtime.

    raises: InvalidManifest if the plans are of another version or for another card; EngineError
    """
    try:
        import tensorrt
    except ImportError as error:
        log.warning("TensorRT is missing (%s): ONNX Runtime's CUDA provider runs the same graphs, slower", error)
        return open_cuda(folder, limits)
    try:
        from speech.whisper.gpu.cuda import CudaMemory, compute_capability
    except ImportError as error:
        raise _bindings_missing(error) from error
    from speech.whisper.gpu.plans import load_plans
    from speech.whisper.gpu.tensorrt_runner import TensorRtRunner

    manifest = read_manifest(folder)
    check_plan(manifest, tensorrt.__version__, compute_capability())
    memory = CudaMemory()
    plans = load_plans(folder)
    needs = footprint(model_size(manifest))
    budget = MemoryBudget(memory.free, needs.encoded + plans.scratch, needs.slot)
    slots = slots_that_fit(manifest, limits, budget, plans.step_rows)
    kv_cache = _open_kv_cache(manifest, slots, min(plans.encode_batch, ENCODE_BATCH), memory)
    return _warmed_up(manifest, TensorRtRunner(manifest, plans, kv_cache, memory))


def open_cuda(folder: Path, limits: EngineLimits) -> GraphEngine:
    """The graphs in ONNX Runtime's CUDA provider. Raises InvalidManifest, EngineError."""
    from speech.whisper.gpu.onnx_runner import CUDA, OnnxRunner, load_sessions

    manifest = read_manifest(folder)
    sessions = load_sessions(folder, CUDA)
    try:
        from speech.whisper.gpu.cuda import CudaMemory
    except ImportError as error:
        raise _bindings_missing(error) from error
    memory = CudaMemory()
    needs = footprint(model_size(manifest))
    budget = MemoryBudget(memory.free, needs.encoded + needs.scratch, needs.slot)
    slots = slots_that_fit(manifest, limits, budget, MOST_SLOTS)
    return _warmed_up(manifest, OnnxRunner(sessions, _open_kv_cache(manifest, slots, ENCODE_BATCH, memory)))


def _bindings_missing(error: ImportError) -> EngineError:
    return EngineError(f"the package `cuda-bindings` is missing or cannot be loaded: {error}")


@dataclass(frozen=True, slots=True)
class MemoryBudget:
    """Bytes of the GPU's memory, once the weights are loaded."""

    free: int
    fixed: int  # needed whatever the number of slots
    slot: int


def slots_that_fit(manifest: Manifest, limits: EngineLimits, budget: MemoryBudget, most: int) -> int:
    """As many slots as the limits allow, as a step can have and as the memory takes. Raises EngineError if not one."""
    fitting = fitting_slots(budget.free, budget.fixed, budget.slot, limits.share)
    if fitting < 1:
        raise EngineError(
            f"whisper-{manifest.id} needs {_size(budget.fixed + budget.slot)} of the GPU's memory besides its weights; "
            f"{limits.share:.0%} of the {_size(budget.free)} that are free is not enough"
        )
    slots = min(most, fitting, limits.slots or most)
    taken = budget.fixed + slots * budget.slot
    log.info("whisper-%s: %d slots of %s; %s taken", manifest.id, slots, _size(budget.slot), _size(taken))
    return slots


def model_size(manifest: Manifest) -> ModelSize:
    element = 2 if manifest.precision["encoder"] == "float16" else 1
    return ModelSize(manifest.dimensions, len(manifest.alignment_heads), element)


def _open_kv_cache(manifest: Manifest, slots: int, encode_batch: int, memory: DeviceMemory) -> SlotKvCache:
    shapes = slot_shapes(manifest.dimensions, len(manifest.alignment_heads))
    return SlotKvCache(shapes, slots, min(slots, encode_batch), memory)


def _warmed_up(manifest: Manifest, runner: Runner) -> GraphEngine:
    engine = GraphEngine(manifest, runner)
    engine.warm_up()
    return engine


def _size(count: int) -> str:
    return f"{count / 2**30:.2f} GiB"
