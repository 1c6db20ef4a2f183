"""Action items: from the model's JSON, while it is being written, to lines of a list.

What a small model likes to make up is an owner or a date that nobody said, so each is held against the
transcript and left out where its words do not occur there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

NONE = "none"  # the summary of a transcript without action items

_WORD = re.compile(r"\w+")
_NOBODY = frozenset(
    "i me my we us our you he she they it someone somebody anyone everyone unknown none n/a nobody ich wir ihr "
    "yo nosotros je nous saya kami kita".split()
)


@dataclass(frozen=True, slots=True)
class Item:
    task: str
    owner: str = ""  # "" where no name was said
    due: str = ""  # as it was said, "" where no time was

    def __str__(self) -> str:
        line = f"- {self.owner}: {self.task}" if self.owner else f"- {self.task}"
        return f"{line} ({self.due})" if self.due else line


class ItemReader:
    """Takes JSON as it arrives, gives each item as soon as it is complete."""

    def __init__(self) -> None:
        self._text = ""
        self._at: int | None = None  # where the next item may begin
        self._decoder = json.JSONDecoder()

    def feed(self, text: str) -> Iterator[dict[str, object]]:
        self._text += text
        if self._at is None:
            opening = self._text.find("[")
            if opening < 0:
                return
            self._at = opening + 1
        while (start := self._text.find("{", self._at)) >= 0:
            try:
                item, self._at = self._decoder.raw_decode(self._text, start)
            except ValueError:  # not complete yet
                return
            yield item


def grounded(item: dict[str, object], transcript: str) -> Item | None:
    """The item without what the transcript does not hold; None if nothing of the task was said."""
    said, task, owner, due = (_text(item.get(name)) for name in ("said", "task", "owner", "due"))
    heard = _words(transcript)
    task = task or said
    if not task or (said and not _mostly(_words(said), heard)):
        return None
    name = _words(owner)
    if not name <= heard or name <= _NOBODY:
        owner = ""
    if not _words(due) & heard:
        due = ""
    return Item(task.rstrip(" ."), owner, due.rstrip(" ."))


def without_repeats(items: Iterable[Item]) -> list[Item]:
    """The first of items that say the same: pieces of a long text overlap, and tasks are said twice."""
    kept: list[Item] = []
    for item in items:
        if not any(_same(item, earlier) for earlier in kept):
            kept.append(item)
    return kept


def _same(one: Item, other: Item) -> bool:
    if one.owner and other.owner and one.owner.casefold() != other.owner.casefold():
        return False
    first, second = _words(one.task), _words(other.task)
    return len(first & second) >= 0.6 * min(len(first), len(second))


def _mostly(words: set[str], heard: set[str]) -> bool:
    return len(words & heard) >= 0.7 * len(words)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


def _text(value: object) -> str:
    return " ".join(value.split()) if isinstance(value, str) else ""
