"""The graphs as compiled plans of TensorRT, or of TensorRT for RTX, their steps replayed as CUDA graphs."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from speech.whisper.engine import EngineError
from speech.whisper.gpu.artifacts import DECODER_PLAN, ENCODER_PLAN, FRAME_BYTES, STEP_PLAN
from speech.whisper.gpu.cuda import CudaGraph, CudaMemory
from speech.whisper.gpu.library import DirectLaunch, GraphPass, Launch
from speech.whisper.gpu.plan_runtime import PlanRuntime

PROMPTS, DRAFTS = 0, 1  # profiles of the decoder's plan

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class TensorRtPlans:
    """Deserialised, their weights in the GPU's memory."""

    encoder: Any
    decoder: Any
    step: Any

    @property
    def scratch(self) -> tuple[int, int]:
        """Bytes of activations that the encoder needs, and the larger of the decoder's passes."""
        encoder, *others = (int(plan.device_memory_size_v2) for plan in (self.encoder, self.decoder, self.step))
        return encoder, max(others)

    @property
    def contexts(self) -> tuple[int, ...]:
        return tuple(sorted({length // FRAME_BYTES for _, length in largest(self.encoder, "audio")}))

    @property
    def encode_batch(self) -> int:
        return max(windows for windows, _ in largest(self.encoder, "audio"))

    @property
    def step_rows(self) -> int:
        return max(rows for rows, _ in largest(self.step, "ids"))


def largest(plan: Any, name: str) -> list[tuple[int, int]]:
    """Of each profile the largest batch, and the largest second axis of this input."""
    shapes = [plan.get_tensor_profile_shape(name, profile)[2] for profile in range(plan.num_optimization_profiles)]
    return [(int(batch), int(length)) for batch, length in shapes]


def fitting(plan: Any, name: str, rows: int, length: int) -> int:
    """The first profile that takes so many rows of an input, and such a length of its second axis."""
    sizes = enumerate(largest(plan, name))
    return next(profile for profile, (most, longest) in sizes if most >= rows and longest >= length)


def load_plans(folder: Path, runtime: PlanRuntime) -> TensorRtPlans:
    """raises: EngineError if one is refused"""
    return TensorRtPlans(*(runtime.load(folder / name) for name in (ENCODER_PLAN, DECODER_PLAN, STEP_PLAN)))


class TensorRtLibrary:
    """GraphLibrary over plans. Contexts of a stream share scratch memory, since they run one after another."""

    thread_bound = False

    def __init__(self, plans: TensorRtPlans, runtime: PlanRuntime, memory: CudaMemory) -> None:
        self.contexts = plans.contexts
        self.encode_batch = plans.encode_batch
        self.step_rows = plans.step_rows
        self.prefill_rows = largest(plans.decoder, "ids")[PROMPTS][0]
        self.draft_rows = int(plans.decoder.get_tensor_profile_shape("at", DRAFTS)[2][0])
        self.languages = int(plans.decoder.get_tensor_shape("language")[1])
        self.captured = True
        self._plans: TensorRtPlans | None = plans
        self._runtime = runtime
        self._memory = memory
        encoding, decoding = (Workplace(memory.allocate(size), size) for size in plans.scratch)
        self._encoding = replace(encoding, stream=int(memory.encoding.stream))
        self._decoding = replace(decoding, stream=int(memory.stream))

    def open_encoder(self, windows: int, context: int) -> PlanContext:
        encoder = self._open.encoder
        profile = fitting(encoder, "audio", windows, context * FRAME_BYTES)
        return PlanContext(self._runtime, encoder, profile, self._encoding)

    def open_prefill(self) -> PlanContext:
        return PlanContext(self._runtime, self._open.decoder, PROMPTS, self._decoding)

    def open_draft(self) -> PlanContext:
        return PlanContext(self._runtime, self._open.decoder, DRAFTS, self._decoding)

    def open_step(self, rows: int) -> PlanContext:
        step = self._open.step
        return PlanContext(self._runtime, step, fitting(step, "ids", rows, 1), self._decoding)

    def capture(self, step: GraphPass, after: Callable[[], None]) -> Launch:
        """It runs once before: TensorRT prepares new shapes then, which cannot be captured."""
        step.enqueue()
        self._memory.wait()
        direct = DirectLaunch(step.enqueue, after)
        if not self.captured:
            return direct
        try:
            assert isinstance(step, PlanContext)
            step.check_capturable()
            return CudaGraph(self._memory, direct.launch)
        except EngineError as error:
            log.warning("%s's step cannot be captured as a CUDA graph: %s", self._runtime.name, error)
            self.captured = False
            return direct

    def close(self) -> None:
        self._plans = None

    @property
    def _open(self) -> TensorRtPlans:
        assert self._plans is not None, "the library is closed"
        return self._plans


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where passes run one after another."""

    scratch: int  # address of their activations
    size: int  # bytes
    stream: int = 0


class PlanContext:
    """An execution context for one profile of a plan."""

    def __init__(self, runtime: PlanRuntime, plan: Any, profile: int, place: Workplace) -> None:
        self._runtime = runtime
        self._stream = place.stream
        self._context = runtime.open_context(plan)
        self._check(self._context is not None, "create_execution_context")
        selected = self._context.set_optimization_profile_async(profile, self._stream)
        self._check(selected, "set_optimization_profile_async")
        self._context.set_device_memory(place.scratch, place.size)

    def bind_input(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._check(self._context.set_input_shape(name, shape), f"set_input_shape of {name} to {shape}")
        self._check(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def bind_output(self, name: str, shape: tuple[int, ...], address: int) -> None:
        self._check(self._context.set_tensor_address(name, address), f"set_tensor_address of {name}")

    def check_capturable(self) -> None:
        """Raises EngineError where a capture need not be tried."""
        self._check(self._runtime.capturable(self._context, self._stream), "is_stream_capturable")

    def enqueue(self) -> None:
        """Enqueues the pass on the stream."""
        self._check(self._context.execute_async_v3(self._stream), "execute_async_v3")

    def _check(self, succeeded: bool, what: str) -> None:
        if not succeeded:
            raise EngineError(f"{self._runtime.name}: {what} failed{self._runtime.said()}")
