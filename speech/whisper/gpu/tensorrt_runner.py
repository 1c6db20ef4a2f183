"""The graphs as plans of TensorRT: one captured CUDA graph for each number of rows, and a step on its way at any time.

Per step the host sends one block of controls, launches one graph and asks for one block of results; it waits only
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
    """Pinned memory of one step on its way."""

    controls: HostBuffer
    results: HostBuffer
    done: CudaEvent


@dataclass(frozen=True, slots=True)
class TensorRtStep:
    """A step on its way; read before its turn comes again."""

    turn: StepBuffers
    rows: int

    def result(self) -> Step:
        self.turn.done.wait()
        tokens, logprobs = self.turn.results["token"], self.turn.results["logprob"]
        return Step(tokens[: self.rows].astype(np.int32), logprobs[: self.rows].copy())


class TensorRtRunner:
    """Runner over a store in the GPU's memory. Every bucket is captured here, so opening takes seconds."""

    lookahead = 1

    def __init__(self, manifest: Manifest, plans: TensorRtPlans, store: SlotKvCache, memory: CudaMemory) -> None:
        self.slots = store.slots
        self.encode_batch = store.encode_batch
        self.prefill_batch = plans.prefill_rows
        self._plans: TensorRtPlans | None = plans
        self._store = store
        self._memory = memory
        self._fed = memory.allocate(store.slots * TOKEN_BYTES)  # the token that each slot's next step is fed with
        languages, text = plans.languages, manifest.dimensions.n_text_ctx
        self._audio = TransferBuffer(memory, {"audio": BufferField(np.float32, (store.encode_batch, WINDOW))})
        self._controls = TransferBuffer(memory, _controls(store.slots))
        self._results = TransferBuffer(memory, _results(store.slots, languages))
        asked = {
            "ids": BufferField(np.int64, (self.prefill_batch * text,)),
            "last": BufferField(np.int64, (self.prefill_batch,)),
        }
        self._prompt = TransferBuffer(memory, asked | _controls(self.prefill_batch))
        self._heard = TransferBuffer(memory, _results(self.prefill_batch, languages))
        self._windows, self._asked, self._told = self._audio.host(), self._prompt.host(), self._heard.host()
        self._audio_sent = CudaEvent(memory)
        ring = [
            StepBuffers(self._controls.host(), self._results.host(), CudaEvent(memory))
            for _ in range(self.lookahead + 1)
        ]
        self._ring = ring
        self._turns = cycle(ring)
        scratch = memory.allocate(plans.scratch), plans.scratch
        self._encoder = PlanContext(plans.encoder, 0, memory, scratch)
        for name, address in store.encoded.items():
            self._encoder.write(name, address)
        self._decoder = PlanContext(plans.decoder, PREFILL, memory, scratch)
        self._passes = {count: PlanContext(plans.decoder, ONE_TOKEN, memory, scratch) for count in buckets(store.slots)}
        self._steps = {count: self._capture(count) for count in self._passes}

    def encode(self, slots: Sequence[int], audio: Sequence[Samples]) -> None:
        count = len(slots)
        self._audio_sent.wait()  # the windows of the call before
        windows = self._windows["audio"][:count]
        fill_windows(windows, audio)
        self._memory.send(self._audio.address("audio"), windows)
        self._audio_sent.record()
        self._encoder.read("audio", windows.shape, self._audio.address("audio"))
        self._encoder.run()
        self._store.adopt(slots)

    def prefill(self, prompts: PromptBatch) -> PrefillOutput:
        count = len(prompts.ids)
        self._asked["ids"][: prompts.ids.size] = prompts.ids.reshape(-1)
        for name in ("position", "at", "last"):
            self._asked[name][:count] = getattr(prompts, name)
        self._prompt.send(self._asked)
        self._bind_controls(self._decoder, self._prompt, count)
        self._bind_results(self._decoder, self._heard)
        self._decoder.read("ids", prompts.ids.shape, self._prompt.address("ids"))
        self._bind_store(self._decoder, prompts.first, count)
        self._decoder.run()
        fed = self._fed + prompts.first * TOKEN_BYTES
        self._memory.copy(fed, self._prompt.address("last"), count * TOKEN_BYTES)
        self._heard.fetch(self._told)
        self._memory.wait()
        return PrefillOutput(self._told["language"][:count].copy(), self._told["no_speech"][:count].copy())

    def step(self, rows: DecoderBatch) -> TensorRtStep:
        turn, count = next(self._turns), len(rows)
        turn.done.wait()  # the step before the last, which nobody may have read
        for name in DecoderBatch.__slots__:
            turn.controls[name][:count] = getattr(rows, name)
        self._controls.send(turn.controls)
        self._steps[count].launch()
        self._results.fetch(turn.results)
        turn.done.record()
        return TensorRtStep(turn, count)

    def alignment(self, slot: int, first: int, last: int) -> Floats:
        return self._store.alignment(slot, first, last)

    def close(self) -> None:
        self._memory.wait()
        for step in self._steps.values():
            step.close()
        for event in (self._audio_sent, *(turn.done for turn in self._ring)):
            event.close()
        self._passes.clear()  # contexts go before their plans, plans before the memory
        del self._encoder, self._decoder
        self._plans = None
        self._memory.close()

    def _capture(self, count: int) -> CudaGraph:
        """A step of so many rows. It runs once before: TensorRT prepares new shapes then, which cannot be captured."""
        step = self._passes[count]
        self._bind_controls(step, self._controls, count)
        self._bind_results(step, self._results)
        step.read("ids", (count, 1), self._fed)
        self._bind_store(step, 0, count)
        step.run()
        self._memory.wait()

        def record() -> None:
            step.run()
            self._memory.copy(self._fed, self._results.address("token"), count * TOKEN_BYTES)

        return CudaGraph(self._memory, record)

    @staticmethod
    def _bind_controls(target: PlanContext, controls: TransferBuffer, count: int) -> None:
        for name in _controls(count):
            target.read(name, (count,), controls.address(name))

    @staticmethod
    def _bind_results(target: PlanContext, results: TransferBuffer) -> None:
        for name in _results(0, 0):
            target.write(name, results.address(name))

    def _bind_store(self, target: PlanContext, first: int, count: int) -> None:
        for name, address, written in self._store.addresses(first):
            target.read(name, (count, *self._store.shapes[name]), address)
            if written:
                target.write(f"new_{name}", address)


def _controls(rows: int) -> dict[str, BufferField]:
    """The decoder's inputs besides ids and the store."""
    flags, numbers, places = (
        BufferField(np.bool_, (rows,)),
        BufferField(np.float32, (rows,)),
        BufferField(np.int64, (rows,)),
    )
    named = {"active": flags, "first": flags, "temperature": numbers, "draw": numbers}
    return {"position": places, "at": places} | named


def _results(rows: int, languages: int) -> dict[str, BufferField]:
    """The decoder's outputs besides the store."""
    numbers = BufferField(np.float32, (rows,))
    tokens, told = BufferField(np.int64, (rows,)), BufferField(np.float32, (rows, languages))
    return {"token": tokens, "logprob": numbers, "language": told, "no_speech": numbers}
