"""Prompts on their way into the decoder's caches: passes of many tokens, for whose answers the host waits once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, ENTRIES, BiasBuffer
from speech.whisper.gpu.device_memory import MemoryEvent
from speech.whisper.gpu.library import GraphLibrary
from speech.whisper.gpu.pass_buffers import bind_outputs, prompt_inputs, prompt_outputs, row_inputs
from speech.whisper.gpu.runner import PrefillOutput, PromptBatch
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.gpu.transfer_buffer import HostBuffer, TransferBuffer
from speech.whisper.gpu.window_encoder import WindowEncoder

TOKEN_BYTES = 8  # ids are int64
PASSES = 4  # that are enqueued before the host waits for them


@dataclass(frozen=True, slots=True)
class PromptBuffers:
    """Pinned memory of one pass in flight."""

    inputs: HostBuffer
    outputs: HostBuffer
    done: MemoryEvent


class PromptReader:
    """Each pass waits for the windows of its slots."""

    def __init__(self, library: GraphLibrary, kv_cache: SlotKvCache, windows: WindowEncoder, fed: int) -> None:
        """fed: address of the token that each slot's next step is fed with"""
        memory, rows = kv_cache.memory, library.prefill_rows
        self._memory, self._kv_cache, self._windows, self._fed = memory, kv_cache, windows, fed
        self._inputs = TransferBuffer(memory, prompt_inputs(rows, kv_cache.text))
        self._outputs = TransferBuffer(memory, prompt_outputs(rows, library.languages))
        self._bias = BiasBuffer(memory, rows)  # of none: nobody reads what a prompt chooses
        self._buffers = [
            PromptBuffers(self._inputs.host(), self._outputs.host(), memory.event()) for _ in range(PASSES)
        ]
        self._pass = library.open_prefill()

    def read(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        outputs = []
        for first in range(0, len(batches), PASSES):
            enqueued = list(zip(batches[first:], self._buffers, strict=False))
            for prompts, buffers in enqueued:
                self._enqueue(prompts, buffers)
            enqueued[-1][1].done.wait()
            for prompts, buffers in enqueued:
                told = (buffers.outputs[name][: len(prompts.ids)].copy() for name in ("language", "no_speech"))
                outputs.append(PrefillOutput(*told))
        return outputs

    def _enqueue(self, prompts: PromptBatch, buffers: PromptBuffers) -> None:
        count = len(prompts.ids)
        self._windows.hold_decoder(range(prompts.first, prompts.first + count))
        buffers.inputs["ids"][: prompts.ids.size] = prompts.ids.reshape(-1)
        for name in ("position", "frames", "last"):
            buffers.inputs[name][:count] = getattr(prompts, name)
        buffers.inputs["at"][:count] = prompts.at + np.arange(count) * prompts.ids.shape[1]
        self._inputs.send(buffers.inputs)
        self._pass.bind_input("ids", prompts.ids.shape, self._inputs.address("ids"))
        for name in (*row_inputs(0), "at"):
            self._pass.bind_input(name, (count,), self._inputs.address(name))
        for name in BIAS_INPUTS:
            self._pass.bind_input(name, (count, ENTRIES), self._bias.address(name))
        bind_outputs(self._pass, self._outputs, prompt_outputs(0, 0), count)
        self._kv_cache.bind(self._pass, prompts.first, count)
        self._pass.enqueue()
        self._memory.copy(self._fed + prompts.first * TOKEN_BYTES, self._inputs.address("last"), count * TOKEN_BYTES)
        self._outputs.fetch(buffers.outputs)
        buffers.done.record()

    def close(self) -> None:
        for each in self._buffers:
            each.done.close()
        del self._pass
