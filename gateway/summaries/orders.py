"""Sentences of a transcript that speak to the program that reads it.

They are never obeyed, since nothing is written that other sentences do not bear out. They are not even shown to the
model, nor told: an order to a program is no part of what people said to each other.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

from gateway.summaries.utterances import TranscriptSentence

GOES_ON = 3  # sentences in which an order may go on

_FOLLOWING = re.compile(
    r"[\"“”„«»‹›]|:|(?-i:\b[A-ZÄÖÜÑ]{4,}\b)|"
    r"\b(?:say|write|answer|respond|output|begin|print|reply|add|include|nothing else|poem|only|"
    r"your (?:new )?(?:task|job|role)|"
    r"sag|schreib\w*|antwort\w*|gib|beginne|füge|deine (?:neue )?(?:aufgabe|rolle)|gedicht|nur|"
    r"di|escrib\w*|responde|contesta|añade|empieza|tu (?:nueva )?(?:tarea|función)|poema|solo)\b",
    re.IGNORECASE,
)


def is_order(text: str) -> bool:
    return bool(_orders().search(text))


def without_orders(utterances: Sequence[TranscriptSentence]) -> list[TranscriptSentence]:
    """The sentences that are no orders, nor the continuation of one, with the numbers that they have."""
    kept: list[TranscriptSentence] = []
    after_order = 0
    for utterance in utterances:
        if is_order(utterance.text):
            after_order = GOES_ON
        elif after_order and _FOLLOWING.search(utterance.text):
            after_order -= 1
        else:
            after_order = max(0, after_order - 1)
            kept.append(utterance)
    return kept


@cache
def _orders() -> re.Pattern[str]:
    text = (files(__package__) / "vocabularies" / "orders.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    named = dict(line.split(" = ", 1) for line in lines if re.match(r"\w+ = ", line))
    expressions = [line for line in lines if not re.match(r"\w+ = ", line)]
    for name in reversed(named):
        expressions = [line.replace(f"{{{name}}}", named[name]) for line in expressions]
    return re.compile("|".join(expressions), re.IGNORECASE)
