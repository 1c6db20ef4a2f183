"""A window on its way through the decoder: what was asked, where it stands, what was tried, what came of it."""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from enum import Enum

import numpy as np
from numpy.typing import NDArray

from speech.audio import SAMPLE_RATE, Pcm
from speech.tensors import Priority, Task
from speech.transcript import WindowResult, Word
from speech.whisper.attention import attention_profile
from speech.whisper.batching.rules import Attempt, StopReason, Verdict, frames_of, rank
from speech.whisper.engine import PendingAlignment
from speech.whisper.timing import time_words, token_starts
from speech.whisper.tokenizer import Tokenizer
from speech.whisper.words import split_words


def _never() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Request:
    """One window to transcribe."""

    audio: Pcm  # int16 (n,), 16 kHz mono, at most 30 s
    language: str = ""  # ISO code; several ("en,fr"): detect among them; "": among all
    prompt: str = ""  # text that came before, to set names and style
    keyterms: tuple[str, ...] = ()  # names and words that are more likely than the model thinks
    task: Task = Task.TRANSCRIBE
    priority: Priority = Priority.FILE
    regions: tuple[tuple[int, int], ...] = ()  # samples: stretches of speech whose languages are asked for
    draft: str = ""  # what it is likely to say: decoded sooner where that is so, and never otherwise
    caller: str = ""  # callers share the machine evenly
    recording: str = ""  # a caller's recordings share the caller's part evenly
    is_cancelled: Callable[[], bool] = _never  # polled; called from the scheduler's thread

    @property
    def seconds(self) -> float:
        return len(self.audio) / SAMPLE_RATE

    @property
    def languages(self) -> tuple[str, ...]:
        """Those that it may be in, () for any."""
        return tuple(filter(None, self.language.split(",")))


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """A decoded text and how far it is believed."""

    verdict: Verdict
    stop: StopReason
    temperature: float
    tokens: NDArray[np.int32]  # (n,)
    logprobs: NDArray[np.float32]  # (n,), natural log
    average_logprob: float
    end_logprob: float  # of <|endoftext|>; -inf where something else ended the text
    alignment: PendingAlignment  # (heads, n + 1, frames)


class State(Enum):
    """Where a sequence stands. It holds a slot in PREFILL, DECODING and RETRY, and in no other state."""

    WAITING = "waiting"  # for a slot
    PREFILL = "prefill"  # its audio is encoded and its prompt read
    DECODING = "decoding"  # takes steps
    RETRY = "retry"  # its text was not believed: to be decoded once more in the same slot
    DONE = "done"  # answered, failed or cancelled


# Back to WAITING go sequences on whose slot the engine failed.
_MOVES = {
    State.WAITING: {State.PREFILL, State.DONE},
    State.PREFILL: {State.DECODING, State.WAITING, State.DONE},
    State.DECODING: {State.RETRY, State.WAITING, State.DONE},
    State.RETRY: {State.DECODING, State.WAITING, State.DONE},
    State.DONE: set[State](),
}


@dataclass(slots=True, eq=False)
class Sequence:
    """A request that waits or holds a slot. Only the scheduler's thread touches it."""

    request: Request
    future: Future[WindowResult]
    arrived: float  # seconds, monotonic
    attempt: Attempt
    state: State = State.WAITING
    slot: int = -1
    context: int = 0  # encoder frames
    language: str = ""
    language_probability: float = 1.0
    region_languages: tuple[dict[str, float], ...] = ()
    no_speech: float = 0.0
    best: Hypothesis | None = None
    echo: Hypothesis | None = None  # a text that repeats the prompt: believed if one without it is alike
    terms: tuple[str, ...] = ()  # that the next decoding is biased to
    with_terms: Hypothesis | None = None  # a text that terms may have decided, until it was weighed
    without_terms: Hypothesis | None = None
    engine_failures: int = 0
    prefilled: int = 0  # tokens of the prompt that the slot has read already
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))  # one draw per sampled token

    @property
    def live(self) -> bool:
        return self.request.priority is Priority.LIVE

    @property
    def frames(self) -> int:
        """Encoder frames that hold the window's own audio."""
        return frames_of(len(self.request.audio))

    def move(self, state: State) -> None:
        """Raises AssertionError for a move that there is not."""
        assert state in _MOVES[self.state], f"a sequence cannot go from {self.state.value} to {state.value}"
        self.state = state

    def offer(self, hypothesis: Hypothesis) -> Hypothesis:
        """Keeps the better of this and the attempts before; returns it."""
        if self.best is None or _rank(hypothesis) > _rank(self.best):
            self.best = hypothesis
        return self.best

    def is_cancelled(self) -> bool:
        """Whether nobody waits for the answer any more. Asks the caller, so not for free."""
        if self.future.cancelled():
            return True
        return self.request.is_cancelled() and (self.future.cancel() or True)


def compose(sequence: Sequence, hypothesis: Hypothesis, tokenizer: Tokenizer) -> WindowResult:
    """The answer to a request: words with their times from the accepted text."""
    tokens = [] if hypothesis.verdict is Verdict.SILENT else hypothesis.tokens.tolist()
    written = "en" if sequence.request.task is Task.TRANSLATE else sequence.language
    spans = split_words(tokens, tokenizer, written)
    words: tuple[Word, ...] = ()
    attention: tuple[float, ...] = ()
    if spans:
        alignment = hypothesis.alignment.result()
        starts, attention = token_starts(alignment), attention_profile(alignment, spans)
        words = time_words(spans, starts, hypothesis.logprobs, sequence.request.audio)
    return WindowResult(
        words=words,
        text=tokenizer.decode(tokens).strip() if words else "",
        language=sequence.language,
        language_probability=sequence.language_probability,
        average_logprob=hypothesis.average_logprob,
        no_speech_probability=sequence.no_speech,
        temperature=hypothesis.temperature,
        region_languages=sequence.region_languages,
        end_probability=round(math.exp(hypothesis.end_logprob), 4),
        attention=attention,
        truncated=hypothesis.stop is not StopReason.END_OF_TEXT and hypothesis.verdict is not Verdict.SILENT,
    )


def _rank(hypothesis: Hypothesis) -> tuple[int, float]:
    return rank(hypothesis.verdict, hypothesis.average_logprob)
