"""A recording of three hours as text: meetings with known facts, and between them talk in which nothing is decided.

The talk is a series of interviews with people about their trades, put together from sentences with a fixed seed, so
that every run has the same text. What a summary should keep are the facts of the meetings at the beginning, in the
middle and at the end; the interviews hold neither tasks nor decisions.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

WORDS = 30_000  # three hours of speech
TURNS = 22  # questions of one interview
INTERVIEWS = Path(__file__).parent / "data" / "interviews.toml"


def long_talk(meetings: Sequence[str], words: int = WORDS, seed: int = 7) -> str:
    """The meetings in order, evenly spread from the first word to the last, with interviews between them."""
    between = max(1, len(meetings) - 1)
    share = (words - sum(len(meeting.split()) for meeting in meetings)) // between
    told = _interviews(random.Random(seed))
    parts = [meetings[0]]
    for meeting in meetings[1:]:
        left = share
        while left > 0:
            words_told = next(told).split(" ")[:left]
            parts.append(" ".join(words_told))
            left -= len(words_told)
        parts.append(meeting)
    return "\n".join(parts)


def _interviews(chance: random.Random) -> Iterator[str]:
    written = tomllib.loads(INTERVIEWS.read_text(encoding="utf-8"))
    while True:
        for trade in chance.sample(written["trades"], len(written["trades"])):
            yield _interview(trade, written, chance)


def _interview(trade: dict[str, str], written: dict[str, Any], chance: random.Random) -> str:
    lines = ["Our next guest is {guest}, a {name}. Thank you for coming. Thank you for having me.".format(**trade)]
    for exchange in chance.sample(written["exchanges"], TURNS):
        question, answer = exchange["question"].format(**trade), exchange["answer"].format(**trade)
        lines.append(f"{question} {chance.choice(written['fillers'])}{answer[0].upper()}{answer[1:]}")
    lines.append("Thank you, {guest}, it was a pleasure to listen to you.".format(**trade))
    return "\n".join(lines)
