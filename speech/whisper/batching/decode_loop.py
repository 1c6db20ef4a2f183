"""The decode loop over an engine's slots: encode, detect the language, read the prompt, step, judge, try again.

No threads and no waiting: the scheduler calls `admit` and `step` in turn and takes the outcome.
"""

from __future__ import annotations

import logging
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from speech.whisper.batching.rules import FallbackSchedule, short_context, token_limit
from speech.whisper.batching.sequence import Hypothesis, Sequence, State
from speech.whisper.batching.slot_state import FinishedText, InFlightStep, Slots, SlotStates
from speech.whisper.batching.statistics import Statistics
from speech.whisper.batching.term_bias import TermTries
from speech.whisper.batching.text_alignment import TextAlignment
from speech.whisper.batching.text_judge import TextJudge
from speech.whisper.batching.window_beginning import WindowBeginning
from speech.whisper.batching.window_languages import WindowLanguages
from speech.whisper.engine import GREEDY, Engine, EngineError, PendingAlignment, Sampling
from speech.whisper.tokenizer import Tokenizer

log = logging.getLogger(__name__)


@dataclass(slots=True)
class StepOutcome:
    """Sequences that gave their slots back."""

    answered: list[tuple[Sequence, Hypothesis]] = field(default_factory=list)
    failed: list[tuple[Sequence, Exception]] = field(default_factory=list)
    returned: list[Sequence] = field(default_factory=list)  # to be queued again: the engine failed once


class DecodeLoop:
    """Drives one engine. One thread only."""

    def __init__(
        self, engine: Engine, tokenizer: Tokenizer, schedule: FallbackSchedule, statistics: Statistics
    ) -> None:
        self._engine = engine
        self._tokenizer = tokenizer
        self._statistics = statistics
        self._tries = TermTries(tokenizer)
        self._judge = TextJudge(tokenizer, schedule, self._tries, engine.dimensions.n_audio_ctx)
        self._languages = WindowLanguages(engine, tokenizer)
        self._beginning = WindowBeginning(engine, tokenizer)
        self._slot_states = SlotStates(engine.slots, engine.dimensions.n_text_ctx, tokenizer.special.end_of_text)
        self._in_flight: deque[InFlightStep] = deque()
        self._outcome = StepOutcome()
        self.occupied: dict[int, Sequence] = {}  # by slot, in order of admission

    def take_outcome(self) -> StepOutcome:
        """What gave its slot back since the last call."""
        outcome, self._outcome = self._outcome, StepOutcome()
        return outcome

    def release(self, sequence: Sequence, state: State = State.DONE) -> None:
        """Frees the sequence's slot; steps in flight for it are discarded."""
        sequence.move(state)
        self._slot_states.discard(sequence.slot)
        del self.occupied[sequence.slot]

    def fail_all(self, error: Exception) -> None:
        """Fails everything in the slots."""
        self._in_flight.clear()
        for sequence in list(self.occupied.values()):
            self._fail(sequence, error)

    def runnable(self, live_only: bool) -> Slots:
        """The slots that may take another step, in order of admission; if asked, of live windows alone."""
        decoding = (each for each in self.occupied.values() if each.state is State.DECODING)
        slots = [each.slot for each in decoding if each.live or not live_only]
        return self._slot_states.runnable(np.asarray(slots, dtype=np.intp))

    # Audio and prompts into slots

    def admit(self, new: list[Sequence]) -> None:
        """Encodes new windows in their slots, prepares those to be tried again, and reads the prompts of all that are
        encoded: an engine may encode beside the steps of others.
        """
        retries = [each for each in self.occupied.values() if each.state is State.RETRY]
        self.occupied |= {sequence.slot: sequence for sequence in new}
        encode: list[Sequence] = []
        for sequence in [*new, *retries]:
            context = self._context(sequence)
            if context > sequence.context:
                sequence.context = context
                encode.append(sequence)
            else:
                self._engine.rewind(sequence.slot)
        size = self._engine.encode_batch
        for first in range(0, len(encode), size):
            self._encode(encode[first : first + size])
        encoded = self._encoded()
        self._detect_language([each for each in encoded if each.state is State.PREFILL and not each.language])
        self._read_prompts([each for each in encoded if each.state in (State.RETRY, State.PREFILL)])

    def _encoded(self) -> list[Sequence]:
        """Whose prompts can be read now: all, if nobody else has anything to do meanwhile."""
        waiting = [each for each in self.occupied.values() if each.state in (State.RETRY, State.PREFILL)]
        encoded = [each for each in waiting if self._engine.encoded(each.slot)]
        busy = any(each.state is State.DECODING for each in self.occupied.values())
        return encoded if busy else waiting

    def _context(self, sequence: Sequence) -> int:
        whole = self._engine.dimensions.n_audio_ctx
        if sequence.attempt.whole_context:
            return whole
        return self._engine.context(short_context(len(sequence.request.audio), whole))

    def _encode(self, batch: list[Sequence]) -> None:
        """Fills the slots; if the engine fails on the batch, each alone: only the culprit fails."""
        audio = [each.request.audio for each in batch]
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

    def _detect_language(self, batch: list[Sequence]) -> None:
        if not self._tokenizer.multilingual:
            for sequence in batch:
                sequence.language = "en"
            return
        if not batch:
            return
        start = [self._tokenizer.special.start_of_transcript]
        try:
            parts = [self._languages.of_parts(each) for each in batch]
            prefills = self._engine.prefill([each.slot for each in batch], [start] * len(batch))
        except EngineError as error:
            self._return(batch, error)
            return
        for sequence, prefill, of_parts in zip(batch, prefills, parts, strict=True):
            self._languages.decide(sequence, prefill, of_parts)
            if sequence.attempt.prompted:  # the caller's prompt comes before the start
                self._engine.rewind(sequence.slot)
            else:
                sequence.prefilled = 1

    def _read_prompts(self, batch: list[Sequence]) -> None:
        if not batch:
            return
        prompts = [self._beginning.prompt(each) for each in batch]
        rest = [prompt[each.prefilled :] for prompt, each in zip(prompts, batch, strict=True)]
        try:
            prefills = self._engine.prefill([each.slot for each in batch], rest)
        except EngineError as error:
            self._return(batch, error)
            return
        for sequence, prompt, prefill in zip(batch, prompts, prefills, strict=True):
            if not sequence.prefilled:
                sequence.no_speech = round(float(prefill.no_speech_probability), 4)
            sequence.prefilled = 0
            self._slot_states.begin(
                sequence.slot, token_limit(self._engine.dimensions.n_text_ctx, prompt), prefill.unread
            )
            sequence.move(State.DECODING)
        for sequence in batch:
            self._follow_draft(sequence)

    def _follow_draft(self, sequence: Sequence) -> None:
        """The steps that the request foretells, all at once. One engine call serves one slot."""
        draft = self._beginning.draft(sequence, self._slot_states.room(sequence.slot) - 1)
        if not draft:
            return
        trie = self._tries.of(sequence.terms)
        sampling = [GREEDY] * (len(draft) + 1)
        if trie is not None:
            sampling = [Sampling(bias=trie.bias(draft[:count])) for count in range(len(draft) + 1)]
        try:
            step = self._engine.verify(sequence.slot, draft, sampling)
        except EngineError as error:
            self._return([sequence], error)
            return
        self._statistics.stepped(len(step.tokens))
        for finished in self._slot_states.follow(sequence.slot, step):
            self._finish(finished)

    # Steps

    def step(self, slots: Slots) -> None:
        """Launches a step of the slots, if any, and reads the oldest one that is due."""
        try:
            if slots.size:
                rows = slots.tolist()
                pending = self._engine.step(rows, [self._sampling(self.occupied[slot]) for slot in rows])
                self._in_flight.append(self._slot_states.launch(pending, slots))
                self._statistics.stepped(len(rows))
            if self._in_flight and (len(self._in_flight) > self._engine.lookahead or not slots.size):
                oldest = self._in_flight.popleft()
                for finished in self._slot_states.read(oldest, oldest.pending.result()):
                    self._finish(finished)
        except EngineError as error:
            self._in_flight.clear()
            self._return([each for each in self.occupied.values() if each.state is State.DECODING], error)

    def _sampling(self, sequence: Sequence) -> Sampling:
        temperature, trie, bias = sequence.attempt.temperature, self._tries.of(sequence.terms), None
        if trie is not None:
            text = self._slot_states.text(sequence.slot)
            bias = trie.bias_ahead(text) if self._slot_states.is_ahead(sequence.slot) else trie.bias(text)
        if not temperature:
            return GREEDY if bias is None else Sampling(bias=bias)
        return Sampling(temperature, float(sequence.random.random()), bias)

    def _finish(self, finished: FinishedText) -> None:
        """A text is complete: it is the answer, or the window is tried again."""
        sequence = self.occupied[finished.slot]
        self._statistics.decoded(len(finished.tokens))
        best, attempt = self._judge.next_attempt(sequence, finished, self._alignment(finished, sequence.frames))
        if attempt is None:
            self.release(sequence)
            self._outcome.answered.append((sequence, best))
        else:
            self._statistics.fallbacks += 1
            sequence.attempt = attempt
            sequence.move(State.RETRY)
            self._slot_states.discard(sequence.slot)

    def _alignment(self, finished: FinishedText, frames: int) -> PendingAlignment:
        fetched = self._engine.fetch_alignment(finished.slot, len(finished.tokens) + finished.steps_after, frames)
        return TextAlignment(fetched, len(finished.tokens), finished.stop)

    # Failures

    def _return(self, batch: list[Sequence], error: EngineError) -> None:
        """The engine failed on these slots: each window is decoded once more from its audio, then fails."""
        for sequence in batch:
            sequence.engine_failures += 1
            sequence.prefilled = sequence.context = 0
            if sequence.engine_failures > 1:
                self._fail(sequence, error)
            else:
                log.warning("the engine failed; a window is decoded again: %s", error)
                self.release(sequence, State.WAITING)
                self._outcome.returned.append(sequence)

    def _fail(self, sequence: Sequence, error: Exception) -> None:
        self.release(sequence)
        self._outcome.failed.append((sequence, error))
