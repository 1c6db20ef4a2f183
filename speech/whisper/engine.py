"""What the scheduler needs of an engine: the two neural networks of one Whisper, over numbered slots.

A slot holds one sequence: the KV cache of its audio (cross-attention) and of its text (self-attention)
and, if the model has alignment heads, the alignment weights of every step. The engine owns those
buffers; the scheduler owns the meaning: which request holds which slot, when it ends, what to try again.

`step` returns before its result must exist: an engine on a GPU launches the work and returns a promise,
and the scheduler may launch `lookahead` further steps before it reads the first. The engine feeds a
slot's next step with the token that it chose itself, so no token makes a round trip through the host.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from speech.audio import Pcm

HEAD_SIZE = 64  # channels of an attention head, in every Whisper

# What a bias may ask of the token before, besides a token of its own.
AFTER_ANY: Final = -1
AFTER_OPEN: Final = -2  # one after which a word may begin without a space
AFTER_NONE: Final = -3  # nothing is asked for: an entry that is empty
MOST_BEGINNINGS: Final = 256  # entries of a bias that ask for no token of their own
MOST_CONTINUATIONS: Final = 256  # those that do; what is beyond is left out where a graph chooses


@dataclass(frozen=True, slots=True)
class Dimensions:
    """Sizes of one Whisper, read from its weights."""

    n_mels: int  # 80, or 128 from large-v3 on
    n_audio_ctx: int  # encoder frames of 30 s: 1500 (one per 20 ms)
    n_audio_state: int
    n_audio_head: int
    n_audio_layer: int
    n_vocab: int
    n_text_ctx: int  # 448
    n_text_state: int
    n_text_head: int
    n_text_layer: int


@dataclass(frozen=True, slots=True)
class Prefill:
    """Probabilities that a prompt's pass through the decoder yields, for one slot."""

    language_probabilities: NDArray[np.float32]  # (languages,), softmax over language tokens at <|sot|>
    no_speech_probability: float  # 0..1, at <|startoftranscript|>
    unread: int = 0  # steps that only read the rest of the prompt: their results mean nothing


@dataclass(frozen=True, slots=True)
class Step:
    """The tokens of one step, a row per slot."""

    tokens: NDArray[np.int32]  # (rows,), after the suppression rules
    logprobs: NDArray[np.float32]  # (rows,), natural log, of that token under the suppressed distribution


class PendingStep(Protocol):
    def result(self) -> Step:
        """Waits for the step. Raises EngineError if it failed."""


@dataclass(frozen=True, slots=True)
class CompletedStep:
    """A step that was computed before it was returned."""

    step: Step

    def result(self) -> Step:
        return self.step


class PendingAlignment(Protocol):
    def result(self) -> NDArray[np.float32]:
        """Waits for the weights: (heads, tokens, frames). To be asked once, by any thread."""


@dataclass(frozen=True, slots=True)
class CompletedAlignment:
    """Weights that are at hand already."""

    weights: NDArray[np.float32]

    def result(self) -> NDArray[np.float32]:
        return self.weights


@dataclass(frozen=True, slots=True, eq=False)
class TokenBias:
    """What is added to the logits of some tokens where one is chosen; its log-probability is that without.

    A step that is launched before the one ahead of it was read does not know the token before its own: then `after`
    says which one each boost is for. A boost that asks for a token takes the place of one that does not.
    """

    tokens: NDArray[np.int64]  # (n,), each once, or once for each token before it
    boosts: NDArray[np.float32]  # (n,), above zero
    after: NDArray[np.int64] | None = None  # (n,): a token, AFTER_ANY or AFTER_OPEN; None: all are for any


@dataclass(frozen=True, slots=True)
class Sampling:
    """How one row picks its token. temperature 0 is argmax; else the inverse CDF at `draw`."""

    temperature: float = 0.0
    draw: float = 0.0  # uniform in [0, 1), fresh for each step
    bias: TokenBias | None = None


GREEDY = Sampling()


class EngineError(RuntimeError):
    """The engine failed on this call; the slots named in it hold nothing usable."""


class DeviceLost(RuntimeError):
    """The device is lost to this process: no call will ever work again. Any call of an engine may raise it."""


class Engine(Protocol):
    dimensions: Dimensions
    slots: int  # sequences at once; slots are 0..slots-1
    encode_batch: int  # windows per `encode` at most
    lookahead: int  # steps that may be launched before the first is read: 0 or 1
    partial_contexts: bool  # whether `span_languages` is there

    def context(self, frames: int) -> int:
        """How many encoder frames a window is encoded with for which so many are enough."""

    def encode(self, slots: Sequence[int], audio: Sequence[Pcm], contexts: Sequence[int]) -> None:
        """Fills each slot's cross-attention from its window and empties its self-attention cache.

        audio: one window per slot, int16 (n,), n ≤ 480_000
        contexts: encoder frames (20 ms each) to encode per slot, ≥ the window's own, ≤ n_audio_ctx
        A slot's result does not depend on the other slots of the call.
        """

    def encoded(self, slot: int) -> bool:
        """Whether the slot's window is encoded: `prefill` waits for that, and steps of other slots need not."""

    def rewind(self, slot: int) -> None:
        """Empties the slot's self-attention cache, keeping its audio: the same window is decoded again."""

    def prefill(self, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
        """Runs each slot's prompt tokens from where its cache stands. The next `step` predicts what follows, or the
        one after those that still read the prompt.

        A slot may be prefilled twice in a row ([sot] to detect the language, then the rest);
        probabilities are given for the <|startoftranscript|> position if the prompt holds it.
        """

    def span_languages(self, slot: int, spans: Sequence[tuple[int, int]]) -> NDArray[np.float32]:
        """Language probabilities of parts of a slot's audio: (spans, languages). The slot is rewound.

        spans: first encoder frame and the one past the last, not empty, inside the slot's context: the decoder's
        cross-attention sees only those
        raises: EngineError if there are no partial contexts
        """

    def step(self, slots: Sequence[int], sampling: Sequence[Sampling]) -> PendingStep:
        """Predicts one token per slot and appends it to the slot's cache.

        Suppressed always: every special token but <|endoftext|>, timestamps, non-speech symbols;
        at the first step after a prompt also the blank and <|endoftext|>.
        """

    def verify(self, slot: int, draft: Sequence[int], sampling: Sequence[Sampling]) -> Step:
        """The steps of one slot along a draft of its text, several in one pass of the decoder.

        Tokens, log-probabilities, caches and alignment weights are those that as many steps would give, bit for bit:
        the draft's own tokens as far as they are what would be chosen, and the first that is not, or that follows.

        sampling: one for each token of the draft and the one after it, greedy all
        returns: up to len(draft) + 1 tokens, a row each
        raises: EngineError
        """

    def fetch_alignment(self, slot: int, tokens: int, frames: int) -> PendingAlignment:
        """Alignment weights, the alignment heads' cross-attention, of the last `tokens` steps: (heads, tokens, frames).

        Those of steps that were not read are undefined. The slot may be used again at once, whenever the weights are
        read.
        Rows are softmax weights over the slot's whole context, cut to the first `frames`.
        """


def read_prompts(engine: Engine, slots: Sequence[int], prompts: Sequence[Sequence[int]]) -> list[Prefill]:
    """`prefill` and the steps that only read the prompts' rest, for who steps nothing else meanwhile."""
    prefills = engine.prefill(slots, prompts)
    for number in range(max((each.unread for each in prefills), default=0)):
        reading = [slot for slot, each in zip(slots, prefills, strict=True) if each.unread > number]
        engine.step(reading, [GREEDY] * len(reading)).result()
    return prefills
