"""TensorRT's compiled plans, and execution contexts with every shape and address bound."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorrt as trt

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import DECODER_PLAN, ENCODER_PLAN, ONE_TOKEN, PREFILL
from speech.whisper.gpu.cuda import CudaMemory


@dataclass(frozen=True, slots=True)
class TensorRtPlans:
    """Deserialised, their weights in the GPU's memory."""

    encoder: Any
    decoder: Any

    @property
    def scratch(self) -> int:
        """Bytes of activations that the larger of the two needs."""
        return max(int(plan.device_memory_size_v2) for plan in (self.encoder, self.decoder))

    @property
    def encode_batch(self) -> int:
        return self._largest_batch(self.encoder, "audio", 0)

    @property
    def step_rows(self) -> int:
        return self._largest_batch(self.decoder, "ids", ONE_TOKEN)

    @property
    def prefill_rows(self) -> int:
        return self._largest_batch(self.decoder, "ids", PREFILL)

    @property
    def languages(self) -> int:
        """Language tokens in the decoder's vocabulary; English-only weights have them too."""
        return int(self.decoder.get_tensor_shape("language")[1])

    @staticmethod
    def _largest_batch(plan: Any, name: str, profile: int) -> int:
        """Largest batch of a profile."""
        _, _, largest = plan.get_tensor_profile_shape(name, profile)
        return int(largest[0])


def load_plans(folder: Path) -> TensorRtPlans:
    """Raises EngineError if TensorRT refuses a plan: it was compiled by another version, or for another GPU."""
    runtime = trt.Runtime(trt.Logger(trt.Logger.WARNING))
    plans = []
    for name in (ENCODER_PLAN, DECODER_PLAN):
        plan = runtime.deserialize_cuda_engine((folder / name).read_bytes())
        if plan is None:
            raise EngineError(f"TensorRT {trt.__version__} refuses {folder / name}; see its log")
        plans.append(plan)
    return TensorRtPlans(*plans)


class PlanContext:
    """An execution context for one profile of a plan.

    scratch: address and size of memory that all contexts share, since they run one after another
    """

    def __init__(self, plan: Any, profile: int, memory: CudaMemory, scratch: tuple[int, int]) -> None:
        self._stream = int(memory.stream)
        self._context = plan.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        _check(self._context is not None, "create_execution_context")
        _check(self._context.set_optimization_profile_async(profile, self._stream), "set_optimization_profile_async")
        self._context.set_device_memory(*scratch)

    def bind_input(self, name: str, shape: tuple[int, ...], address: int) -> None:
        _check(self._context.set_input_shape(name, shape), f"set_input_shape of {name} to {shape}")
        _check(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def bind_output(self, name: str, address: int) -> None:
        _check(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def enqueue(self) -> None:
        """Enqueues the pass on the stream."""
        _check(self._context.execute_async_v3(self._stream), "execute_async_v3")


def _check(succeeded: bool, what: str) -> None:
    if not succeeded:
        raise EngineError(f"TensorRT: {what} failed; see its log")
