"""What the GPU engine needs of the library that runs its graphs: passes over consecutive slots.

A slot is a row of every tensor of the SlotKvCache. The last token of each slot stays with the runner, which feeds
it to the slot's next step: no token makes a round trip through the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm
from speech.whisper.engine import PendingAlignment, PendingStep, Step, TokenBias

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

CHOSEN = -1  # in place of a token of a prompt: what the slot chose last is fed
FEW_ROWS = 8  # below, a step costs as much whatever its rows
WINDOW = 30 * SAMPLE_RATE  # samples of a window, filled up with silence


@dataclass(frozen=True, slots=True)
class PromptBatch:
    """Prompts of consecutive slots, a row each."""

    first: int  # slot of the first row
    ids: Integers  # (rows, tokens), shorter prompts filled up at their end
    lengths: Integers  # (rows,): tokens of each prompt, at least 1
    position: Integers  # (rows,): where each prompt begins in its slot
    at: Integers  # (rows,): the token whose output distribution is read
    frames: Integers  # (rows,): of the window that are attended to

    @property
    def last(self) -> Integers:
        """(rows,): what each slot's next step is fed with."""
        last: Integers = self.ids[np.arange(len(self.ids)), self.lengths - 1]
        return last


@dataclass(frozen=True, slots=True)
class PrefillOutput:
    """Probabilities right after the token `at` of each row."""

    language: Floats  # (rows, languages), softmax over the language tokens
    no_speech: Floats  # (rows,), 0..1


@dataclass(frozen=True, slots=True)
class DraftPass:
    """What one slot may be about to say."""

    slot: int
    ids: Integers  # (tokens,): what is fed, first the token or tokens that it is known to begin with
    position: int  # where the first of them stands
    rows: int  # of the last tokens, what follows is chosen
    first: bool  # whether the first of these choices is the first after a prompt
    frames: int  # of the window that are attended to
    biases: Sequence[TokenBias | None]  # (rows,)


@dataclass(frozen=True, slots=True)
class DecoderBatch:
    """One step of the first slots, a row each; inactive rows run along and keep their token."""

    position: Integers  # (rows,): where the token stands that is fed
    forced: Integers  # (rows,): token of a prompt that is fed, or CHOSEN
    length: Integers  # (rows,): tokens that are attended to: position + 1, or 1 of a row that only runs along
    frames: Integers  # (rows,): of the window, likewise
    active: NDArray[np.bool_]  # (rows,): whether it chooses a token
    first: NDArray[np.bool_]  # (rows,): whether that is the first after a prompt
    temperature: Floats  # (rows,), 0 is argmax
    draw: Floats  # (rows,), uniform in [0, 1)
    biases: Sequence[TokenBias | None]  # (rows,)

    def __len__(self) -> int:
        return len(self.position)


class Runner(Protocol):
    slots: int
    contexts: tuple[int, ...]  # frames that a window may be encoded with, the fewest first
    encode_batch: int  # windows per `encode` at most
    prefill_batch: int  # rows per `prefill` at most
    draft_rows: int  # choices per `verify` at most
    lookahead: int  # steps that may be in flight when the next is launched

    @property
    def captured(self) -> bool:
        """Whether a step is replayed as a CUDA graph."""

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], context: int) -> None:
        """Fills the cross-attention of any slots, each from its window, which is no longer than the context."""

    def encoded(self, slot: int) -> bool:
        """Whether that is done, so that `prefill` of the slot waits for nothing else."""

    def prefill(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        """Writes the prompts' tokens into the slots' caches, a pass a batch, and waits for the probabilities once."""

    def step(self, rows: DecoderBatch) -> PendingStep:
        """Feeds each slot's last token; active rows choose the next. The result has all rows."""

    def verify(self, draft: DraftPass) -> Step:
        """Writes the draft's tokens into the slot's cache and waits for what would be chosen after each: (rows,)."""

    def keep(self, slot: int, row: int) -> None:
        """The slot's next step is fed with the choice of this row of the draft that was verified last."""

    def fetch_alignment(self, slot: int, tokens: tuple[int, int], frames: int) -> PendingAlignment:
        """Alignment weights of some of the slot's tokens, from the first to before the last: (heads, tokens, frames).

        The steps that wrote them were read. What is enqueued later does not touch what is fetched.
        """

    def close(self) -> None:
        """Gives all memory back."""


def fill_windows(windows: NDArray[np.int16], audio: Sequence[Pcm]) -> None:
    """Writes audio into (rows, samples), silence behind it."""
    for row, pcm in zip(windows, audio, strict=True):
        row[: len(pcm)] = pcm
        row[len(pcm) :] = 0


def buckets(slots: int) -> list[int]:
    """How many rows a step can have: powers of two, from 8 on also what lies in their middle, then all."""
    powers = [2**power for power in range(slots.bit_length())]
    between = [power * 3 // 2 for power in powers if power >= FEW_ROWS]
    return [*(count for count in sorted(powers + between) if count < slots), slots]
