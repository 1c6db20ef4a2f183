"""Decoding rules: what a prompt holds, how much is encoded, which text is believed, which attempt follows.

All of it is data and pure functions; the scheduler applies them.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from speech.whisper.tokenizer import Tokenizer

FRAME_SAMPLES: Final = 320  # one encoder frame: 20 ms at 16 kHz
CONTEXT_MARGIN: Final = 128  # frames after the speech; with 64 the decoder loops
SHORTEST_CONTEXT: Final = 768 / 1500  # of the whole context; with 512 the decoder loops

COMPRESSION_LIMIT: Final = 2.4  # above: the text repeats itself
LOGPROB_LIMIT: Final = -1.0  # mean below: the text is doubtful
MOST_OF_WINDOW: Final = 0.8  # share of its speech from which a region's language is the window's
NO_SPEECH_LIMIT: Final = 0.6  # above, and doubtful: nobody spoke


def previous_tokens(tokenizer: Tokenizer, prompt: str, text_context: int) -> list[int]:
    """An initial prompt as Whisper reads it, its end kept where it is too long; [] for no prompt.

    source: openai/whisper decoding.py: at most half of the text context
    """
    text = prompt.strip()
    if not text:
        return []
    longest = text_context // 2 - 1
    return [tokenizer.special.start_of_prompt, *tokenizer.encode(f" {text}")[-longest:]]


def short_context(samples: int, whole: int) -> int:
    """Encoder frames for a window: its own, a margin and never less than the floor, at most the whole.

    samples: length of the window at 16 kHz; whole: the model's n_audio_ctx
    """
    return min(whole, max(int(whole * SHORTEST_CONTEXT), frames_of(samples) + CONTEXT_MARGIN))


def frames_of(samples: int) -> int:
    """Encoder frames that a window's own samples fill, at least 1."""
    return max(1, -(-samples // FRAME_SAMPLES))


def region_languages(
    regions: Sequence[tuple[int, int]], whole: NDArray[np.float32], parts: NDArray[np.float32] | None
) -> NDArray[np.float32]:
    """Language probabilities of each region: (regions, languages).

    A part alone is judged worse than a window, so a region that is most of the window takes the window's.
    whole: (languages,), of the window; parts: (regions, languages), of each region alone; None: not known
    """
    if parts is None:
        return np.tile(whole, (len(regions), 1))
    lengths = np.array([stop - first for first, stop in regions], np.float32)
    told: NDArray[np.float32] = np.where((lengths >= MOST_OF_WINDOW * lengths.sum())[:, None], whole, parts)
    return told


class Verdict(Enum):
    GOOD = "good"
    SILENT = "silent"  # nobody spoke: believed, but no text
    REPETITIVE = "repetitive"
    DOUBTFUL = "doubtful"
    TRUNCATED = "truncated"  # the token limit ended it


def judge(text: str, average_logprob: float, no_speech: float, stop: StopReason) -> Verdict:
    """Whether a decoded text is believed.

    source: openai/whisper transcribe.py decode_with_fallback, for the limits
    """
    doubtful = average_logprob < LOGPROB_LIMIT
    if doubtful and no_speech > NO_SPEECH_LIMIT:
        return Verdict.SILENT
    if stop is StopReason.REPETITION or compression(text) > COMPRESSION_LIMIT:
        return Verdict.REPETITIVE
    if stop is StopReason.TOKEN_LIMIT:
        return Verdict.TRUNCATED
    return Verdict.DOUBTFUL if doubtful else Verdict.GOOD


def compression(text: str) -> float:
    """How many times smaller zlib makes the text: repetition shows above 2.4. 0 for no text."""
    raw = text.encode()
    return len(raw) / len(zlib.compress(raw)) if raw else 0.0


class StopReason(Enum):
    """Why a decoding ended."""

    END_OF_TEXT = "end of text"
    TOKEN_LIMIT = "token limit"  # the text context is full
    REPETITION = "repetition"  # the same tokens over and over


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way to decode a window."""

    temperature: float = 0.0
    whole_context: bool = False  # encode all 30 s
    prompted: bool = True  # with the caller's prompt, if there is one


@dataclass(frozen=True, slots=True)
class FallbackSchedule:
    """Temperature fallback: the attempts that follow when a text is not believed."""

    temperatures: tuple[float, ...] = (0.2, 0.4, 0.6, 0.8, 1.0)
    prompt_until: float = 0.5  # hotter attempts leave the prompt out: it may be what misleads

    def next(self, tried: Attempt, verdict: Verdict, whole: bool) -> Attempt | None:
        """The attempt after `tried`, None when its text is accepted or nothing is left.

        whole: the window was encoded with the whole context already
        """
        if verdict in (Verdict.GOOD, Verdict.SILENT):
            return None
        if verdict is Verdict.TRUNCATED:
            return Attempt(tried.temperature, tried.whole_context, prompted=False) if tried.prompted else None
        if verdict is Verdict.REPETITIVE and not whole:
            return Attempt(tried.temperature, True, tried.prompted)
        hotter = [temperature for temperature in self.temperatures if temperature > tried.temperature]
        if not hotter:
            return None
        return Attempt(hotter[0], tried.whole_context, tried.prompted and hotter[0] < self.prompt_until)


class RepetitionDetector:
    """Finds rows whose tokens repeat with some period, a few vector operations a step for all rows.

    Repetition would run to the token limit; it is ended when the last tokens repeated often enough.
    """

    def __init__(self, slots: int, longest_period: int = 48) -> None:
        self._periods = np.arange(1, longest_period + 1)
        self._runs = np.zeros((slots, longest_period), dtype=np.int32)
        # Three more rounds of a short phrase, two of a long one, at least 24 tokens ("no, no, no" is speech).
        self._enough = np.maximum(np.where(self._periods > 16, 2, 3) * self._periods, 24)

    def clear(self, slot: int) -> None:
        """The slot begins a new text."""
        self._runs[slot] = 0

    def update(
        self, slots: NDArray[np.intp], history: NDArray[np.int32], position: NDArray[np.intp]
    ) -> NDArray[np.int32]:
        """Takes in one more token per slot; returns the period that each row loops with, 0 for none.

        history: (all slots, tokens); position: (rows,), where each slot's newest token stands
        """
        before = position[:, None] - self._periods
        same = history[slots[:, None], before] == history[slots, position][:, None]
        runs = (self._runs[slots] + 1) * (same & (before >= 0))
        self._runs[slots] = runs
        looping = runs >= self._enough
        return np.where(looping.any(axis=1), self._periods[looping.argmax(axis=1)], 0).astype(np.int32)

    def excess(self, slot: int, period: int) -> int:
        """How many tokens at the end of the slot only repeat what stands before them."""
        return int(self._runs[slot, period - 1])


def rank(verdict: Verdict, average_logprob: float) -> tuple[int, float]:
    """Orders the attempts at one window: by verdict, then by log-probability."""
    order = [Verdict.REPETITIVE, Verdict.TRUNCATED, Verdict.DOUBTFUL, Verdict.SILENT, Verdict.GOOD]
    return (order.index(verdict), average_logprob)


def token_limit(text_context: int, prompt: Sequence[int]) -> int:
    """Tokens that may follow a prompt before the text context is full."""
    return text_context - len(prompt)
