"""The KV cache of all slots in one memory: cross- and self-attention, and what the alignment heads ask."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from speech.whisper.engine import HEAD_SIZE, Dimensions
from speech.whisper.gpu.alignment_buffers import ELEMENT, AlignmentParts
from speech.whisper.gpu.device_memory import DeviceMemory, MemoryColumn, MemoryRows

ALIGNMENT = "alignment_query"
CROSS = "cross_"  # prefix of the tensors that the encoder writes


def slot_shapes(dimensions: Dimensions, alignment_heads: int) -> dict[str, tuple[int, int, int]]:
    """Shape of each of a slot's tensors, float16, by the name that the graphs give it."""
    heads, text, audio = dimensions.n_text_head, dimensions.n_text_ctx, dimensions.n_audio_ctx
    shapes: dict[str, tuple[int, int, int]] = {}
    for layer in range(dimensions.n_text_layer):
        for part in ("key", "value"):
            shapes[f"self_{part}_{layer}"] = (heads, text, HEAD_SIZE)
            shapes[f"{CROSS}{part}_{layer}"] = (heads, audio, HEAD_SIZE)
    shapes[ALIGNMENT] = (alignment_heads, text, HEAD_SIZE)
    return shapes


def tensor_bytes(shape: Sequence[int]) -> int:
    return math.prod(shape) * ELEMENT.itemsize


def runs(slots: Sequence[int]) -> list[tuple[int, int]]:
    """First slot and length of each run of slots that follow each other, in the order given."""
    found: list[tuple[int, int]] = []
    for slot in slots:
        if found and slot == sum(found[-1]):
            found[-1] = found[-1][0], found[-1][1] + 1
        else:
            found.append((slot, 1))
    return found


class SlotKvCache:
    """Slots 0 to slots - 1 of every tensor lie behind each other, so that consecutive slots are one batch.

    The encoder writes right into slots that follow each other, and beside them otherwise, into a batch of its own: any
    free slots are encoded together.
    """

    def __init__(
        self, shapes: dict[str, tuple[int, int, int]], slots: int, encode_batch: int, memory: DeviceMemory
    ) -> None:
        self.shapes = shapes
        self.slots = slots
        self.encode_batch = encode_batch
        self.memory = memory
        self._sizes = {name: tensor_bytes(shape) for name, shape in shapes.items()}
        cross = [name for name in shapes if name.startswith(CROSS)]
        own = [name for name in shapes if not name.startswith(CROSS) and name != ALIGNMENT]
        self._columns = {kind: len(names) for kind, names in (("cross", cross), ("own", own))}
        self._addresses = self._allocate(cross, slots) | self._allocate(own, slots)
        self._addresses[ALIGNMENT] = memory.allocate(slots * self._sizes[ALIGNMENT])
        self._encoded = self._allocate(cross, encode_batch)
        memory.wait()  # the graphs may run on another stream

    def _allocate(self, names: Sequence[str], count: int) -> dict[str, int]:
        """Tensors of one size, behind each other: what is done to a slot of all of them is one call."""
        sizes = {self._sizes[name] for name in names}
        assert len(sizes) == 1, "tensors of one size"
        block = count * sizes.pop()
        begin = self.memory.allocate(len(names) * block)
        return {name: begin + index * block for index, name in enumerate(names)}

    def _column(self, addresses: dict[str, int], slots: int, part: tuple[int, int], kind: str) -> MemoryColumn:
        """Some slots of every tensor of a kind. slots: of a tensor; part: first and how many"""
        name = next(each for each in addresses if each.startswith(CROSS) == (kind == "cross") and each != ALIGNMENT)
        size = self._sizes[name]
        return MemoryColumn(addresses[name] + part[0] * size, slots * size, part[1] * size, self._columns[kind])

    def addresses(self, first: int) -> Iterator[tuple[str, int, bool]]:
        """Name and address of each tensor from slot `first` on, and whether the decoder writes it."""
        for name, address in self._addresses.items():
            yield name, address + first * self._sizes[name], not name.startswith(CROSS)

    def encoder_outputs(self, slots: Sequence[int]) -> dict[str, int]:
        """Address of each of the encoder's outputs, by name: the slots themselves, if they follow each other."""
        if len(runs(slots)) > 1:
            return self._encoded
        return {name: address for name, address, written in self.addresses(slots[0]) if not written}

    def store_encoded(self, slots: Sequence[int]) -> None:
        """Brings what the encoder wrote to where it belongs, and clears the slots' self-attention and alignment
        queries.

        A window that overflows float16 leaves NaN behind, which would pass the mask into the next window:
        zero times NaN is NaN.
        """
        parts, row = runs(slots), 0
        for first, count in parts:
            self.memory.clear_column(self._column(self._addresses, self.slots, (first, count), "own"))
            size = self._sizes[ALIGNMENT]
            self.memory.clear(self._addresses[ALIGNMENT] + first * size, count * size)
            if len(parts) > 1:
                target = self._column(self._addresses, self.slots, (first, count), "cross")
                self.memory.copy_column(target, self._column(self._encoded, self.encode_batch, (row, count), "cross"))
            row += count

    def alignment_parts(
        self, heads: Sequence[tuple[int, int]], slot: int, tokens: tuple[int, int], frames: int
    ) -> AlignmentParts:
        """What the alignment weights of a slot's tokens are made of.

        heads: layer and head of each; tokens: the first, and the one past the last
        """
        (first, last), row = tokens, HEAD_SIZE * ELEMENT.itemsize
        begin = self._addresses[ALIGNMENT] + slot * self._sizes[ALIGNMENT] + first * row
        places = [MemoryRows(begin, len(heads), self.shapes[ALIGNMENT][1] * row, (last - first) * row)]
        for layer, head in heads:
            name = f"{CROSS}key_{layer}"
            context = self.shapes[name][1]
            keys = self._addresses[name] + slot * self._sizes[name] + head * context * row
            places.append(MemoryRows(keys, 1, context * row, context * row))
        return AlignmentParts(places, len(heads), last - first, context, frames)
