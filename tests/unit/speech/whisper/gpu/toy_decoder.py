"""A decoder that can be followed by hand: what it says next depends on every token so far and their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speech.audio import Pcm
from speech.whisper.engine import CompletedAlignment, CompletedStep, Dimensions, Step
from speech.whisper.gpu.runner import CHOSEN, DecoderBatch, DraftPass, Floats, PrefillOutput, PromptBatch
from speech.whisper.manifest import Manifest, Source
from speech.whisper.special_tokens import SpecialTokens

VOCABULARY = 2000  # float16 holds each exactly
START, LANGUAGES = 1, ("en", "de", "fr")
TEXT, HEARD, SHORT = 64, 1500, 768  # tokens, encoder frames of a whole and of a short window
SIZES = Dimensions(80, HEARD, 64, 1, 1, VOCABULARY, TEXT, 64, 1, 1)


def manifest() -> Manifest:
    return Manifest(
        id="toy",
        target="tensorrt",
        dimensions=SIZES,
        languages=LANGUAGES,
        tokens=SpecialTokens(0, START, 2, 5, 6, 7, 8, 9, 10),
        suppressed=(),
        suppressed_first=(),
        alignment_heads=((0, 0), (0, 0)),
        precision={},
        opset={},
        source=Source("toy", "this test", "none", "0" * 64),
        versions={},
        parity={},
        files={},
    )


def next_token(sound: float, tokens: Sequence[float], first: bool, temperature: float, draw: float) -> int:
    """From 100 on, of one window's decoding."""
    state = sound * 7 + 3 * first + 11 * temperature + 13 * draw
    for token in tokens:
        state = state * 31 + token + 1
    return 100 + round(state * 8) % (VOCABULARY - 100)


def said(sound: float, prompt: Sequence[int], count: int) -> list[int]:
    """What follows a prompt, by argmax."""
    tokens = list(prompt)
    for _ in range(count):
        tokens.append(next_token(sound, tokens, len(tokens) == len(prompt), 0.0, 0.0))
    return tokens[len(prompt) :]


def languages(sound: float, tokens: Sequence[float]) -> Floats:
    weights = np.array([sum(tokens) % 5 + sound, 1, 1], np.float32)
    return weights / weights.sum(dtype=np.float32)


class ListRunner:
    """Runner over a table of tokens: (slots, text context). Notes every pass."""

    encode_batch, prefill_batch, draft_rows, lookahead, captured = 4, 3, 4, 0, False
    contexts: tuple[int, ...] = (SHORT, HEARD)

    def __init__(self, slots: int = 8) -> None:
        self.slots = slots
        self.sounds = [0.0] * slots
        self.frames = [HEARD] * slots
        self.windows: list[tuple[list[int], int]] = []  # slots and frames of each pass
        self.cache = np.full((slots, TEXT), np.nan)
        self.fed = np.zeros(slots, np.int64)
        self.prefills: list[list[int]] = []  # slots of each
        self.steps: list[int] = []  # rows of each
        self.drafts: list[int] = []  # rows of each
        self.chosen: list[int] = []  # after each row of the last draft

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], context: int) -> None:
        self.windows.append((list(slots), context))
        for slot, samples in zip(slots, audio, strict=True):
            self.frames[slot] = context
            self.sounds[slot] = float(samples[0]) if samples.size else 0.0

    def encoded(self, slot: int) -> bool:
        return True

    def prefill(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        return [self._read(prompts) for prompts in batches]

    def _read(self, prompts: PromptBatch) -> PrefillOutput:
        slots = range(prompts.first, prompts.first + len(prompts.ids))
        self.prefills.append(list(slots))
        assert prompts.frames.tolist() == [self.frames[slot] for slot in slots]
        told = []
        for slot, ids, position, at in zip(slots, prompts.ids, prompts.position, prompts.at, strict=True):
            assert position + len(ids) <= TEXT, "written behind the cache"
            self.cache[slot, position : position + len(ids)] = ids
            told.append(languages(self.sounds[slot], self.cache[slot, : position + at + 1].tolist()))
        self.fed[list(slots)] = prompts.last
        return PrefillOutput(np.stack(told), np.array([row[1] for row in told]))

    def step(self, rows: DecoderBatch) -> CompletedStep:
        self.steps.append(len(rows))
        logprobs = np.zeros(len(rows), np.float32)
        for slot, position in enumerate(rows.position):
            if rows.forced[slot] != CHOSEN:
                self.fed[slot] = rows.forced[slot]
            self.cache[slot, position] = self.fed[slot]
            assert rows.length[slot] == (position + 1 if rows.active[slot] else rows.length[slot])
            assert rows.frames[slot] == (self.frames[slot] if rows.active[slot] else rows.frames[slot])
            if rows.active[slot]:
                how = bool(rows.first[slot]), float(rows.temperature[slot]), float(rows.draw[slot])
                tokens = self.cache[slot, : position + 1].tolist()
                self.fed[slot] = next_token(self.sounds[slot], tokens, *how)
                logprobs[slot] = -len(tokens)
        return CompletedStep(Step(self.fed[: len(rows)].astype(np.int32), logprobs))

    def verify(self, draft: DraftPass) -> Step:
        self.drafts.append(draft.rows)
        end = draft.position + len(draft.ids)
        assert end <= TEXT, "written behind the cache"
        self.cache[draft.slot, draft.position : end] = draft.ids
        fed = [self.cache[draft.slot, : end - behind].tolist() for behind in range(draft.rows - 1, -1, -1)]
        sound = self.sounds[draft.slot]
        self.chosen = [next_token(sound, tokens, draft.first and not row, 0.0, 0.0) for row, tokens in enumerate(fed)]
        return Step(np.array(self.chosen, np.int32), -np.array([len(tokens) for tokens in fed], np.float32))

    def keep(self, slot: int, row: int) -> None:
        self.fed[slot] = self.chosen[row]

    def fetch_alignment(self, slot: int, tokens: tuple[int, int], frames: int) -> CompletedAlignment:
        rows = np.arange(*tokens, dtype=np.float32)[None, :, None]
        return CompletedAlignment(np.tile(rows, (2, 1, frames)))

    def close(self) -> None:
        pass
