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
from speech.whisper.gpu.library import GraphLibrary, GraphPass, Launch
from speech.whisper.gpu.runner import CHOSEN, WINDOW, DecoderBatch, PrefillOutput, PromptBatch, buckets, fill_windows
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
        self._inputs = TransferBuffer(memory, _step_inputs(kv_cache.slots))
        self._outputs = TransferBuffer(memory, _step_outputs(kv_cache.slots))
        self._bias = BiasBuffer(memory, kv_cache.slots)
        self._prompt = TransferBuffer(memory, _prompt_inputs(self.prefill_batch, self._text))
        self._prefill = TransferBuffer(memory, _prompt_outputs(self.prefill_batch, library.languages))
        self._audio_host = self._audio.host()
        self._prompts = [
            PromptBuffers(self._prompt.host(), self._prefill.host(), memory.event()) for _ in range(PROMPTS)
        ]
        self._audio_sent = memory.event()
        self._ring = [
            StepBuffers(self._inputs.host(), self._outputs.host(), self._bias.host(), memory.event())
            for _ in range(self.lookahead + 1)
        ]
        self._next_buffers = cycle(self._ring)
        self._heads = manifest.alignment_heads
        longest = kv_cache.alignment_parts(self._heads, 0, (0, self._text), 0)
        self._fetcher = AlignmentFetcher(memory, longest.size)
        self._encoder, self._decoder = library.open_encoder(), library.open_prefill()
        self._steps: dict[int, Launch] = {}
        for count in buckets(kv_cache.slots):
            self._steps[count] = self._capture(count)
        self._thread = threading.get_ident()

    @property
    def captured(self) -> bool:
        """Whether a step is replayed as a CUDA graph."""
        return self._library.captured

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm]) -> None:
        self._prepare_thread()
        count = len(slots)
        self._audio_sent.wait()  # the windows of the call before
        windows = self._audio_host["audio"][:count]
        fill_windows(windows.view(np.int16), audio)
        self._memory.send(self._audio.address("audio"), windows)
        self._audio_sent.record()
        self._encoder.bind_input("audio", windows.shape, self._audio.address("audio"))
        for name, address in self._kv_cache.encoder_outputs(slots).items():
            self._encoder.bind_output(name, (count, *self._kv_cache.shapes[name]), address)
        self._encoder.enqueue()
        self._kv_cache.store_encoded(slots)

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
        buffers.inputs["ids"][: prompts.ids.size] = prompts.ids.reshape(-1)
        for name in ("position", "at", "last"):
            buffers.inputs[name][:count] = getattr(prompts, name)
        self._prompt.send(buffers.inputs)
        self._decoder.bind_input("ids", prompts.ids.shape, self._prompt.address("ids"))
        for name in (*_row_inputs(0), "at"):
            self._decoder.bind_input(name, (count,), self._prompt.address(name))
        self._bind_outputs(self._decoder, self._prefill, _prompt_outputs(0, 0), count)
        self._bind_kv_cache(self._decoder, prompts.first, count)
        self._decoder.enqueue()
        fed = self._fed + prompts.first * TOKEN_BYTES
        self._memory.copy(fed, self._prompt.address("last"), count * TOKEN_BYTES)
        self._prefill.fetch(buffers.outputs)
        buffers.done.record()

    def step(self, rows: DecoderBatch) -> DeviceStep:
        buffers, count = next(self._next_buffers), len(rows)
        buffers.done.wait()  # the step before the last, which nobody may have read
        for name in _step_inputs(0):
            buffers.inputs[name][:count] = getattr(rows, name)
        self._inputs.send(buffers.inputs)
        self._bias.send(buffers.bias, rows.biases)
        self._steps[count].launch()
        self._outputs.fetch(buffers.outputs)
        buffers.done.record()
        return DeviceStep(buffers, count)

    def fetch_alignment(self, slot: int, first: int, last: int, frames: int) -> PendingAlignment:
        return self._fetcher.fetch(self._kv_cache.alignment_parts(self._heads, slot, (first, last), frames))

    def close(self) -> None:
        self._memory.wait()
        for step in self._steps.values():
            step.close()
        events = [self._audio_sent, *(each.done for each in self._ring), *(each.done for each in self._prompts)]
        for event in events:
            event.close()
        self._fetcher.close()
        self._steps.clear()
        del self._encoder, self._decoder
        self._library.close()  # passes go before their graphs, graphs before the memory
        self._memory.close()

    def _capture(self, count: int) -> Launch:
        step = self._library.open_step(count)
        for name in _step_inputs(0):
            step.bind_input(name, (count,), self._inputs.address(name))
        for name in BIAS_INPUTS:
            step.bind_input(name, (count, ENTRIES), self._bias.address(name))
        self._bind_outputs(step, self._outputs, _step_outputs(0), count)
        step.bind_input("ids", (count, 1), self._fed)
        self._bind_kv_cache(step, 0, count)

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
            self.step(DecoderBatch(last, chosen, one, nobody, nobody, idle, idle, [None] * count)).result()

    @staticmethod
    def _bind_outputs(target: GraphPass, source: TransferBuffer, fields: dict[str, BufferField], count: int) -> None:
        for name in fields:
            target.bind_output(name, source.shape(name, count), source.address(name))

    def _bind_kv_cache(self, target: GraphPass, first: int, count: int) -> None:
        for name, address, written in self._kv_cache.addresses(first):
            shape = (count, *self._kv_cache.shapes[name])
            target.bind_input(name, shape, address)
            if written:
                target.bind_output(f"new_{name}", shape, address)


def _step_inputs(rows: int) -> dict[str, BufferField]:
    """A step's inputs besides ids and the KV cache."""
    place = BufferField(np.int64, (rows,))
    return _row_inputs(rows) | {"forced": place, "length": place}


def _row_inputs(rows: int) -> dict[str, BufferField]:
    """What a step and a pass of prompts are both given."""
    flag, number, place = (BufferField(kind, (rows,)) for kind in (np.bool_, np.float32, np.int64))
    return {"position": place, "active": flag, "first": flag, "temperature": number, "draw": number}


def _step_outputs(rows: int) -> dict[str, BufferField]:
    """A step's outputs besides the KV cache."""
    return {"token": BufferField(np.int64, (rows, 1)), "logprob": BufferField(np.float32, (rows,))}


def _prompt_inputs(rows: int, text: int) -> dict[str, BufferField]:
    """What is sent for prompts: the decoder's inputs besides the KV cache, and the token that is fed next."""
    place = BufferField(np.int64, (rows,))
    return {"ids": BufferField(np.int64, (rows * text,)), "last": place, "at": place} | _row_inputs(rows)


def _prompt_outputs(rows: int, languages: int) -> dict[str, BufferField]:
    language, no_speech = (BufferField(np.float32, shape) for shape in ((rows, languages), (rows,)))
    return _step_outputs(rows) | {"language": language, "no_speech": no_speech}
