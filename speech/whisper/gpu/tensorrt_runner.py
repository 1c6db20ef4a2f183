"""The graphs as TensorRT plans: one CUDA graph for each number of rows, and a step in flight at any time.

Per step the host sends one buffer of inputs, launches one graph and fetches one buffer of outputs; it waits only
for the event of the step that it reads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from speech.audio import Samples
from speech.whisper.engine import Step
from speech.whisper.gpu.artifacts import ONE_TOKEN, PREFILL
from speech.whisper.gpu.cuda import BufferField, CudaEvent, CudaGraph, CudaMemory, HostBuffer, TransferBuffer
from speech.whisper.gpu.plans import PlanContext, TensorRtPlans
from speech.whisper.gpu.runner import WINDOW, DecoderBatch, Floats, PrefillOutput, PromptBatch, buckets, fill_windows
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.manifest import Manifest

TOKEN_BYTES = 8  # ids are int64


@dataclass(frozen=True, slots=True)
class StepBuffers:
    """Pinned memory of one step in flight."""

    inputs: HostBuffer
    outputs: HostBuffer
    done: CudaEvent


@dataclass(frozen=True, slots=True)
class TensorRtStep:
    """A step in flight; to be read before its buffers are used again."""

    buffers: StepBuffers
    rows: int

    def result(self) -> Step:
        self.buffers.done.wait()
        tokens, logprobs = self.buffers.outputs["token"], self.buffers.outputs["logprob"]
        return Step(tokens[: self.rows].astype(np.int32), logprobs[: self.rows].copy())


class TensorRtRunner:
    """Runner over a KV cache in the GPU's memory. Every bucket is captured here, so opening takes seconds."""

    lookahead = 1

    def __init__(self, manifest: Manifest, plans: TensorRtPlans, kv_cache: SlotKvCache, memory: CudaMemory) -> None:
        self.slots = kv_cache.slots
        self.encode_batch = kv_cache.encode_batch
        self.prefill_batch = plans.prefill_rows
        self._plans: TensorRtPlans | None = plans
        self._kv_cache = kv_cache
        self._memory = memory
        self._fed = memory.allocate(kv_cache.slots * TOKEN_BYTES)  # the token that each slot's next step is fed with
        languages, text = plans.languages, manifest.dimensions.n_text_ctx
        self._audio = TransferBuffer(memory, {"audio": BufferField(np.float32, (kv_cache.encode_batch, WINDOW))})
        self._inputs = TransferBuffer(memory, _input_fields(kv_cache.slots))
        self._outputs = TransferBuffer(memory, _output_fields(kv_cache.slots, languages))
        prompt = {
            "ids": BufferField(np.int64, (self.prefill_batch * text,)),
            "last": BufferField(np.int64, (self.prefill_batch,)),
        }
        self._prompt = TransferBuffer(memory, prompt | _input_fields(self.prefill_batch))
        self._prefill = TransferBuffer(memory, _output_fields(self.prefill_batch, languages))
        self._audio_host, self._prompt_host = self._audio.host(), self._prompt.host()
        self._prefill_host = self._prefill.host()
        self._audio_sent = CudaEvent(memory)
        ring = [
            StepBuffers(self._inputs.host(), self._outputs.host(), CudaEvent(memory)) for _ in range(self.lookahead + 1)
        ]
        self._ring = ring
        self._next_buffers = cycle(ring)
        scratch = memory.allocate(plans.scratch), plans.scratch
        self._encoder = PlanContext(plans.encoder, 0, memory, scratch)
        for name, address in kv_cache.encoded.items():
            self._encoder.bind_output(name, address)
        self._decoder = PlanContext(plans.decoder, PREFILL, memory, scratch)
        self._contexts = {
            count: PlanContext(plans.decoder, ONE_TOKEN, memory, scratch) for count in buckets(kv_cache.slots)
        }
        self._steps = {count: self._capture(count) for count in self._contexts}

    def encode(self, slots: Sequence[int], audio: Sequence[Samples]) -> None:
        count = len(slots)
        self._audio_sent.wait()  # the windows of the call before
        windows = self._audio_host["audio"][:count]
        fill_windows(windows, audio)
        self._memory.send(self._audio.address("audio"), windows)
        self._audio_sent.record()
        self._encoder.bind_input("audio", windows.shape, self._audio.address("audio"))
        self._encoder.enqueue()
        self._kv_cache.store_encoded(slots)

    def prefill(self, prompts: PromptBatch) -> PrefillOutput:
        count = len(prompts.ids)
        self._prompt_host["ids"][: prompts.ids.size] = prompts.ids.reshape(-1)
        for name in ("position", "at", "last"):
            self._prompt_host[name][:count] = getattr(prompts, name)
        self._prompt.send(self._prompt_host)
        self._bind_inputs(self._decoder, self._prompt, count)
        self._bind_outputs(self._decoder, self._prefill)
        self._decoder.bind_input("ids", prompts.ids.shape, self._prompt.address("ids"))
        self._bind_kv_cache(self._decoder, prompts.first, count)
        self._decoder.enqueue()
        fed = self._fed + prompts.first * TOKEN_BYTES
        self._memory.copy(fed, self._prompt.address("last"), count * TOKEN_BYTES)
        self._prefill.fetch(self._prefill_host)
        self._memory.wait()
        return PrefillOutput(
            self._prefill_host["language"][:count].copy(), self._prefill_host["no_speech"][:count].copy()
        )

    def step(self, rows: DecoderBatch) -> TensorRtStep:
        buffers, count = next(self._next_buffers), len(rows)
        buffers.done.wait()  # the step before the last, which nobody may have read
        for name in DecoderBatch.__slots__:
            buffers.inputs[name][:count] = getattr(rows, name)
        self._inputs.send(buffers.inputs)
        self._steps[count].launch()
        self._outputs.fetch(buffers.outputs)
        buffers.done.record()
        return TensorRtStep(buffers, count)

    def alignment(self, slot: int, first: int, last: int) -> Floats:
        return self._kv_cache.alignment(slot, first, last)

    def close(self) -> None:
        self._memory.wait()
        for step in self._steps.values():
            step.close()
        for event in (self._audio_sent, *(buffers.done for buffers in self._ring)):
            event.close()
        self._contexts.clear()  # contexts go before their plans, plans before the memory
        del self._encoder, self._decoder
        self._plans = None
        self._memory.close()

    def _capture(self, count: int) -> CudaGraph:
        """A step of `count` rows. It runs once before: TensorRT prepares new shapes then, which cannot be captured."""
        step = self._contexts[count]
        self._bind_inputs(step, self._inputs, count)
        self._bind_outputs(step, self._outputs)
        step.bind_input("ids", (count, 1), self._fed)
        self._bind_kv_cache(step, 0, count)
        step.enqueue()
        self._memory.wait()

        def record() -> None:
            step.enqueue()
            self._memory.copy(self._fed, self._outputs.address("token"), count * TOKEN_BYTES)

        return CudaGraph(self._memory, record)

    @staticmethod
    def _bind_inputs(target: PlanContext, inputs: TransferBuffer, count: int) -> None:
        for name in _input_fields(count):
            target.bind_input(name, (count,), inputs.address(name))

    @staticmethod
    def _bind_outputs(target: PlanContext, outputs: TransferBuffer) -> None:
        for name in _output_fields(0, 0):
            target.bind_output(name, outputs.address(name))

    def _bind_kv_cache(self, target: PlanContext, first: int, count: int) -> None:
        for name, address, written in self._kv_cache.addresses(first):
            target.bind_input(name, (count, *self._kv_cache.shapes[name]), address)
            if written:
                target.bind_output(f"new_{name}", address)


def _input_fields(rows: int) -> dict[str, BufferField]:
    """The decoder's inputs besides ids and the KV cache."""
    flag, number, place = (BufferField(kind, (rows,)) for kind in (np.bool_, np.float32, np.int64))
    return {
        "position": place, "at": place, "active": flag, "first": flag, "temperature": number, "draw": number,
    }  # fmt: skip


def _output_fields(rows: int, languages: int) -> dict[str, BufferField]:
    """The decoder's outputs besides the KV cache."""
    numbers = BufferField(np.float32, (rows,))
    tokens, probabilities = BufferField(np.int64, (rows,)), BufferField(np.float32, (rows, languages))
    return {"token": tokens, "logprob": numbers, "language": probabilities, "no_speech": numbers}
