"""A tokenizer of bytes and an engine that says what a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from speech.audio import Pcm
from speech.whisper.engine import CompletedAlignment, DeviceLost, Dimensions, EngineError, Prefill, Sampling, Step
from speech.whisper.tokenizer import Tokenizer

LANGUAGES = ["en", "zh", "de", "es", "ru", "ko", "fr", "ja"]


def byte_tokenizer_json(text_tokens: int) -> str:
    """tokenizer.json with 256 byte tokens, unused ones up to `text_tokens`, then Whisper's special tokens."""
    printing = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printing]
    characters = {chr(byte): byte for byte in printing} | {chr(256 + n): byte for n, byte in enumerate(others)}
    vocabulary = characters | {f"unused{index}": index for index in range(256, text_tokens)}
    names = ["endoftext", "startoftranscript", *LANGUAGES, "translate", "transcribe", "startoflm", "startofprev"]
    special = [f"<|{name}|>" for name in [*names, "nospeech", "notimestamps", "0.00"]]
    added = [
        {"id": text_tokens + n, "content": text, "special": True}
        | dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
        for n, text in enumerate(special)
    ]
    level = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": True}
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": added,
            "pre_tokenizer": level,
            "decoder": level,
            "model": {"type": "BPE", "vocab": vocabulary, "merges": []},
        }
    )


@dataclass(frozen=True, slots=True)
class Circumstances:
    """How a text is being decoded: what a script decides by."""

    context: int
    temperature: float
    prompt: tuple[int, ...]
    raised: frozenset[int] = frozenset()  # tokens that a bias counts for more, at the first step


@dataclass(frozen=True, slots=True)
class Line:
    text: str
    logprob: float = -0.1
    endless: bool = False  # never ends


Script = Callable[[Circumstances], Line]


@dataclass(slots=True)
class _Slot:
    name: int
    context: int
    prompt: list[int] = field(default_factory=list)
    said: int = 0
    tokens: list[int] | None = None
    logprob: float = 0.0


@dataclass(frozen=True, slots=True)
class _Ready:
    step: Step

    def result(self) -> Step:
        return self.step


class ScriptedEngine:
    """Says the script of a window's name, which is the window's first sample (1/32768ths)."""

    def __init__(self, tokenizer: Tokenizer, scripts: dict[int, Script], slots: int = 4, lookahead: int = 0) -> None:
        self.dimensions = Dimensions(80, 1500, 8, 1, 1, 60000, 448, 8, 1, 1)
        self.slots = slots
        self.encode_batch = 2
        self.lookahead = lookahead
        self.encoding: set[int] = set()  # slots whose windows take long
        self.partial_contexts = True
        self.language = "en"
        self.span_language: dict[tuple[int, int], str] = {}  # by frames, where it is not `language`
        self.no_speech = 0.01
        self.encodes: list[list[tuple[int, int]]] = []  # per call: (name, context) of each
        self.steps: list[list[int]] = []  # per call: names
        self.fails_to_encode: set[int] = set()
        self.steps_that_fail = 0
        self.lost = False
        self.gate = threading.Event()  # steps wait until it is set
        self.gate.set()
        self._encoded = threading.Condition()
        self._tokenizer = tokenizer
        self._scripts = scripts
        self._slots: dict[int, _Slot] = {}

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], contexts: Sequence[int]) -> None:
        names = [int(pcm[0]) for pcm in audio]
        if self.fails_to_encode & set(names):
            raise EngineError("cannot encode this")
        with self._encoded:
            self.encodes.append(list(zip(names, contexts, strict=True)))
            self._encoded.notify_all()
        for slot, name, context in zip(slots, names, contexts, strict=True):
            self._slots[slot] = _Slot(name, context)

    def wait_until_encoded(self, windows: int = 1) -> None:
        """Until so many windows were encoded since the beginning."""
        with self._encoded:
            assert self._encoded.wait_for(lambda: sum(map(len, self.encodes)) >= windows, 60)

    def context(self, frames: int) -> int:
        return frames

    def encoded(self, slot: int) -> bool:
        return slot not in self.encoding

    def rewind(self, slot: int) -> None:
        old = self._slots[slot]
        self._slots[slot] = _Slot(old.name, old.context)

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        told = self._told(self.language)
        for slot, prompt in zip(slots, prompts, strict=True):
            self._slots[slot].prompt += prompt
        return [Prefill(told, self.no_speech) for _ in slots]

    def span_languages(self, slot: int, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        self.rewind(slot)
        return np.stack([self._told(self.span_language.get(span, self.language)) for span in spans])

    def _told(self, language: str) -> NDArray[np.float32]:
        told = np.full(len(self._tokenizer.languages), 0.01, dtype=np.float32)
        if language in self._tokenizer.languages:
            told[self._tokenizer.languages.index(language)] = 0.9
        return told

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> _Ready:
        self.gate.wait(30)
        if self.lost:
            raise DeviceLost("the device is gone")
        if self.steps_that_fail:
            self.steps_that_fail -= 1
            raise EngineError("the step failed")
        self.steps.append([self._slots[slot].name for slot in slots])
        rows = [self._say(self._slots[slot], how) for slot, how in zip(slots, sampling, strict=True)]
        tokens, logprobs = zip(*rows, strict=True)
        return _Ready(Step(np.array(tokens, dtype=np.int32), np.array(logprobs, dtype=np.float32)))

    def verify(self, slot: int, draft: Sequence[int], sampling: Sequence[Sampling]) -> Step:
        steps = [self.step([slot], sampling[:1]).step]
        while len(steps) <= len(draft) and steps[-1].tokens[0] == draft[len(steps) - 1]:
            steps.append(self.step([slot], sampling[len(steps) : len(steps) + 1]).step)
        return Step(*(np.concatenate(rows) for rows in zip(*((s.tokens, s.logprobs) for s in steps), strict=True)))

    def fetch_alignment(self, slot: int, tokens: int, frames: int) -> CompletedAlignment:
        return CompletedAlignment(self.alignment(slot, tokens, frames))

    def alignment(self, slot: int, tokens: int, frames: int) -> NDArray[np.float32]:
        """Two heads; step number n of the text looks at frames 4n to 4n + 3."""
        state = self._slots[slot]
        assert tokens <= state.said, "asked for more steps than were made"
        weights = np.full((2, tokens, frames), 1e-4, dtype=np.float32)
        for row in range(tokens):
            first = 4 * (state.said - tokens + row)
            weights[:, row, first : first + 4] = 0.2
        return weights

    def _say(self, slot: _Slot, sampling: Sampling) -> tuple[int, float]:
        if slot.tokens is None:
            raised = frozenset(sampling.bias.tokens.tolist()) if sampling.bias else frozenset[int]()
            told = Circumstances(slot.context, sampling.temperature, tuple(slot.prompt), raised)
            line = self._scripts[slot.name](told)
            slot.tokens = self._tokenizer.encode(line.text) * (200 if line.endless else 1)
            slot.logprob = line.logprob
        token = slot.tokens[slot.said] if slot.said < len(slot.tokens) else self._tokenizer.special.end_of_text
        slot.said += 1
        return token, slot.logprob


def says(text: str, logprob: float = -0.1) -> Script:
    return lambda _: Line(text, logprob)
