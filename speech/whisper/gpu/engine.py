"""The engine of a GPU: slots and positions over passes of the exported graphs.

Row = slot. A step runs the first 1, 2, 4 … slots, as few as cover those asked for; rows that are not asked for
write their last token's keys once more at its place, which changes nothing. What lies in a slot's cache behind its
position is never read, so a slot is emptied by setting its position back.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.audio import Samples
from speech.whisper.engine import GREEDY, EngineError, PendingAlignment, PendingStep, Prefill, Sampling, Step
from speech.whisper.gpu.runner import DecoderBatch, Floats, PromptBatch, Runner, buckets
from speech.whisper.manifest import Manifest

NO_PROBABILITIES = Prefill(np.zeros(0, np.float32), 0.0)  # of a prompt without <|startoftranscript|>
OVERFLOW_LOGPROB = -100.0  # where float16 overflowed: the text is not believed
EMPTY = -1  # position of a slot that was fed nothing


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

    short_contexts = False  # all 30 s are encoded, whatever is asked
    partial_contexts = False

    def __init__(self, manifest: Manifest, runner: Runner) -> None:
        self.manifest = manifest
        self.dimensions = manifest.dimensions
        self.slots = runner.slots
        self.encode_batch = runner.encode_batch
        self.lookahead = runner.lookahead
        self._runner = runner
        self._position = np.full(self.slots, EMPTY, np.int64)  # where the slot's last token stands
        self._unfed = np.zeros(self.slots, bool)  # the last token was chosen and is not yet in the cache
        self._first = np.ones(self.slots, bool)  # no token was chosen since the prompt

    @property
    def captured(self) -> bool:
        """Whether a step is replayed as a CUDA graph."""
        return self._runner.captured

    def encode(self, slots: Sequence[int], audio: Sequence[Samples], contexts: Sequence[int]) -> None:
        for slot in slots:
            self.rewind(slot)
        self._runner.encode(slots, audio)

    def rewind(self, slot: int) -> None:
        self._position[slot] = EMPTY
        self._unfed[slot] = False
        self._first[slot] = True

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        self._feed_chosen(slots)
        prefills = {slot: NO_PROBABILITIES for slot in slots}
        prompt_of = {slot: prompt for slot, prompt in zip(slots, prompts, strict=True) if prompt}
        for run in self._runs(prompt_of):
            prefills.update(self._feed(run, [prompt_of[slot] for slot in run]))
        return [prefills[slot] for slot in slots]

    def span_languages(self, slot: int, spans: Sequence[tuple[int, int]]) -> Floats:
        raise EngineError("these graphs attend to a whole window")

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> PendingRows:
        for slot in slots:
            if self._position[slot] == EMPTY:
                raise EngineError(f"slot {slot} holds no prompt")
            self._check_length(slot, int(self._position[slot]) + 2)
        chosen = np.asarray(slots, np.intp)
        pending = self._runner.step(self._rows(chosen, sampling))
        self._position[chosen] += 1
        self._unfed[chosen] = True
        self._first[chosen] = False
        return PendingRows(pending, chosen)

    def fetch_alignment(self, slot: int, tokens: int, frames: int) -> PendingAlignment:
        last = int(self._position[slot])  # the token there was chosen, not fed
        return self._runner.fetch_alignment(slot, last - tokens, last, frames)

    def alignment(self, slot: int, tokens: int, frames: int) -> Floats:
        return self.fetch_alignment(slot, tokens, frames).result()

    def warm_up(self) -> None:
        """Runs every kind of pass once, so that no request waits for what is loaded on first use."""
        start = self.manifest.tokens.start_of_transcript
        batches = sorted({1, self.encode_batch // 2, self.encode_batch} - {0})
        for count in (min(batch, self.slots) for batch in batches):
            slots = range(count)
            self.encode(slots, [np.zeros(0, np.float32)] * count, [self.dimensions.n_audio_ctx] * count)
            self.prefill(slots, [[start]] * count)
            self.prefill(slots, [[start] * 3] * count)
        self.prefill(range(self.slots), [[start]] * self.slots)
        for count in buckets(self.slots):
            self.step(range(count), [GREEDY] * count).result()
        for slot in range(self.slots):
            self.rewind(slot)

    def close(self) -> None:
        self._runner.close()

    def _rows(self, chosen: NDArray[np.intp], sampling: Sequence[Sampling]) -> DecoderBatch:
        count = next(each for each in buckets(self.slots) if each > chosen.max(initial=0))
        rows = DecoderBatch(
            position=np.maximum(self._position[:count], 0),
            active=np.zeros(count, bool),
            first=self._first[:count].copy(),
            temperature=np.zeros(count, np.float32),
            draw=np.zeros(count, np.float32),
        )
        rows.active[chosen] = True
        rows.temperature[chosen] = [each.temperature for each in sampling]
        rows.draw[chosen] = [each.draw for each in sampling]
        return rows

    def _feed_chosen(self, slots: Sequence[int]) -> None:
        """Puts tokens that the slots chose last into their caches: a step in which nobody chooses."""
        unfed = [slot for slot in slots if self._unfed[slot]]
        if unfed:
            rows = self._rows(np.asarray(unfed, np.intp), [GREEDY] * len(unfed))
            rows.active[:] = False
            self._runner.step(rows).result()
            self._unfed[unfed] = False

    def _runs(self, prompt_of: dict[int, Sequence[int]]) -> Iterator[list[int]]:
        """Consecutive slots, as many as a pass takes, whose caches have room for the longest of their prompts."""
        run: list[int] = []
        for slot in sorted(prompt_of):
            longer = [*run, slot]
            longest = max(len(prompt_of[each]) for each in longer)
            end = int(self._position[longer].max()) + 1 + longest
            fits = len(longer) <= self._runner.prefill_batch and end <= self.dimensions.n_text_ctx
            if run and not (fits and slot == run[-1] + 1):
                yield run
                run = []
            run.append(slot)
        if run:
            yield run

    def _feed(self, run: list[int], prompts: list[Sequence[int]]) -> dict[int, Prefill]:
        begin = self._position[run] + 1
        lengths = np.array([len(prompt) for prompt in prompts])
        for slot, end in zip(run, begin + lengths, strict=True):
            self._check_length(slot, int(end))
        ids = np.array([[*prompt, *[prompt[-1]] * (lengths.max() - len(prompt))] for prompt in prompts])
        start = self.manifest.tokens.start_of_transcript
        at = np.array([list(prompt).index(start) if start in prompt else 0 for prompt in prompts])
        output = self._runner.prefill(PromptBatch(run[0], ids, lengths, begin, at))
        self._position[run] += lengths
        self._first[run] = True
        return {
            slot: Prefill(output.language[row, : len(self.manifest.languages)], float(output.no_speech[row]))
            if start in prompts[row]
            else NO_PROBABILITIES
            for row, slot in enumerate(run)
        }

    def _check_length(self, slot: int, tokens: int) -> None:
        if tokens > self.dimensions.n_text_ctx:
            raise EngineError(f"slot {slot} is full: no room for {tokens} tokens")
