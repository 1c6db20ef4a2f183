"""Windows in the engine's slots: encode, detect the language, read the prompt, step, judge, try again.

No threads and no waiting: the scheduler calls `admit` and `step` in turn and takes away what they settled.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speech.audio import to_samples
from speech.whisper.batching.rules import (
    Attempt,
    FallbackSchedule,
    StopReason,
    cap,
    judge,
    previous_tokens,
    short_context,
    start_tokens,
)
from speech.whisper.batching.sequence import Hypothesis, Sequence
from speech.whisper.batching.slot_state import FinishedText, InFlightStep, Slots, SlotStates
from speech.whisper.batching.statistics import Statistics
from speech.whisper.engine import GREEDY, Engine, EngineError, Sampling
from speech.whisper.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class StepOutcome:
    """Sequences that left their slots."""

    answered: list[tuple[Sequence, Hypothesis]] = field(default_factory=list)
    failed: list[tuple[Sequence, Exception]] = field(default_factory=list)
    returned: list[Sequence] = field(default_factory=list)  # to be queued again: the engine failed once


class DecodeLoop:
    """Drives one engine. One thread only."""

    def __init__(self, engine: Engine, tokenizer: Tokenizer, ladder: FallbackSchedule, statistics: Statistics) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._ladder = ladder
        self._statistics = statistics
        self._board = SlotStates(engine.slots, engine.dimensions.n_text_ctx, tokenizer.special.end)
        self._decoding: list[int] = []  # slots, in order of admission
        self._again: list[Sequence] = []  # in a slot, to be decoded once more
        self._launched: deque[InFlightStep] = deque()
        self._settled = StepOutcome()
        self.held: dict[int, Sequence] = {}  # by slot

    def settled(self) -> StepOutcome:
        """What left its slot since the last call."""
        settled, self._settled = self._settled, StepOutcome()
        return settled

    def leave(self, sequence: Sequence) -> None:
        """Frees the sequence's slot; steps on their way for it are void."""
        self._board.void(sequence.slot)
        del self.held[sequence.slot]
        self._decoding = [slot for slot in self._decoding if slot != sequence.slot]
        self._again = [each for each in self._again if each is not sequence]

    def fail_all(self, error: Exception) -> None:
        """Gives up everything in the slots."""
        self._launched.clear()
        for sequence in list(self.held.values()):
            self._fail(sequence, error)

    def decoding(self, live_only: bool) -> Slots:
        """The slots that may take another step, in order of admission; if asked, of live windows alone."""
        slots = [slot for slot in self._decoding if not live_only or self.held[slot].live]
        return self._board.runnable(np.asarray(slots, dtype=np.intp))

    # Audio and prompts into slots

    def admit(self, new: list[Sequence]) -> None:
        """Encodes new windows in their slots, prepares those to be tried again, reads all their prompts."""
        again, self._again = self._again, []
        encode: list[Sequence] = []
        for sequence in new:
            sequence.context = self._context(sequence)
            self.held[sequence.slot] = sequence
            encode.append(sequence)
        for sequence in again:
            if self._context(sequence) > sequence.context:
                sequence.context = self._context(sequence)
                encode.append(sequence)
            else:
                self._engine.rewind(sequence.slot)
        size = self._engine.encode_batch
        for first in range(0, len(encode), size):
            self._encode(encode[first : first + size])
        self._detect([each for each in self._still(new) if not each.language])
        self._read_prompts(self._still([*again, *new]))

    def _context(self, sequence: Sequence) -> int:
        whole = self._engine.dimensions.n_audio_ctx
        if sequence.attempt.whole_context or not self._engine.short_contexts:
            return whole
        return short_context(len(sequence.request.audio), whole)

    def _still(self, batch: list[Sequence]) -> list[Sequence]:
        return [each for each in batch if self.held.get(each.slot) is each]

    def _encode(self, batch: list[Sequence]) -> None:
        """Fills the slots; if the engine fails on the batch, each alone: only the culprit fails."""
        audio = [to_samples(each.request.audio) for each in batch]
        try:
            self._engine.encode([each.slot for each in batch], audio, [each.context for each in batch])
        except EngineError as error:
            if len(batch) == 1:
                self._fail(batch[0], error)
                return
            for sequence in batch:
                self._encode([sequence])
        else:
            self._statistics.encoded(len(batch), sum(each.request.seconds for each in batch))

    def _detect(self, batch: list[Sequence]) -> None:
        if not self._tokenizer.multilingual:
            for sequence in batch:
                sequence.language = "en"
            return
        if not batch:
            return
        start = [self._tokenizer.special.start]
        try:
            told = self._engine.prefill([each.slot for each in batch], [start] * len(batch))
        except EngineError as error:
            self._return(batch, error)
            return
        for sequence, prefill in zip(batch, told, strict=True):
            best = int(np.argmax(prefill.language_probabilities))
            sequence.language = self._tokenizer.languages[best]
            sequence.language_probability = round(float(prefill.language_probabilities[best]), 4)
            sequence.no_speech = round(float(prefill.no_speech_probability), 4)
            if sequence.attempt.prompted:  # the caller's prompt comes before the start
                self._engine.rewind(sequence.slot)
            else:
                sequence.prefilled = 1

    def _read_prompts(self, batch: list[Sequence]) -> None:
        if not batch:
            return
        prompts = [self._prompt(each) for each in batch]
        rest = [prompt[each.prefilled :] for prompt, each in zip(prompts, batch, strict=True)]
        try:
            told = self._engine.prefill([each.slot for each in batch], rest)
        except EngineError as error:
            self._return(batch, error)
            return
        for sequence, prompt, prefill in zip(batch, prompts, told, strict=True):
            if not sequence.prefilled:
                sequence.no_speech = round(float(prefill.no_speech_probability), 4)
            sequence.prefilled = 0
            self._board.begin(sequence.slot, cap(self._engine.dimensions.n_text_ctx, prompt))
            self._decoding.append(sequence.slot)

    def _prompt(self, sequence: Sequence) -> list[int]:
        before: list[int] = []
        if sequence.attempt.prompted:
            context = self._engine.dimensions.n_text_ctx
            before = previous_tokens(self._tokenizer, sequence.request.prompt, context)
        return [*before, self._tokenizer.special.start, *start_tokens(self._tokenizer, sequence.language)]

    # Steps

    def step(self, slots: Slots) -> None:
        """Launches a step of the slots, if any, and reads the oldest one that is due."""
        try:
            if slots.size:
                rows = slots.tolist()
                pending = self._engine.step(rows, [_sampling(self.held[slot]) for slot in rows])
                self._launched.append(self._board.launch(pending, slots))
                self._statistics.stepped(len(rows))
            if self._launched and (len(self._launched) > self._engine.lookahead or not slots.size):
                oldest = self._launched.popleft()
                for ended in self._board.read(oldest, oldest.pending.result()):
                    self._end(ended)
        except EngineError as error:
            self._launched.clear()
            self._return([self.held[slot] for slot in self._decoding], error)

    def _end(self, ended: FinishedText) -> None:
        """A text is complete: it is the answer, or the window is tried again."""
        sequence = self.held[ended.slot]
        text = self._tokenizer.decode(ended.tokens.tolist())
        verdict = judge(text, ended.average_logprob, sequence.no_speech, ended.stop)
        self._statistics.decoded(len(ended.tokens))
        candidate = Hypothesis(
            verdict=verdict,
            stop=ended.stop,
            temperature=sequence.attempt.temperature,
            tokens=ended.tokens,
            logprobs=ended.logprobs,
            average_logprob=ended.average_logprob,
            alignment=self._alignment(ended, sequence.frames),
        )
        best = sequence.offer(candidate)
        attempt = self._ladder.next(sequence.attempt, verdict, sequence.context >= self._engine.dimensions.n_audio_ctx)
        if attempt is None:
            self.leave(sequence)
            self._settled.answered.append((sequence, best))
        else:
            self._try(sequence, attempt)

    def _try(self, sequence: Sequence, attempt: Attempt) -> None:
        self._statistics.fallbacks += 1
        sequence.attempt = attempt
        self._board.void(sequence.slot)
        self._decoding.remove(sequence.slot)
        self._again.append(sequence)

    def _alignment(self, ended: FinishedText, frames: int) -> NDArray[np.float32]:
        """(heads, n + 1, frames): the rows that predicted the n tokens and what followed them."""
        count = len(ended.tokens)
        rows = self._engine.alignment(ended.slot, count + ended.steps_after, frames)[:, : count + 1]
        if ended.stop is StopReason.CAP and rows.shape[1] == count:
            return np.concatenate([rows, rows[:, -1:]], axis=1)
        return np.ascontiguousarray(rows)

    # Failures

    def _return(self, batch: list[Sequence], error: EngineError) -> None:
        """The engine failed on these slots: each window is decoded once more from its audio, then fails."""
        for sequence in batch:
            sequence.engine_failures += 1
            sequence.prefilled = 0
            if sequence.engine_failures > 1:
                self._fail(sequence, error)
            else:
                log.warning("the engine failed; a window is decoded again: %s", error)
                self.leave(sequence)
                self._settled.returned.append(sequence)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self.leave(sequence)
        self._settled.failed.append((sequence, error))


def _sampling(sequence: Sequence) -> Sampling:
    temperature = sequence.attempt.temperature
    return Sampling(temperature, float(sequence.draws.random())) if temperature else GREEDY
