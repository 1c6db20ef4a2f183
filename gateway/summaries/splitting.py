"""A text that is longer than a server's context → pieces that fit, cut at sentence ends."""

from __future__ import annotations

import math
import re
from collections.abc import Awaitable, Callable, Iterator

from gateway.transcript.sentences import END

Count = Callable[[str], Awaitable[int]]  # tokens of a text

OVERLAP = 300  # characters at most of the sentence before, said again at the start of a piece
SMALLEST = 100  # characters; no piece is cut further
LONGEST_SENTENCE = 2000  # characters; a recognizer that writes no full stops makes longer ones

_BOUNDARY = re.compile(rf"(?:{END.pattern})\s*|\n+")


def sentences(text: str) -> list[str]:
    """The text in order, in parts of at most LONGEST_SENTENCE characters; joined by spaces they are the text."""
    found: list[str] = []
    start = 0
    for end in _BOUNDARY.finditer(text):
        found.extend(_bounded(text[start : end.end()].strip()))
        start = end.end()
    found.extend(_bounded(text[start:].strip()))
    return found


async def split(text: str, budget: int, count: Count) -> list[str]:
    """Pieces of at most `budget` tokens, about equally long. Memory stays a small multiple of the text.

    count: the server's own token count; asked once for the whole and about once for each piece
    """
    total = await count(text)
    if total <= budget:
        return [text]
    parts = sentences(text)
    pieces = math.ceil(total / (budget * 0.95))
    length = math.ceil(sum(map(len, parts)) / pieces)
    waiting = list(reversed(list(_groups(parts, length))))
    fitting: list[str] = []
    before = ""  # each piece begins with the last sentence before it: who is meant by "she" is often said there
    while waiting:
        group = waiting.pop()
        piece = " ".join([before, *group] if before else group)
        if len(piece) > SMALLEST and await count(piece) > budget:
            waiting.extend(reversed(_halves(group)))
            before = before if len(group) > 1 else ""
            continue
        fitting.append(piece)
        before = group[-1] if len(group[-1]) <= OVERLAP else ""
    return fitting


def _bounded(sentence: str) -> Iterator[str]:
    while len(sentence) > LONGEST_SENTENCE:
        cut = sentence.rfind(" ", LONGEST_SENTENCE // 2, LONGEST_SENTENCE) + 1 or LONGEST_SENTENCE
        yield sentence[:cut].strip()
        sentence = sentence[cut:]
    if sentence.strip():
        yield sentence.strip()


def _groups(parts: list[str], length: int) -> Iterator[list[str]]:
    """Sentences in a row, of about `length` characters together."""
    group: list[str] = []
    size = 0
    for part in parts:
        if group and size + len(part) / 2 > length:
            yield group
            group, size = [], 0
        group.append(part)
        size += len(part)
    if group:
        yield group


def _halves(group: list[str]) -> list[list[str]]:
    if len(group) > 1:
        return [group[: len(group) // 2], group[len(group) // 2 :]]
    only = group[0]
    middle = only.find(" ", len(only) // 2) + 1 or len(only) // 2
    return [[only[:middle].strip()], [only[middle:].strip()]]
