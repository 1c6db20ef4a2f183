"""Action items: lines of a list, each with who does it and when, where that was said."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

NONE = "none"  # the summary of a transcript without action items
SAME = 0.75  # share of the words of the shorter one that two tasks have in common

_WORD = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Item:
    task: str
    owner: str = ""  # "" where no name was said
    due: str = ""  # as it was said, "" where no time was

    def __str__(self) -> str:
        line = f"- {self.owner}: {self.task}" if self.owner else f"- {self.task}"
        return f"{line} ({self.due})" if self.due else line


def is_new(item: Item, kept: Sequence[Item]) -> bool:
    """Whether no earlier item says the same: tasks are said twice."""
    return not any(_same(item, earlier) for earlier in kept)


def _same(one: Item, other: Item) -> bool:
    if one.owner and other.owner and one.owner.casefold() != other.owner.casefold():
        return False
    first, second = _words(one.task), _words(other.task)
    return len(first & second) >= SAME * min(len(first), len(second))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
