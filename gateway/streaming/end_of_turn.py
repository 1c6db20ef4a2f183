"""When a turn is over: by what was heard and decoded, or by a long pause alone. Evidence in, decision out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np

from gateway.errors import BadParameter
from gateway.transcript.sentences import ends_sentence
from speech.audio import SAMPLE_RATE, Pcm

UNFINISHED = ("...", "…", "-", "–", "—")  # how Whisper writes a sentence that was cut
FRAME = SAMPLE_RATE // 100  # samples: 10 ms, of which loudness is taken
LOUD = 80  # percentile of a window's frames that is its speech
MOST_FALL = 60.0  # dB
LEAST_FALL = 6.0  # dB; where the sound goes on, the turn does
OPEN_SENTENCE = 0.5  # what the probability counts for after a word that ends no sentence
BOUNDS = {  # least, most; seconds where it is a silence
    "threshold": (0.0, 1.0),
    "eager_threshold": (0.0, 1.0),
    "silence": (0.1, 5.0),
    "longest_silence": (0.1, 5.0),
}
EXAMPLE = '{"policy": "evidence", "threshold": 0.97, "eager_threshold": 0.5, "silence": 0.2, "longest_silence": 0.64}'


class TurnRule(Enum):
    EVIDENCE = "evidence"
    PAUSE = "pause"  # the longest silence, whatever was said


@dataclass(frozen=True, slots=True)
class TurnPolicy:
    rule: TurnRule = TurnRule.EVIDENCE
    threshold: float = 0.97  # confidence from which a turn is over after `silence`
    eager_threshold: float = 0.5  # confidence from which it may be over
    silence: float = 0.2  # seconds after which a turn may end by evidence
    longest_silence: float = 0.64  # seconds after which it ends without


@dataclass(frozen=True, slots=True)
class TurnEvidence:
    """What a decoding up to a silence tells of whether its speaker goes on."""

    end_probability: float  # of the end of text after the last word, 0..1
    last_word: str  # with its punctuation; "": there is none
    fall: float  # dB from the loudness of the speech to that of the silence


UNASKED = TurnPolicy(TurnRule.PAUSE)  # of clients that do not ask: what they hear stays as it was


class TurnDecision(Enum):
    GOES_ON = "goes on"
    MAY_BE_OVER = "may be over"
    IS_OVER = "is over"


def decide(sure: float, silence: float, policy: TurnPolicy) -> TurnDecision:
    """sure: that it is over, 0..1; 0: nothing is known yet. silence: seconds"""
    if silence >= policy.longest_silence:
        return TurnDecision.IS_OVER
    if not sure or policy.rule is TurnRule.PAUSE:
        return TurnDecision.GOES_ON
    if silence >= policy.silence and sure >= policy.threshold:
        return TurnDecision.IS_OVER
    return TurnDecision.MAY_BE_OVER if sure >= policy.eager_threshold else TurnDecision.GOES_ON


def confidence(evidence: TurnEvidence) -> float:
    """That the turn is over, 0..1."""
    if not evidence.last_word or evidence.fall < LEAST_FALL:
        return 0.0
    return evidence.end_probability * (1.0 if is_finished(evidence.last_word) else OPEN_SENTENCE)


def is_finished(word: str) -> bool:
    """Whether a sentence ends with it, and not in the middle."""
    return ends_sentence(word) and not word.endswith(UNFINISHED)


def loudness_fall(pcm: Pcm, silence: int) -> float:
    """dB by which the end of a window is quieter than its speech, 0 to MOST_FALL.

    pcm: int16 (n,), 16 kHz; silence: samples at its end in which nobody speaks
    """
    frames = pcm[: len(pcm) // FRAME * FRAME].astype(np.float32).reshape(-1, FRAME)
    loudness = 10 * np.log10(np.mean(np.square(frames), axis=1) + 1.0)
    quiet = silence // FRAME
    if not 0 < quiet < len(loudness):
        return 0.0
    fall = np.percentile(loudness[:-quiet], LOUD) - np.median(loudness[-quiet:])
    return float(np.clip(fall, 0.0, MOST_FALL))


def read_end_of_turn(asked: object) -> TurnPolicy:
    """What a config asks for. raises: BadParameter"""
    if asked is None or isinstance(asked, bool):
        return TurnPolicy() if asked else UNASKED
    fields: Mapping[str, Any] = {"policy": asked} if not isinstance(asked, Mapping) else asked
    rule = fields.get("policy", TurnRule.EVIDENCE.value)
    if rule not in [each.value for each in TurnRule]:
        raise _bad(f"policy is {str(rule)[:40]!r}; accepted are evidence and pause")
    values: dict[str, Any] = {name: _number(fields[name], name, *BOUNDS[name]) for name in BOUNDS if name in fields}
    if "threshold" in values and "eager_threshold" not in values:
        values["eager_threshold"] = min(TurnPolicy().eager_threshold, values["threshold"])
    policy = TurnPolicy(TurnRule(rule), **values)
    if policy.silence > policy.longest_silence:
        raise _bad(f"silence is {policy.silence:g}; it is at most longest_silence, {policy.longest_silence:g}")
    if policy.eager_threshold > policy.threshold:
        raise _bad(f"eager_threshold is {policy.eager_threshold:g}; it is at most threshold, {policy.threshold:g}")
    return policy


def unknown_fields(asked: object) -> tuple[str, ...]:
    """Names inside of `end_of_turn` that mean nothing."""
    if not isinstance(asked, Mapping):
        return ()
    return tuple(f"end_of_turn.{name}"[:80] for name in asked if name not in {"policy", *BOUNDS})


def _number(value: object, name: str, least: float, most: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= most:
        raise _bad(f"{name} is {str(value)[:40]}; accepted are numbers from {least:g} to {most:g}")
    return float(value)


def _bad(what: str) -> BadParameter:
    return BadParameter(f"end_of_turn: {what}; it looks like {EXAMPLE}, or is a policy's name alone", "end_of_turn")
