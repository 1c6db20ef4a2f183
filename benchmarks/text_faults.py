"""Runs of words that one text lacks of another, or has besides: what a mean error rate hides."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

FAULTY = 3  # words in a row


@dataclass(frozen=True, slots=True)
class Faults:
    """Runs of words between one text and another."""

    lost: tuple[str, ...] = ()
    doubled: tuple[str, ...] = ()
    invented: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.invented)


def find_faults(reference: str, heard: str, longest: int = FAULTY) -> Faults:
    """What the second text lacks of the first, or has besides. Misheard words are no faults.

    longest: words in a row that are still none
    """
    said, written = _words(reference), _words(heard)
    lost: list[str] = []
    doubled: list[str] = []
    invented: list[str] = []
    blocks = SequenceMatcher(None, said, written, autojunk=False).get_opcodes()
    for kind, first, last, start, stop in blocks:
        if kind == "equal":
            continue
        if (last - first) - (stop - start) >= longest:
            lost.append(" ".join(said[first:last]))
        elif (stop - start) - (last - first) >= longest:
            (doubled if _stands_beside_itself(written, start, stop) else invented).append(" ".join(written[start:stop]))
    return Faults(tuple(lost), tuple(doubled), tuple(invented))


def _stands_beside_itself(words: Sequence[str], start: int, stop: int) -> bool:
    run = words[start:stop]
    near = words[max(0, start - len(run) - 2) : start], words[stop : stop + len(run) + 2]
    return any(len(run) and sum((Counter(run) & Counter(other)).values()) >= 0.7 * len(run) for other in near)


def _words(text: str) -> list[str]:
    return re.sub(r"[^\w\s]", "", text.replace("-", " ").lower()).split()
