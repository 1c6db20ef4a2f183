"""A draft of what one slot is about to say, held against what would be chosen, in one pass."""

from __future__ import annotations

import numpy as np

from speech.whisper.engine import Step
from speech.whisper.gpu.bias_buffer import BIAS_INPUTS, ENTRIES, BiasBuffer
from speech.whisper.gpu.library import GraphLibrary
from speech.whisper.gpu.pass_buffers import bind_outputs, choice_inputs, prompt_outputs
from speech.whisper.gpu.runner import DraftPass
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.gpu.transfer_buffer import BufferField, TransferBuffer

TOKEN_BYTES = 8  # int64


class DraftVerifier:
    """Passes of one slot, many of whose tokens are followed by a choice. The host waits for each."""

    def __init__(self, library: GraphLibrary, kv_cache: SlotKvCache, fed: int) -> None:
        """fed: address of the token that each slot's next step is fed with"""
        memory = kv_cache.memory
        self.rows = library.draft_rows
        self._kv_cache, self._memory, self._fed = kv_cache, memory, fed
        self._inputs = TransferBuffer(memory, _draft_inputs(self.rows, kv_cache.text))
        self._outputs = TransferBuffer(memory, prompt_outputs(self.rows, library.languages))
        self._bias = BiasBuffer(memory, self.rows)
        self._host, self._told, self._host_bias = self._inputs.host(), self._outputs.host(), self._bias.host()
        self._host["active"][:] = True
        self._done = memory.event()
        self._pass = library.open_draft()

    def verify(self, draft: DraftPass) -> Step:
        tokens, rows = len(draft.ids), draft.rows
        self._host["ids"][:tokens] = draft.ids
        self._host["position"][:], self._host["frames"][:] = draft.position, draft.frames
        self._host["at"][:rows] = np.arange(tokens - rows, tokens)
        self._host["first"][:] = False
        self._host["first"][0] = draft.first
        self._inputs.send(self._host)
        self._bias.send(self._host_bias, draft.biases)
        self._pass.bind_input("ids", (1, tokens), self._inputs.address("ids"))
        for name in ("position", "frames"):
            self._pass.bind_input(name, (1,), self._inputs.address(name))
        for name in (*choice_inputs(0), "at"):
            self._pass.bind_input(name, (rows,), self._inputs.address(name))
        for name in BIAS_INPUTS:
            self._pass.bind_input(name, (rows, ENTRIES), self._bias.address(name))
        bind_outputs(self._pass, self._outputs, prompt_outputs(0, 0), rows)
        self._kv_cache.bind(self._pass, draft.slot, 1)
        self._pass.enqueue()
        self._outputs.fetch(self._told)
        self._done.record()
        self._done.wait()
        return Step(self._told["token"][:rows, 0].astype(np.int32), self._told["logprob"][:rows].copy())

    def keep(self, slot: int, row: int) -> None:
        """What it chose there is what the slot's next step is fed with."""
        chosen = self._outputs.address("token") + row * TOKEN_BYTES
        self._memory.copy(self._fed + slot * TOKEN_BYTES, chosen, TOKEN_BYTES)

    def close(self) -> None:
        self._done.close()
        del self._pass


def _draft_inputs(rows: int, text: int) -> dict[str, BufferField]:
    ids, one, places = (BufferField(np.int64, (count,)) for count in (text, 1, rows))
    return {"ids": ids, "position": one, "frames": one, "at": places} | choice_inputs(rows)
