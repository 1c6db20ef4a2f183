"""The decoder's state per slot, as arrays over all slots: a few vector operations a step."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.whisper.batching.rules import RepetitionDetector, StopReason
from speech.whisper.engine import CompletedStep, PendingStep, Step

Slots = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class InFlightStep:
    """A step that was launched and not yet read."""

    pending: PendingStep
    slots: Slots  # (rows,)
    generations: NDArray[np.int64]  # (rows,): of each slot when the step was launched
    reading: NDArray[np.bool_]  # (rows,): whether it only read a token of the slot's prompt


@dataclass(frozen=True, slots=True)
class FinishedText:
    """A text that is complete, for better or worse."""

    slot: int
    stop: StopReason
    tokens: NDArray[np.int32]  # (n,), without <|endoftext|> and without a loop's repetitions
    logprobs: NDArray[np.float32]  # (n,), natural log
    average_logprob: float  # over all that was decoded, <|endoftext|> among it
    end_logprob: float  # of <|endoftext|>; -inf where something else ended it
    steps_after: int  # steps of the slot, read or in flight, after the last of `tokens`


class SlotStates:
    """Tokens and log-probabilities per slot, and how far each is.

    A slot's generation counts the texts begun in it: a step in flight of an older generation is discarded.
    """

    def __init__(self, slots: int, text_context: int, end_of_text: int) -> None:
        self._end_of_text = end_of_text
        self._tokens = np.zeros((slots, text_context), dtype=np.int32)
        self._logprobs = np.zeros((slots, text_context), dtype=np.float32)
        self._length = np.zeros(slots, dtype=np.intp)  # tokens read
        self._launched = np.zeros(slots, dtype=np.intp)  # steps, read or in flight
        self._unread = np.zeros(slots, dtype=np.intp)  # steps that only read the prompt, not yet launched
        self._limit = np.zeros(slots, dtype=np.intp)  # tokens
        self._generation = np.zeros(slots, dtype=np.int64)
        self._repetition = RepetitionDetector(slots)

    def begin(self, slot: int, limit: int, unread: int = 0) -> None:
        """A new text of at most `limit` tokens begins, after so many steps that read its prompt; steps in flight for
        the slot are discarded.
        """
        self._generation[slot] += 1
        self._length[slot] = 0
        self._launched[slot] = 0
        self._unread[slot] = unread
        self._limit[slot] = limit
        self._repetition.clear(slot)

    def discard(self, slot: int) -> None:
        """The slot's text is given up: no more steps, none read."""
        self.begin(slot, limit=0)

    def runnable(self, slots: Slots) -> Slots:
        """Those of the slots that may take another step."""
        return slots[self._launched[slots] < self._limit[slots]]

    def room(self, slot: int) -> int:
        """Tokens that its text may still have."""
        return int(self._limit[slot] - self._length[slot])

    def text(self, slot: int) -> list[int]:
        """The tokens that were read."""
        tokens: list[int] = self._tokens[slot, : self._length[slot]].tolist()
        return tokens

    def is_ahead(self, slot: int) -> bool:
        """Whether a step of the text is in flight: its token will stand behind `text`."""
        return bool(self._launched[slot] > self._length[slot])

    def launch(self, pending: PendingStep, slots: Slots) -> InFlightStep:
        """Notes a step that was launched."""
        reading = self._unread[slots] > 0
        self._unread[slots] -= reading
        self._launched[slots] += ~reading
        return InFlightStep(pending, slots, self._generation[slots], reading)

    def read(self, launched: InFlightStep, step: Step) -> list[FinishedText]:
        """Takes a step's tokens in; returns the texts that it finished."""
        current = (self._generation[launched.slots] == launched.generations) & ~launched.reading
        slots = launched.slots[current]
        if not slots.size:
            return []
        tokens = step.tokens[current]
        position = self._length[slots]
        self._tokens[slots, position] = tokens
        self._logprobs[slots, position] = step.logprobs[current]
        self._length[slots] = position + 1
        periods = self._repetition.update(slots, self._tokens, position)
        ended = tokens == self._end_of_text
        full = position + 1 >= self._limit[slots]
        over = np.flatnonzero(ended | full | (periods > 0))
        return [self._finished(int(slots[row]), bool(ended[row]), int(periods[row])) for row in over]

    def follow(self, slot: int, step: Step) -> list[FinishedText]:
        """Takes in several steps of one slot, a row each, that were taken at once and have read the rest of its prompt;
        returns the text if they end it.
        """
        self._unread[slot] = 0
        slots, rows = np.array([slot], dtype=np.intp), range(len(step.tokens))
        pending = [CompletedStep(Step(step.tokens[row : row + 1], step.logprobs[row : row + 1])) for row in rows]
        for launched in [self.launch(each, slots) for each in pending]:
            if finished := self.read(launched, launched.pending.result()):
                return finished
        return []

    def _finished(self, slot: int, ended: bool, period: int) -> FinishedText:
        length = int(self._length[slot])
        if ended:
            stop, count = StopReason.END_OF_TEXT, length - 1
        elif period:
            stop, count = StopReason.REPETITION, length - self._repetition.excess(slot, period)
        else:
            stop, count = StopReason.TOKEN_LIMIT, length
        logprobs = self._logprobs[slot, :length]
        return FinishedText(
            slot=slot,
            stop=stop,
            tokens=self._tokens[slot, :count].copy(),
            logprobs=logprobs[:count].copy(),
            average_logprob=float(logprobs.mean()),
            end_logprob=float(logprobs[-1]) if ended else -math.inf,
            steps_after=int(self._launched[slot]) - count,
        )
