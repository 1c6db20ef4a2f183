"""Where each slot of a GPU's decoder stands, and the rows of a step or a pass that follow from it.

A slot's last token may be chosen and not yet in its cache; tokens of its prompt may wait to be read by steps. What
lies in a cache behind a slot's position is never read, so a slot is emptied by setting its position back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from speech.whisper.engine import EngineError, Sampling, TokenBias
from speech.whisper.gpu.runner import CHOSEN, DecoderBatch, DraftPass, PromptBatch, buckets

EMPTY = -1  # position of a slot that was fed nothing


class DecoderState:
    """slots: how many; frames: of a whole window; text: tokens that a slot has room for"""

    def __init__(self, slots: int, frames: int, text: int) -> None:
        self.slots = slots
        self.frames = np.full(slots, frames)  # of the slot's window
        self.position = np.full(slots, EMPTY, np.int64)  # where the slot's last token stands
        self.unfed = np.zeros(slots, bool)  # the last token was chosen and is not yet in the cache
        self.forced: list[list[int]] = [[] for _ in range(slots)]  # tokens of prompts that steps are to read
        self._first = np.ones(slots, bool)  # no token was chosen since the prompt
        self._biases: list[TokenBias | None] = [None] * slots  # of each slot's last step
        self._text = text

    def empty(self, slot: int) -> None:
        self.position[slot] = EMPTY
        self.unfed[slot] = False
        self.forced[slot].clear()
        self._first[slot] = True
        self._biases[slot] = None

    def check_steps(self, slots: Sequence[int]) -> None:
        """Raises EngineError where one of them cannot step."""
        for slot in slots:
            if self.position[slot] == EMPTY and not self.forced[slot]:
                raise EngineError(f"slot {slot} holds no prompt")
            self.check_length(slot, int(self.position[slot]) + 2)

    def check_length(self, slot: int, tokens: int) -> None:
        """Raises EngineError."""
        if tokens > self._text:
            raise EngineError(f"slot {slot} is full: no room for {tokens} tokens")

    def force(self, slot: int, tokens: Sequence[int]) -> None:
        """Leaves them to the steps to come."""
        if tokens:
            self.check_length(slot, int(self.position[slot]) + 1 + len(self.forced[slot]) + len(tokens))
            self.forced[slot] += tokens
            self._first[slot] = True

    def step_batch(self, chosen: NDArray[np.intp], sampling: Sequence[Sampling]) -> DecoderBatch:
        """The first 1, 2, 4 … slots, as few as cover those that step. Advances those that read a token of a prompt."""
        count = next(each for each in buckets(self.slots) if each > chosen.max(initial=0))
        for slot, how in zip(chosen.tolist(), sampling, strict=True):
            self._biases[slot] = how.bias
        forced = np.full(count, CHOSEN, np.int64)
        reading = [slot for slot in chosen.tolist() if self.forced[slot]]
        for slot in reading:
            forced[slot] = self.forced[slot].pop(0)
            self.position[slot] += 1
        rows = DecoderBatch(
            position=np.maximum(self.position[:count], 0),
            forced=forced,
            length=np.ones(count, np.int64),
            frames=np.ones(count, np.int64),
            active=np.zeros(count, bool),
            first=self._first[:count].copy(),
            temperature=np.zeros(count, np.float32),
            draw=np.zeros(count, np.float32),
            biases=self._biases[:count],
        )
        rows.length[chosen] = rows.position[chosen] + 1
        rows.frames[chosen] = self.frames[chosen]
        rows.active[chosen] = [not self.forced[slot] for slot in chosen.tolist()]
        rows.temperature[chosen] = [each.temperature for each in sampling]
        rows.draw[chosen] = [each.draw for each in sampling]
        return rows

    def choose(self, slots: NDArray[np.intp]) -> None:
        """They chose a token each."""
        self.position[slots] += 1
        self.unfed[slots] = True
        self._first[slots] = False

    def consecutive(self, prompt_of: dict[int, Sequence[int]], most: int) -> Iterator[list[int]]:
        """Slots that follow each other, as many as a pass takes, whose caches have room for the longest prompt."""
        run: list[int] = []
        for slot in sorted(prompt_of):
            longer = [*run, slot]
            longest = max(len(prompt_of[each]) for each in longer)
            end = int(self.position[longer].max()) + 1 + longest
            fits = len(longer) <= most and end <= self._text
            if run and not (fits and slot == run[-1] + 1):
                yield run
                run = []
            run.append(slot)
        if run:
            yield run

    def prompt_batch(self, run: list[int], prompts: list[Sequence[int]], start: int) -> PromptBatch:
        """Advances the slots. start: the token at which language and silence are asked"""
        begin = self.position[run] + 1
        lengths = np.array([len(prompt) for prompt in prompts])
        for slot, end in zip(run, begin + lengths, strict=True):
            self.check_length(slot, int(end))
        ids = np.array([[*prompt, *[prompt[-1]] * (lengths.max() - len(prompt))] for prompt in prompts])
        at = np.array([list(prompt).index(start) if start in prompt else 0 for prompt in prompts])
        self.position[run] += lengths
        self._first[run] = True
        return PromptBatch(run[0], ids, lengths, begin, at, self.frames[run])

    def draft_pass(self, slot: int, known: list[int], part: list[int], biases: Sequence[TokenBias | None]) -> DraftPass:
        """known: what a pass begins with, of the prompt or chosen; part: of the draft, behind it"""
        begin = int(self.position[slot]) + (1 if self.forced[slot] else 0)
        ids = np.array([*known, *part])
        self.check_length(slot, begin + len(ids) + 1)
        return DraftPass(slot, ids, begin, len(part) + 1, bool(self._first[slot]), int(self.frames[slot]), biases)

    def keep(self, draft: DraftPass, known: int, right: int) -> None:
        """A draft was right so far: the token behind that was chosen."""
        self.forced[draft.slot].clear()
        self.position[draft.slot] = draft.position + known + right
        self.unfed[draft.slot], self._first[draft.slot] = True, False
