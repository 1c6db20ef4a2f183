"""Windows on their way into the decoder's slots: audio over the bus, the encoder beside the decoder's steps."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from speech.audio import Pcm
from speech.whisper.gpu.artifacts import ENCODE_ROWS, FRAME_BYTES
from speech.whisper.gpu.device_memory import MemoryEvent
from speech.whisper.gpu.library import GraphLibrary
from speech.whisper.gpu.runner import WINDOW, fill_windows
from speech.whisper.gpu.slot_kv_cache import SlotKvCache
from speech.whisper.gpu.transfer_buffer import BufferField, TransferBuffer

SAMPLE_BYTES = 2


class WindowEncoder:
    """Passes of the encoder on its own stream. Nobody waits for one but who reads its slots."""

    def __init__(self, library: GraphLibrary, kv_cache: SlotKvCache) -> None:
        self._kv_cache = kv_cache
        self._memory = memory = kv_cache.memory
        batch = kv_cache.encode_batch
        self._audio = TransferBuffer(memory, {"audio": BufferField(np.uint8, (batch, SAMPLE_BYTES * WINDOW))})
        self._host = self._audio.host()
        self._sent = memory.encoding.event()
        self._decoded = memory.event()  # what was enqueued before a window is encoded
        self._encoded = [memory.encoding.event() for _ in range(kv_cache.slots)]
        self._pending: dict[int, MemoryEvent] = {}  # slots whose windows the decoder has not waited for
        self._passes = {
            (windows, context): library.open_encoder(windows, context)
            for windows in _tuned(batch)
            for context in library.contexts
        }

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], context: int) -> None:
        count = len(slots)
        self._sent.wait()  # the windows of the call before
        length = context * FRAME_BYTES
        windows = self._host["audio"].reshape(-1)[: count * length].reshape(count, length)
        fill_windows(windows.view(np.int16), audio)
        queue, done = self._memory.encoding, self._encoded[slots[0]]
        self._decoded.record()
        queue.wait_for(self._decoded)  # steps and copies that read what the slots held
        queue.send(self._audio.address("audio"), windows)
        self._sent.record()
        encoder = self._passes[next(each for each in self._passes if each[0] >= count and each[1] == context)]
        encoder.bind_input("audio", windows.shape, self._audio.address("audio"))
        for name, address in self._kv_cache.encoder_outputs(slots, context).items():
            heads, _, size = self._kv_cache.shapes[name]
            encoder.bind_output(name, (count, heads, context, size), address)
        encoder.enqueue()
        self._kv_cache.store_encoded(slots, context)
        done.record()
        self._pending |= dict.fromkeys(slots, done)

    def encoded(self, slot: int) -> bool:
        return slot not in self._pending or self._pending[slot].reached()

    def hold_decoder(self, slots: Iterable[int]) -> None:
        """Has the decoder wait until these are encoded."""
        if not self._pending:
            return
        for done in {self._pending.pop(slot): None for slot in slots if slot in self._pending}:
            self._memory.wait_for(done)

    def close(self) -> None:
        for event in (self._sent, self._decoded, *self._encoded):
            event.close()
        self._passes.clear()


def _tuned(encode_batch: int) -> list[int]:
    """Windows up to which each pass of the encoder is for."""
    return sorted({min(rows, encode_batch) for rows in (*ENCODE_ROWS, encode_batch)})
