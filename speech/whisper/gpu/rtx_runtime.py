"""TensorRT for RTX: plans are compiled without a GPU, and their kernels where they are opened, for the card there."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import tensorrt_rtx_bindings as rtx

from speech.whisper.engine import EngineError
from speech.whisper.gpu.plan_runtime import PlanRuntime

CACHE_FILE = "kernels.rtx-cache"  # beside the plans: kernels that were compiled for the card here

log = logging.getLogger(__name__)


class RtxRuntime(PlanRuntime):
    """All contexts of a model share its kernels."""

    name = "TensorRT-RTX"

    def __init__(self, folder: Path) -> None:
        """folder: of the plans"""
        super().__init__(rtx)
        self._cache_file = folder / CACHE_FILE
        self._cache: Any = None  # of the first plan's configuration

    def load(self, path: Path) -> Any:
        plan = path.read_bytes()
        validity, diagnostics = self._runtime.get_engine_validity(plan)
        if validity == rtx.EngineValidity.INVALID:
            reasons = [name for name, flag in _reasons().items() if int(diagnostics) & int(flag)]
            raise EngineError(f"{self.name} {self.version} refuses {path}: {', '.join(reasons) or 'no reason told'}")
        if validity == rtx.EngineValidity.SUBOPTIMAL:
            log.warning("%s: not the best that this card could run", path)
        return super().load(path)

    def open_context(self, plan: Any) -> Any:
        """With kernels of every shape compiled at once: a captured graph keeps those that it was captured with."""
        config = plan.create_runtime_config()
        config.set_execution_context_allocation_strategy(rtx.ExecutionContextAllocationStrategy.USER_MANAGED)
        config.dynamic_shapes_kernel_specialization_strategy = rtx.DynamicShapesKernelSpecializationStrategy.EAGER
        config.cuda_graph_strategy = rtx.CudaGraphStrategy.DISABLED  # steps are captured here, with what follows them
        if self._cache is None:
            self._cache = self._read_cache(config)
        config.set_runtime_cache(self._cache)
        return plan.create_execution_context(config)

    def capturable(self, context: Any, stream: int) -> bool:
        return bool(context.is_stream_capturable(stream))

    def remember(self) -> None:
        if self._cache is None:
            return
        partial = self._cache_file.with_suffix(".partial")
        try:
            partial.write_bytes(bytes(self._cache.serialize()))
            partial.replace(self._cache_file)
        except OSError as error:  # a folder that is only read
            log.warning("the next start compiles its kernels again: %s", error)

    def _read_cache(self, config: Any) -> Any:
        """What fits this card and version of what was kept; nothing, for another one."""
        cache = config.create_runtime_cache()
        if self._cache_file.exists() and not cache.deserialize(self._cache_file.read_bytes()):
            log.info("%s is of another card or version; kernels are compiled anew", self._cache_file)
        return cache


def _reasons() -> dict[str, Any]:
    return dict(rtx.EngineInvalidityDiagnostics.__members__)
