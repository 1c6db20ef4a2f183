"""A decoder that can be followed by hand: what it says next depends on every token so far and their order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from speech.audio import Pcm
from speech.whisper.engine import CompletedAlignment, CompletedStep, Dimensions, Step
from speech.whisper.gpu.runner import CHOSEN, DecoderBatch, Floats, PrefillOutput, PromptBatch
from speech.whisper.manifest import Manifest, Source
from speech.whisper.special_tokens import SpecialTokens

VOCABULARY = 2000  # float16 holds each exactly
START, LANGUAGES = 1, ("en", "de", "fr")
TEXT, HEARD = 64, 16  # tokens, encoder frames
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

    encode_batch, prefill_batch, lookahead, captured = 4, 3, 0, False

    def __init__(self, slots: int = 8) -> None:
        self.slots = slots
        self.sounds = [0.0] * slots
        self.cache = np.full((slots, TEXT), np.nan)
        self.fed = np.zeros(slots, np.int64)
        self.prefills: list[list[int]] = []  # slots of each
        self.steps: list[int] = []  # rows of each

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm]) -> None:
        for slot, samples in zip(slots, audio, strict=True):
            self.sounds[slot] = float(samples[0]) if samples.size else 0.0

    def prefill(self, batches: Sequence[PromptBatch]) -> list[PrefillOutput]:
        return [self._read(prompts) for prompts in batches]

    def _read(self, prompts: PromptBatch) -> PrefillOutput:
        slots = range(prompts.first, prompts.first + len(prompts.ids))
        self.prefills.append(list(slots))
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
            if rows.active[slot]:
                how = bool(rows.first[slot]), float(rows.temperature[slot]), float(rows.draw[slot])
                tokens = self.cache[slot, : position + 1].tolist()
                self.fed[slot] = next_token(self.sounds[slot], tokens, *how)
                logprobs[slot] = -len(tokens)
        return CompletedStep(Step(self.fed[: len(rows)].astype(np.int32), logprobs))

    def fetch_alignment(self, slot: int, first: int, last: int, frames: int) -> CompletedAlignment:
        rows = np.arange(first, last, dtype=np.float32)[None, :, None]
        return CompletedAlignment(np.tile(rows, (2, 1, frames)))

    def close(self) -> None:
        pass
