"""The graphs over a KV cache in a device's memory, with a step in flight at any time.

Per step the host sends one buffer of inputs, launches the step and fetches one buffer of outputs; it waits only
for the event of the step that it reads. Every number of rows is captured when the model is opened.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import cycle

import numpy as np

from speech.audio import Pcm
from speech.whisper.engine import PendingAlignment, Step
from speech.whisper.gpu.alignment_buffers import AlignmentFetcher
from speech.whisper.gpu.artifacts import ENCODE_ROWS, FRAME_BYTES
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, ENTRIES, BiasBuffer, HostBias
from speech.whisper.gpu.device_memory import MemoryEvent
from speech.whisper.gpu.draft_verifier import DraftVerifier
from speech.whisper.gpu.library import GraphLibrary, Launch
from speech.whisper.gpu.pass_buffers import (
    bind_outputs,
    prompt_inputs,
    prompt_outputs,
    row_inputs,
    step_inputs,
    step_outputs,
)
from speech.whisper.gpu.runner import (
    CHOSEN,
    WINDOW,
    DecoderBatch,
    DraftPass,
    PrefillOutput,
    PromptBatch,
    buckets,
    fill_windows,
)
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.gpu.transfer_buffer import BufferField, HostBuffer, TransferBuffer
from speech.whisper.manifest import Manifest

TOKEN_BYTES = 8  # ids are int64
SAMPLE_BYTES = 2
PROMPTS = 4  # passes of prompts that are enqueued before the host waits for them


@dataclass(frozen=True, slots=True)
class StepBuffers:
    """Pinned memory of one step in flight."""

    inputs: HostBuffer
    outputs: HostBuffer
    bias: HostBias
    done: MemoryEvent


@dataclass(frozen=True, slots=True)
class PromptBuffers:
    """Pinned memory of one pass of prompts in flight."""

    inputs: HostBuffer
    outputs: HostBuffer
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
        self._audio = TransferBuffer(
            memory, {"audio": BufferField(np.uint8, (kv_cache.encode_batch, SAMPLE_BYTES * WINDOW))}
        )
        self._inputs = TransferBuffer(memory, step_inputs(kv_cache.slots))
        self._outputs = TransferBuffer(memory, step_outputs(kv_cache.slots))
        self._bias = BiasBuffer(memory, kv_cache.slots)
        self._prompt = TransferBuffer(memory, prompt_inputs(self.prefill_batch, self._text))
        self._prefill = TransferBuffer(memory, prompt_outputs(self.prefill_batch, library.languages))
        self._drafts = DraftVerifier(library, kv_cache, self._fed)
        self.draft_rows = self._drafts.rows
        self._audio_host = self._audio.host()
        self._prompts = [
            PromptBuffers(self._prompt.host(), self._prefill.host(), memory.event()) for _ in range(PROMPTS)
        ]
        self._audio_sent = memory.encoding.event()
        self._decoded = memory.event()  # what was enqueued before a window is encoded
        self._encoded = [memory.encoding.event() for _ in range(kv_cache.slots)]
        self._encoding: dict[int, MemoryEvent] = {}  # slots whose windows the decoder has not waited for
        self._ring = [
            StepBuffers(self._inputs.host(), self._outputs.host(), self._bias.host(), memory.event())
            for _ in range(self.lookahead + 1)
        ]
        self._next_buffers = cycle(self._ring)
        self._heads = manifest.alignment_heads
        longest = kv_cache.alignment_parts(self._heads, 0, (0, self._text), 0)
        self._fetcher = AlignmentFetcher(memory, longest.size)
        self._encoders = {
            (windows, context): library.open_encoder(windows, context)
            for windows in _tuned(kv_cache.encode_batch)
            for context in self.contexts
        }
        self._decoder = library.open_prefill()
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
        count = len(slots)
        self._audio_sent.wait()  # the windows of the call before
        length = context * FRAME_BYTES
        windows = self._audio_host["audio"].reshape(-1)[: count * length].reshape(count, length)
        fill_windows(windows.view(np.int16), audio)
        queue, done = self._memory.encoding, self._encoded[slots[0]]
        self._decoded.record()
        queue.wait_for(self._decoded)  # steps and copies that read what the slots held
        queue.send(self._audio.address("audio"), windows)
        self._audio_sent.record()
        encoder = self._encoders[next(each for each in self._encoders if each[0] >= count and each[1] == context)]
        encoder.bind_input("audio", windows.shape, self._audio.address("audio"))
        for name, address in self._kv_cache.encoder_outputs(slots, context).items():
            heads, _, size = self._kv_cache.shapes[name]
            encoder.bind_output(name, (count, heads, context, size), address)
        encoder.enqueue()
        self._kv_cache.store_encoded(slots, context)
        done.record()
        self._encoding |= dict.fromkeys(slots, done)

    def encoded(self, slot: int) -> bool:
        return slot not in self._encoding or self._encoding[slot].reached()

    def _await_windows(self, slots: Iterable[int]) -> None:
        """Has the decoder wait until they are encoded."""
        for done in {self._encoding.pop(slot): None for slot in slots if slot in self._encoding}:
            self._memory.wait_for(done)

    def prefill(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        outputs = []
        for first in range(0, len(batches), PROMPTS):
            enqueued = list(zip(batches[first:], self._prompts, strict=False))
            for prompts, buffers in enqueued:
                self._enqueue_prompts(prompts, buffers)
            enqueued[-1][1].done.wait()
            for prompts, buffers in enqueued:
                told = (buffers.outputs[name][: len(prompts.ids)].copy() for name in ("language", "no_speech"))
                outputs.append(PrefillOutput(*told))
        return outputs

    def _enqueue_prompts(self, prompts: PromptBatch, buffers: PromptBuffers) -> None:
        count = len(prompts.ids)
        self._await_windows(range(prompts.first, prompts.first + count))
        buffers.inputs["ids"][: prompts.ids.size] = prompts.ids.reshape(-1)
        for name in ("position", "frames", "last"):
            buffers.inputs[name][:count] = getattr(prompts, name)
        buffers.inputs["at"][:count] = prompts.at + np.arange(count) * prompts.ids.shape[1]
        self._prompt.send(buffers.inputs)
        self._decoder.bind_input("ids", prompts.ids.shape, self._prompt.address("ids"))
        for name in (*row_inputs(0), "at"):
            self._decoder.bind_input(name, (count,), self._prompt.address(name))
        bind_outputs(self._decoder, self._prefill, prompt_outputs(0, 0), count)
        self._drafts.bind_biases(self._decoder, count)
        self._kv_cache.bind(self._decoder, prompts.first, count)
        self._decoder.enqueue()
        fed = self._fed + prompts.first * TOKEN_BYTES
        self._memory.copy(fed, self._prompt.address("last"), count * TOKEN_BYTES)
        self._prefill.fetch(buffers.outputs)
        buffers.done.record()

    def step(self, rows: DecoderBatch) -> DeviceStep:
        buffers, count = next(self._next_buffers), len(rows)
        buffers.done.wait()  # the step before the last, which nobody may have read
        if self._encoding:
            self._await_windows(np.flatnonzero(rows.active).tolist())
        for name in step_inputs(0):
            buffers.inputs[name][:count] = getattr(rows, name)
        self._inputs.send(buffers.inputs)
        self._bias.send(buffers.bias, rows.biases)
        self._steps[count].launch()
        self._outputs.fetch(buffers.outputs)
        buffers.done.record()
        return DeviceStep(buffers, count)

    def verify(self, draft: DraftPass) -> Step:
        self._await_windows([draft.slot])
        return self._drafts.verify(draft)

    def keep(self, slot: int, row: int) -> None:
        self._drafts.keep(slot, row)

    def fetch_alignment(self, slot: int, tokens: tuple[int, int], frames: int) -> PendingAlignment:
        return self._fetcher.fetch(self._kv_cache.alignment_parts(self._heads, slot, tokens, frames))

    def close(self) -> None:
        self._memory.wait()
        for step in self._steps.values():
            step.close()
        events = [
            self._audio_sent,
            self._decoded,
            *self._encoded,
            *(each.done for each in self._ring),
            *(each.done for each in self._prompts),
        ]
        for event in events:
            event.close()
        self._drafts.close()
        self._fetcher.close()
        self._steps.clear()
        self._encoders.clear()
        del self._decoder
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


def _tuned(encode_batch: int) -> list[int]:
    """Windows up to which each pass of the encoder is for."""
    return sorted({min(rows, encode_batch) for rows in (*ENCODE_ROWS, encode_batch)})
