"""Key terms' biases on the device: sent beside a step's inputs, and only where they changed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from speech.whisper.engine import AFTER_ANY, AFTER_NONE, MOST_BEGINNINGS, MOST_CONTINUATIONS, TokenBias
from speech.whisper.gpu.device_memory import DeviceMemory
from speech.whisper.gpu.transfer_buffer import BufferField, HostBuffer, TransferBuffer

ENTRIES = MOST_BEGINNINGS + MOST_CONTINUATIONS
BIAS_INPUTS: dict[str, type[np.generic]] = {"bias_after": np.int32, "bias_token": np.int32, "bias_boost": np.float32}


@dataclass(slots=True)
class HostBias:
    """Pinned memory of the biases of all slots, for one step in flight."""

    buffer: HostBuffer
    held: list[TokenBias | None]  # what is written in each row


class BiasBuffer:
    """The biases of all slots, in their rows; all zero means none."""

    def __init__(self, memory: DeviceMemory, slots: int) -> None:
        self._transfer = TransferBuffer(
            memory, {name: BufferField(kind, (slots, ENTRIES)) for name, kind in BIAS_INPUTS.items()}
        )
        self._sent: list[TokenBias | None] = [None] * slots

    def host(self) -> HostBias:
        return HostBias(self._transfer.host(), [None] * len(self._sent))

    def address(self, name: str) -> int:
        return self._transfer.address(name)

    def send(self, host: HostBias, biases: Sequence[TokenBias | None]) -> None:
        """Enqueues a copy to the device if it holds others for the first rows.

        host: no copy from it is in flight
        """
        if all(sent is bias for sent, bias in zip(self._sent, biases, strict=False)):
            return
        for row, bias in enumerate(biases):
            if host.held[row] is not bias:
                _write(host.buffer, row, bias)
                host.held[row] = bias
        self._transfer.send(host.buffer)
        self._sent = list(host.held)


def _write(buffer: HostBuffer, row: int, bias: TokenBias | None) -> None:
    """Beginnings first: each half has a token once at most, whatever comes before."""
    after = buffer["bias_after"][row]
    after[:] = AFTER_NONE
    buffer["bias_token"][row] = 0
    buffer["bias_boost"][row] = 0
    if bias is None:
        return
    asked = np.full(len(bias.tokens), AFTER_ANY) if bias.after is None else bias.after
    for first, most, chosen in ((0, MOST_BEGINNINGS, asked < 0), (MOST_BEGINNINGS, MOST_CONTINUATIONS, asked >= 0)):
        entries = np.flatnonzero(chosen)[:most]
        place = slice(first, first + len(entries))
        after[place] = asked[entries]
        buffer["bias_token"][row, place] = bias.tokens[entries]
        buffer["bias_boost"][row, place] = bias.boosts[entries]
