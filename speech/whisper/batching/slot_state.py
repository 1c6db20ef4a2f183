"""What every slot has said so far: arrays over all slots, a few vector operations a step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.whisper.batching.rules import RepetitionDetector, StopReason
from speech.whisper.engine import PendingStep, Step

Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class InFlightStep:
    """A step on its way."""

    pending: PendingStep
    slots: Slots  # (rows,)
    texts: NDArray[np.int64]  # (rows,): which text of the slot the step belongs to


@dataclass(frozen=True, slots=True)
class FinishedText:
    """A text that is complete, for better or worse."""

    slot: int
    stop: StopReason
    tokens: NDArray[np.int32]  # (n,), without <|endoftext|> and without a loop's repetitions
    logprobs: NDArray[np.float32]  # (n,), natural log
    average_logprob: float  # over all that was decoded, <|endoftext|> among it
    steps_after: int  # steps of the slot, read or on their way, after the last of `tokens`


class SlotStates:
    """Tokens and log-probabilities per slot, and where each stands."""

    def __init__(self, slots: int, text_context: int, end: int) -> None:
        self._end = end
        self._tokens = np.zeros((slots, text_context), dtype=np.int32)
        self._logprobs = np.zeros((slots, text_context), dtype=np.float32)
        self._length = np.zeros(slots, dtype=np.intp)
        self._launched = np.zeros(slots, dtype=np.intp)
        self._cap = np.zeros(slots, dtype=np.intp)
        self._text = np.zeros(slots, dtype=np.int64)  # counts the texts begun in each slot
        self._loops = RepetitionDetector(slots)

    def begin(self, slot: int, cap: int) -> None:
        """A new text of at most `cap` tokens begins; steps still on their way for the slot are void."""
        self._text[slot] += 1
        self._length[slot] = 0
        self._launched[slot] = 0
        self._cap[slot] = cap
        self._loops.clear(slot)

    def void(self, slot: int) -> None:
        """The slot's text is given up: no more steps, none read."""
        self.begin(slot, cap=0)

    def runnable(self, slots: Slots) -> Slots:
        """Those of the slots that may take another step."""
        return slots[self._launched[slots] < self._cap[slots]]

    def launch(self, pending: PendingStep, slots: Slots) -> InFlightStep:
        """Notes a step on its way."""
        self._launched[slots] += 1
        return InFlightStep(pending, slots, self._text[slots])

    def read(self, launched: InFlightStep, step: Step) -> list[FinishedText]:
        """Takes a step's tokens in; returns the texts that it ended."""
        current = self._text[launched.slots] == launched.texts
        slots = launched.slots[current]
        if not slots.size:
            return []
        tokens = step.tokens[current]
        position = self._length[slots]
        self._tokens[slots, position] = tokens
        self._logprobs[slots, position] = step.logprobs[current]
        self._length[slots] = position + 1
        periods = self._loops.update(slots, self._tokens, position)
        ended = tokens == self._end
        full = position + 1 >= self._cap[slots]
        over = np.flatnonzero(ended | full | (periods > 0))
        return [self._ended(int(slots[row]), bool(ended[row]), int(periods[row])) for row in over]

    def _ended(self, slot: int, ended: bool, period: int) -> FinishedText:
        length = int(self._length[slot])
        if ended:
            stop, count = StopReason.END, length - 1
        elif period:
            stop, count = StopReason.LOOP, length - self._loops.excess(slot, period)
        else:
            stop, count = StopReason.CAP, length
        logprobs = self._logprobs[slot, :length]
        return FinishedText(
            slot=slot,
            stop=stop,
            tokens=self._tokens[slot, :count].copy(),
            logprobs=logprobs[:count].copy(),
            average_logprob=float(logprobs.mean()),
            steps_after=int(self._launched[slot]) - count,
        )


def as_slots(slots: Sequence[int]) -> Slots:
    return np.asarray(slots, dtype=np.intp)
