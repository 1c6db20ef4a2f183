"""The graphs over a KV cache in a device's memory, with a step in flight at any time.

Per step the host sends one buffer of inputs, launches the step and fetches one buffer of outputs; it waits only
for the event of the step that it reads. Every number of rows is captured when the model is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from speech.audio import Pcm
from speech.whisper.engine import PendingAlignment, Step
from speech.whisper.gpu.alignment_buffers import AlignmentFetcher
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, ENTRIES, BiasBuffer, HostBias
from speech.whisper.gpu.device_memory import MemoryEvent
from speech.whisper.gpu.draft_verifier import DraftVerifier
from speech.whisper.gpu.library import GraphLibrary, Launch
from speech.whisper.gpu.pass_buffers import bind_outputs, step_inputs, step_outputs
from speech.whisper.gpu.prompt_reader import TOKEN_BYTES, PromptReader
from speech.whisper.gpu.runner import CHOSEN, DecoderBatch, DraftPass, PrefillOutput, PromptBatch, buckets
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.gpu.transfer_buffer import HostBuffer, TransferBuffer
from speech.whisper.gpu.window_encoder import WindowEncoder
from speech.whisper.manifest import Manifest


@dataclass(frozen=True, slots=True)
class StepBuffers:
    """Pinned memory of one step in flight."""

    inputs: HostBuffer
    outputs: HostBuffer
    bias: HostBias
    done: MemoryEvent


@dataclass(frozen=True, slots=True)
class DeviceStep:
    """A step in flight; to be read before its buffers are used again."""

    buffers: StepBuffers
    rows: int

    def result(self) -> Step:
        self.buffers.done.wait()
        tokens, logprobs = self.buffers.outputs["token"], self.buffers.outputs["logprob"]
        return Step(tokens[: self.rows, 0].astype(np.int32), logprobs[: self.rows].copy())


class DeviceRunner:
    """Runner of any library. Every bucket is captured here, so opening takes seconds."""

    lookahead = 1

    def __init__(self, manifest: Manifest, library: GraphLibrary, kv_cache: SlotKvCache) -> None:
        self.slots = kv_cache.slots
        self.contexts = library.contexts
        self.encode_batch = kv_cache.encode_batch
        self.prefill_batch = library.prefill_rows
        self._library = library
        self._kv_cache = kv_cache
        self._memory = memory = kv_cache.memory
        self._text = manifest.dimensions.n_text_ctx
        self._fed = memory.allocate(kv_cache.slots * TOKEN_BYTES)  # the token that each slot's next step is fed with
        self._inputs = TransferBuffer(memory, step_inputs(kv_cache.slots))
        self._outputs = TransferBuffer(memory, step_outputs(kv_cache.slots))
        self._bias = BiasBuffer(memory, kv_cache.slots)
        self._windows = WindowEncoder(library, kv_cache)
        self._prompts = PromptReader(library, kv_cache, self._windows, self._fed)
        self._drafts = DraftVerifier(library, kv_cache, self._fed)
        self.draft_rows = self._drafts.rows
        self._ring = [
            StepBuffers(self._inputs.host(), self._outputs.host(), self._bias.host(), memory.event())
            for _ in range(self.lookahead + 1)
        ]
        self._next_buffers = cycle(self._ring)
        self._heads = manifest.alignment_heads
        longest = kv_cache.alignment_parts(self._heads, 0, (0, self._text), 0)
        self._fetcher = AlignmentFetcher(memory, longest.size)
        self._steps: dict[int, Launch] = {}
        for count in buckets(kv_cache.slots):
            self._steps[count] = self._capture(count)
        self._thread = threading.get_ident()

    @property
    def captured(self) -> bool:
        """Whether a step is replayed as a CUDA graph."""
        return self._library.captured

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], context: int) -> None:
        self._prepare_thread()
        self._windows.encode(slots, audio, context)

    def encoded(self, slot: int) -> bool:
        return self._windows.encoded(slot)

    def prefill(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        return self._prompts.read(batches)

    def step(self, rows: DecoderBatch) -> DeviceStep:
        buffers, count = next(self._next_buffers), len(rows)
        buffers.done.wait()  # the step before the last, which nobody may have read
        self._windows.hold_decoder(np.flatnonzero(rows.active).tolist())
        for name in step_inputs(0):
            buffers.inputs[name][:count] = getattr(rows, name)
        self._inputs.send(buffers.inputs)
        self._bias.send(buffers.bias, rows.biases)
        self._steps[count].launch()
        self._outputs.fetch(buffers.outputs)
        buffers.done.record()
        return DeviceStep(buffers, count)

    def verify(self, draft: DraftPass) -> Step:
        self._windows.hold_decoder([draft.slot])
        return self._drafts.verify(draft)

    def keep(self, slot: int, row: int) -> None:
        self._drafts.keep(slot, row)

    def fetch_alignment(self, slot: int, tokens: tuple[int, int], frames: int) -> PendingAlignment:
        return self._fetcher.fetch(self._kv_cache.alignment_parts(self._heads, slot, tokens, frames))

    def close(self) -> None:
        self._memory.wait()
        for step in self._steps.values():
            step.close()
        for each in self._ring:
            each.done.close()
        self._windows.close()
        self._prompts.close()
        self._drafts.close()
        self._fetcher.close()
        self._steps.clear()
        self._library.close()  # passes go before their graphs, graphs before the memory
        self._memory.close()

    def _capture(self, count: int) -> Launch:
        step = self._library.open_step(count)
        for name in step_inputs(0):
            step.bind_input(name, (count,), self._inputs.address(name))
        for name in BIAS_INPUTS:
            step.bind_input(name, (count, ENTRIES), self._bias.address(name))
        bind_outputs(step, self._outputs, step_outputs(0), count)
        step.bind_input("ids", (count, 1), self._fed)
        self._kv_cache.bind(step, 0, count)

        def feed() -> None:
            self._memory.copy(self._fed, self._outputs.address("token"), count * TOKEN_BYTES)

        return self._library.capture(step, feed)

    def _prepare_thread(self) -> None:
        """Where a thread replays only what it captured itself, has the thread that decodes capture every step now.

        A step of pausing rows: what it writes lies behind every text, at the last place of a slot.
        """
        if not self._library.thread_bound or self._thread == threading.get_ident():
            return
        self._thread = threading.get_ident()
        for count in self._steps:
            idle, nobody = np.zeros(count, np.float32), np.zeros(count, np.bool_)
            last, chosen, one = (np.full(count, value) for value in (self._text - 1, CHOSEN, 1))
            self.step(DecoderBatch(last, chosen, one, one, nobody, nobody, idle, idle, [None] * count)).result()
