"""Compiled plans of TensorRT, and passes through them with every shape and address set."""

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
    """Deserialised, their weights on the GPU."""

    encoder: Any
    decoder: Any

    @property
    def scratch(self) -> int:
        """Bytes that the largest pass of either takes between its layers."""
        return max(int(plan.device_memory_size_v2) for plan in (self.encoder, self.decoder))

    @property
    def encode_batch(self) -> int:
        return self._most(self.encoder, "audio", 0)

    @property
    def step_rows(self) -> int:
        return self._most(self.decoder, "ids", ONE_TOKEN)

    @property
    def prefill_rows(self) -> int:
        return self._most(self.decoder, "ids", PREFILL)

    @property
    def languages(self) -> int:
        """Of the decoder's vocabulary; English-only weights know their names too."""
        return int(self.decoder.get_tensor_shape("language")[1])

    @staticmethod
    def _most(plan: Any, name: str, profile: int) -> int:
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
            raise EngineError(f"TensorRT {trt.__version__} refuses {folder / name}; its log says why")
        plans.append(plan)
    return TensorRtPlans(*plans)


class PlanContext:
    """One profile of a plan, ready to be run on the stream again and again.

    scratch: address and size of memory that all passes share, since they run one after another
    """

    def __init__(self, plan: Any, profile: int, memory: CudaMemory, scratch: tuple[int, int]) -> None:
        self._stream = int(memory.stream)
        self._context = plan.create_execution_context(trt.ExecutionContextAllocationStrategy.USER_MANAGED)
        _agreed(self._context is not None, "create_execution_context")
        _agreed(self._context.set_optimization_profile_async(profile, self._stream), "set_optimization_profile_async")
        self._context.set_device_memory(*scratch)

    def read(self, name: str, shape: tuple[int, ...], address: int) -> None:
        """Sets an input."""
        _agreed(self._context.set_input_shape(name, shape), f"set_input_shape of {name} to {shape}")
        _agreed(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def write(self, name: str, address: int) -> None:
        """Sets an output."""
        _agreed(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def run(self) -> None:
        """Asks for the pass; it happens on the stream."""
        _agreed(self._context.execute_async_v3(self._stream), "execute_async_v3")


def _agreed(done: bool, what: str) -> None:
    if not done:
        raise EngineError(f"TensorRT: {what} failed; its log says why")
