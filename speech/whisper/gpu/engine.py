"""The engine of a GPU: slots and positions over passes of the exported graphs.

Row = slot. A step runs the first 1, 2, 4 … slots, as few as cover those asked for; rows that are not asked for
write their last token's keys at its place, which the next step of the slot writes anew.
"""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
from numpy.typing import NDArray

from speech.audio import Pcm
from speech.whisper.engine import GREEDY, EngineError, PendingAlignment, PendingStep, Prefill, Sampling, Step, TokenBias
from speech.whisper.gpu.decoder_state import DecoderState
from speech.whisper.gpu.runner import Floats, Runner, buckets
from speech.whisper.manifest import Manifest

NO_PROBABILITIES = Prefill(np.zeros(0, np.float32), 0.0)  # of a prompt without <|startoftranscript|>
OVERFLOW_LOGPROB = -100.0  # where float16 overflowed: the text is not believed
FORCED = 4  # tokens of a prompt that steps read: language, task and the like, but no text


@dataclass(frozen=True, slots=True)
class PendingRows:
    """The rows that were asked for, of a step in flight that computes more."""

    pending: PendingStep
    slots: NDArray[np.intp]

    def result(self) -> Step:
        step = self.pending.result()
        logprobs = np.nan_to_num(step.logprobs[self.slots], nan=OVERFLOW_LOGPROB)
        return Step(step.tokens[self.slots], logprobs)


class GraphEngine:
    """Engine of one exported model over a runner. Not to be called by several threads at once."""

    partial_contexts = False

    def __init__(self, manifest: Manifest, runner: Runner) -> None:
        self.manifest = manifest
        self.dimensions = manifest.dimensions
        self.slots = runner.slots
        self.encode_batch = runner.encode_batch
        self.lookahead = runner.lookahead
        self._runner = runner
        self._state = DecoderState(self.slots, self.dimensions.n_audio_ctx, self.dimensions.n_text_ctx)

    @property
    def captured(self) -> bool:
        """Whether a step is replayed as a CUDA graph."""
        return self._runner.captured

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], contexts: Sequence[int]) -> None:
        """In a pass for each length of the encoder that is needed."""
        for slot, context in zip(slots, contexts, strict=True):
            self.rewind(slot)
            self._state.frames[slot] = self.context(context)
        for length in sorted(set(self._state.frames[list(slots)].tolist())):
            part = {slot: pcm for slot, pcm in zip(slots, audio, strict=True) if self._state.frames[slot] == length}
            self._runner.encode(list(part), list(part.values()), length)

    def context(self, frames: int) -> int:
        return next(each for each in self._runner.contexts if each >= frames)

    def encoded(self, slot: int) -> bool:
        return self._runner.encoded(slot)

    def rewind(self, slot: int) -> None:
        self._state.empty(slot)

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        """What is asked, and long prompts, are read by a pass; the few tokens that say language and task by the steps
        to come, which all slots share.
        """
        asked = {slot: self._split(prompt) for slot, prompt in zip(slots, prompts, strict=True)}
        passing = {slot: head for slot, (head, _) in asked.items() if head}
        self._feed_chosen(slots, passing)
        prefills = {slot: NO_PROBABILITIES for slot in slots}
        prefills.update(self._feed(list(self._state.consecutive(passing, self._runner.prefill_batch)), passing))
        for slot, (_, tail) in asked.items():
            self._state.force(slot, tail)
        return [replace(prefills[slot], unread=max(0, len(self._state.forced[slot]) - 1)) for slot in slots]

    def span_languages(self, slot: int, spans: Sequence[tuple[int, int]]) -> Floats:
        raise EngineError("these graphs attend to a whole window")

    def verify(self, slot: int, draft: Sequence[int], sampling: Sequence[Sampling]) -> Step:
        """A pass reads what is left of the prompt, and the draft. Where nothing is left, a step says first with what a
        pass may begin.
        """
        told, ahead = [], list(draft)
        beginning = [*self._state.forced[slot]]
        if not beginning:
            told.append(self.step([slot], sampling[:1]).result())
            beginning = told[-1].tokens.tolist()
            if beginning != ahead[:1]:
                return told[-1]
            ahead = ahead[1:]
        while True:
            part = ahead[: self._runner.draft_rows - 1]
            biases = [each.bias for each in sampling[len(draft) - len(ahead) :][: len(part) + 1]]
            told.append(self._verify(slot, beginning, part, biases))
            ahead = ahead[len(part) :]
            beginning = told[-1].tokens.tolist()[-1:]
            if len(told[-1].tokens) <= len(part) or beginning != ahead[:1]:
                break
            ahead = ahead[1:]
        return Step(np.concatenate([each.tokens for each in told]), np.concatenate([each.logprobs for each in told]))

    def _verify(self, slot: int, known: list[int], part: list[int], biases: Sequence[TokenBias | None]) -> Step:
        """As many choices as there are right tokens, and one."""
        draft = self._state.draft_pass(slot, known, part, biases)
        step = self._runner.verify(draft)
        differs = np.flatnonzero(step.tokens[:-1] != np.array(part, np.int32))
        right = int(differs[0]) if differs.size else len(part)
        self._runner.keep(slot, right)
        self._state.keep(draft, len(known), right)
        logprobs = np.nan_to_num(step.logprobs[: right + 1], nan=OVERFLOW_LOGPROB)
        return Step(step.tokens[: right + 1], logprobs)

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> PendingRows:
        self._state.check_steps(slots)
        asked = np.asarray(slots, np.intp)
        rows = self._state.step_batch(asked, sampling)
        pending = self._runner.step(rows)
        self._state.choose(asked[rows.active[asked]])
        return PendingRows(pending, asked)

    def fetch_alignment(self, slot: int, tokens: int, frames: int) -> PendingAlignment:
        last = int(self._state.position[slot])  # the token there was chosen, not fed
        return self._runner.fetch_alignment(slot, (last - tokens, last), frames)

    def alignment(self, slot: int, tokens: int, frames: int) -> Floats:
        return self.fetch_alignment(slot, tokens, frames).result()

    def warm_up(self) -> None:
        """Runs every kind of pass once, so that no request waits for what is loaded on first use."""
        start = self.manifest.tokens.start_of_transcript
        batches = sorted({1, self.encode_batch // 2, self.encode_batch} - {0})
        for count, context in product((min(batch, self.slots) for batch in batches), self._runner.contexts):
            slots = range(count)
            self.encode(slots, [np.zeros(0, np.int16)] * count, [context] * count)
            self.prefill(slots, [[start]] * count)
            self.prefill(slots, [[start - 1] * 2 + [start]] * count)  # with a text before it
        self.prefill(range(self.slots), [[start]] * self.slots)
        for rows in (1, self._runner.draft_rows):
            self._verify(0, [start], [start] * (rows - 1), [None] * rows)
        for count in buckets(self.slots):
            self.step(range(count), [GREEDY] * count).result()
        for slot in range(self.slots):
            self.rewind(slot)

    def close(self) -> None:
        self._runner.close()

    def _split(self, prompt: Sequence[int]) -> tuple[Sequence[int], Sequence[int]]:
        """What a pass reads, and what steps do: a pass asks at <|startoftranscript|>, or is worth its while."""
        start = self.manifest.tokens.start_of_transcript
        end = list(prompt).index(start) + 1 if start in prompt else 0
        return (prompt, ()) if len(prompt) - end > FORCED else (prompt[:end], prompt[end:])

    def _feed_chosen(self, slots: Sequence[int], passing: Container[int]) -> None:
        """Puts tokens that the slots chose last into their caches, and what is left of the prompts of those that a
        pass goes on with: steps in which nobody chooses.
        """
        state = self._state
        while unfed := [slot for slot in slots if state.unfed[slot] or (slot in passing and state.forced[slot])]:
            rows = state.step_batch(np.asarray(unfed, np.intp), [GREEDY] * len(unfed))
            rows.active[:] = False
            self._runner.step(rows).result()
            state.unfed[unfed] = False

    def _feed(self, runs: list[list[int]], prompt_of: dict[int, Sequence[int]]) -> dict[int, Prefill]:
        start = self.manifest.tokens.start_of_transcript
        batches = [self._state.prompt_batch(run, [prompt_of[slot] for slot in run], start) for run in runs]
        outputs = self._runner.prefill(batches) if batches else []
        return {
            slot: Prefill(output.language[row, : len(self.manifest.languages)], float(output.no_speech[row]))
            if start in prompt_of[slot]
            else NO_PROBABILITIES
            for run, output in zip(runs, outputs, strict=True)
            for row, slot in enumerate(run)
        }
