"""The KV cache of all slots in one memory: cross- and self-attention, and what the alignment heads ask."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from speech.whisper.engine import HEAD_SIZE, Dimensions
from speech.whisper.gpu.alignment_buffers import ELEMENT, AlignmentParts
from speech.whisper.gpu.device_memory import DeviceMemory, DeviceQueue, MemoryBlocks, MemoryColumn, MemoryRows
from speech.whisper.gpu.library import GraphPass

ALIGNMENT = "alignment_query"
FRAME = HEAD_SIZE * ELEMENT.itemsize  # bytes of one head's key, value or query
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
    free slots are encoded together. A short window's keys and values always come from there, since a slot
    has room for a long one's.
    """

    def __init__(
        self, shapes: dict[str, tuple[int, int, int]], slots: int, encode_batch: int, memory: DeviceMemory
    ) -> None:
        self.shapes = shapes
        self.slots = slots
        self.encode_batch = encode_batch
        self.memory = memory
        self.text = shapes[ALIGNMENT][1]  # tokens that a slot has room for
        self._heads, self._context, _ = next(shape for name, shape in shapes.items() if name.startswith(CROSS))
        self._sizes = {name: tensor_bytes(shape) for name, shape in shapes.items()}
        cross = [name for name in shapes if name.startswith(CROSS)]
        own = [name for name in shapes if not name.startswith(CROSS) and name != ALIGNMENT]
        self._columns = {kind: len(names) for kind, names in (("cross", cross), ("own", own))}
        self._addresses = self._allocate(cross, slots) | self._allocate(own, slots)
        self._addresses[ALIGNMENT] = memory.allocate(slots * self._sizes[ALIGNMENT])
        self._encoded = self._allocate(cross, encode_batch)
        self._frames = [self._context] * slots  # that each slot was encoded with
        memory.wait()  # the graphs may run on another stream

    def _allocate(self, names: Sequence[str], count: int) -> dict[str, int]:
        """Tensors of one size, behind each other: what is done to a slot of all of them is one call."""
        sizes = {self._sizes[name] for name in names}
        assert len(sizes) == 1, "tensors of one size"
        block = count * sizes.pop()
        begin = self.memory.allocate(len(names) * block)
        return {name: begin + index * block for index, name in enumerate(names)}

    def _column(self, kind: str, first: int, count: int) -> MemoryColumn:
        """Some slots of every tensor of a kind, `cross` or `own`."""
        name = next(each for each in self.shapes if each.startswith(CROSS) == (kind == "cross") and each != ALIGNMENT)
        size = self._sizes[name]
        return MemoryColumn(self._addresses[name] + first * size, self.slots * size, count * size, self._columns[kind])

    def _frame_rows(self, address: int, slots: int, context: int) -> MemoryBlocks:
        """Rows of frames of some windows' cross-attention, in every tensor.

        address: of the first window in the first tensor; slots: that a tensor has; context: frames that a row has
        """
        return MemoryBlocks(address, context * FRAME, slots * self._heads)

    def addresses(self, first: int) -> Iterator[tuple[str, int, bool]]:
        """Name and address of each tensor from slot `first` on, and whether the decoder writes it."""
        for name, address in self._addresses.items():
            yield name, address + first * self._sizes[name], not name.startswith(CROSS)

    def bind(self, target: GraphPass, first: int, count: int) -> None:
        """Some slots as the rows of a pass, written in place."""
        for name, address, written in self.addresses(first):
            shape = (count, *self.shapes[name])
            target.bind_input(name, shape, address)
            if written:
                target.bind_output(f"new_{name}", shape, address)

    def encoder_outputs(self, slots: Sequence[int], context: int) -> dict[str, int]:
        """Address of each of the encoder's outputs, by name: the slots themselves, if they can be."""
        if not self._aside(slots, context):
            return {name: address for name, address, written in self.addresses(slots[0]) if not written}
        begin, size = min(self._encoded.values()), self.encode_batch * self._heads * context * FRAME
        return {name: begin + index * size for index, name in enumerate(self._encoded)}

    def _aside(self, slots: Sequence[int], context: int) -> bool:
        """Whether the encoder's outputs go into a batch of their own."""
        return len(runs(slots)) > 1 or context < self._context

    def store_encoded(self, slots: Sequence[int], context: int) -> None:
        """Brings what the encoder wrote to where it belongs, and clears the slots' self-attention and alignment
        queries, and what lies behind a short window.

        A window that overflows float16 leaves NaN behind, which would pass the mask into the next window:
        zero times NaN is NaN.
        """
        row, queue = 0, self.memory.encoding
        for first, count in runs(slots):
            queue.clear_column(self._column("own", first, count))
            size = self._sizes[ALIGNMENT]
            queue.clear(self._addresses[ALIGNMENT] + first * size, count * size)
            if context < self._context:
                queue.clear_column(self._column("cross", first, count))
            if self._aside(slots, context):
                self._bring(queue, row, (first, count), context)
            row += count
        for slot in slots:
            self._frames[slot] = context

    def _bring(self, queue: DeviceQueue, row: int, to: tuple[int, int], context: int) -> None:
        """Windows of the encoder's batch from a row on, to slots that follow each other: the first, and how many."""
        first, count = to
        name = next(iter(self._encoded))
        source = min(self._encoded.values()) + row * self._heads * context * FRAME
        target = self._addresses[name] + first * self._sizes[name]
        queue.copy_blocks(
            self._frame_rows(target, self.slots, self._context),
            self._frame_rows(source, self.encode_batch, context),
            (context * FRAME, count * self._heads, self._columns["cross"]),
        )

    def alignment_parts(
        self, heads: Sequence[tuple[int, int]], slot: int, tokens: tuple[int, int], frames: int
    ) -> AlignmentParts:
        """What the alignment weights of a slot's tokens are made of.

        heads: layer and head of each; tokens: the first, and the one past the last
        """
        (first, last), heard = tokens, self._frames[slot]
        begin = self._addresses[ALIGNMENT] + slot * self._sizes[ALIGNMENT] + first * FRAME
        places = [MemoryRows(begin, len(heads), self.shapes[ALIGNMENT][1] * FRAME, (last - first) * FRAME)]
        for layer, head in heads:
            name = f"{CROSS}key_{layer}"
            keys = self._addresses[name] + slot * self._sizes[name] + head * self._context * FRAME
            places.append(MemoryRows(keys, 1, heard * FRAME, heard * FRAME))
        return AlignmentParts(places, len(heads), last - first, heard, frames)
