"""Action items: from the lines of the model, while they are being written, to lines of a list.

A small model makes up owners and dates that nobody said, and repeats itself. So each line is held against the
transcript, and loses what its words do not occur in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

NONE = "none"  # the summary of a transcript without action items
SAID = 0.5  # more than this share of a task's longer words must be in the transcript
SAME = 0.75  # share of the words of the shorter one that two tasks have in common

_LINE = re.compile(
    r"^(?:[-*•]|\d+[.)])\s*(?:(?P<owner>[^:()]{1,40}):\s+)?"
    r"(?P<task>[^()]+|.+?)(?:\s*\((?P<due>[^()]+)\))?[\s.]*$"
)
_WORD = re.compile(r"\w+")
_NOBODY = {"i", "me", "we", "us", "you", "he", "she", "they", "it", "someone", "somebody", "anyone", "everyone"}
_NOBODY |= {"unknown", "none", "nobody", "all", "team", "ich", "wir", "ihr", "yo", "je", "nous", "saya", "kami", "kita"}


@dataclass(frozen=True, slots=True)
class Item:
    task: str
    owner: str = ""  # "" where no name was said
    due: str = ""  # as it was said, "" where no time was

    def __str__(self) -> str:
        line = f"- {self.owner}: {self.task}" if self.owner else f"- {self.task}"
        return f"{line} ({self.due})" if self.due else line


class ItemReader:
    """Takes text as it arrives, gives each item once its line is complete. The end is a line end, too."""

    def __init__(self, transcript: str) -> None:
        self._heard = transcript.casefold()
        self._words = _words(transcript)
        self._line = ""

    def feed(self, text: str) -> Iterator[Item]:
        *lines, self._line = (self._line + text).split("\n")
        for line in lines:
            item = self.read(line)
            if item is not None:
                yield item

    def read(self, line: str) -> Item | None:
        """An item without what was not said; None for a line that is none, or of which nothing was said."""
        found = _LINE.match(line.strip())
        if found is None or found["task"].strip(" .").casefold() == NONE:
            return None
        task, owner, due = (" ".join((found[name] or "").split()).strip(" .") for name in ("task", "owner", "due"))
        if not task or "?" in task or not self._was_said(task):
            return None
        name = _words(owner)
        if not name <= self._words or name <= _NOBODY:
            owner = ""
        if not _words(due) & self._words:
            due = ""
        return Item(task, owner, due)

    def _was_said(self, task: str) -> bool:
        """By the beginnings of its words, so that "submitted" counts where "submit" was said."""
        longer = [word for word in _words(task) if len(word) > 3] or list(_words(task))
        return sum(word[: max(4, len(word) - 3)] in self._heard for word in longer) > SAID * len(longer)


def is_new(item: Item, kept: list[Item]) -> bool:
    """Whether no earlier item says the same: pieces of a long text overlap, and tasks are said twice."""
    return not any(_same(item, earlier) for earlier in kept)


def _same(one: Item, other: Item) -> bool:
    if one.owner and other.owner and one.owner.casefold() != other.owner.casefold():
        return False
    first, second = _words(one.task), _words(other.task)
    return len(first & second) >= SAME * min(len(first), len(second))


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))
