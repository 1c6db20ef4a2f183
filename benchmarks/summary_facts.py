"""Meetings written for the purpose, with what was said in them: which of it a summary keeps, and what it invents.

The counting is by words, so a figure is for comparing templates and models with each other, on the same
meetings; it is no measure of prose.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

MEETINGS = Path(__file__).parent / "data" / "meetings"
KINDS = {"action_items": ("task",), "brief": ("decision",), "headline": ()}  # what a style should hold; else all
SUPPORT = 0.5  # share of a statement's longer words that the meeting must have, too

_WORD = re.compile(r"\w+")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-zà-ÿ]{2,}")  # a capital inside a sentence


@dataclass(frozen=True, slots=True)
class Fact:
    says: str
    needs: tuple[tuple[str, ...], ...]  # a word of every group, in one statement
    kind: str  # "task", "decision" or "figure"
    wrong_owners: tuple[str, ...] = ()  # of a task: the others who were there
    about: tuple[str, ...] = ()  # words by which a statement about the task is known


@dataclass(frozen=True, slots=True)
class Meeting:
    name: str
    language: str
    transcript: str
    facts: tuple[Fact, ...]
    figures: tuple[str, ...] = ()  # numbers that the transcript has in words

    @property
    def said(self) -> str:
        """Everything that a true statement may be made of, in small letters."""
        words = (word for fact in self.facts for group in fact.needs for word in group)
        return " ".join((self.transcript, *self.figures, *words)).lower()


@dataclass(frozen=True, slots=True)
class SummaryScore:
    meeting: str
    style: str
    kept: int
    expected: int
    invented: int
    statements: int
    seconds: float
    summary: str
    faults: tuple[str, ...]


def read_meetings(folder: Path = MEETINGS) -> list[Meeting]:
    return [_read_meeting(path) for path in sorted(folder.glob("*.toml"))]


def score(meeting: Meeting, style: str, summary: str, seconds: float = 0.0) -> SummaryScore:
    said = statements(summary)
    wanted = [fact for fact in meeting.facts if fact.kind in KINDS.get(style, (fact.kind,))]
    lost = [fact for fact in wanted if not any(_holds(fact, statement) for statement in said)]
    faults = {statement: fault for statement in said if (fault := _fault(meeting, statement))}
    told = [f"lost: {fact.says}" for fact in lost]
    told += [f"{fault}: {statement}" for statement, fault in faults.items()]
    kept = len(wanted) - len(lost)
    return SummaryScore(meeting.name, style, kept, len(wanted), len(faults), len(said), seconds, summary, tuple(told))


def statements(summary: str) -> list[str]:
    """Lines of a list, sentences of prose."""
    if summary.strip().lower() in ("", "none"):
        return []
    parts = (part for line in summary.splitlines() for part in re.split(r"(?<=[.!?])\s+", line))
    return [part.strip(" -*•") for part in parts if len(_WORD.findall(part)) > 1]


def _holds(fact: Fact, statement: str) -> bool:
    text = statement.lower()
    return all(any(word.lower() in text for word in group) for group in fact.needs)


def _fault(meeting: Meeting, statement: str) -> str | None:
    """What is wrong with a statement, or None."""
    said = meeting.said
    for number in _NUMBER.findall(statement):
        if number not in said:
            return f"number {number}"
    titled = sum(word[0].isupper() for word in statement.split()) > len(statement.split()) / 2
    if meeting.language != "de" and not titled:  # where every noun has a capital
        for name in _NAME.findall(statement):
            if name.lower()[:5] not in said:
                return f"name {name}"
    for fact in meeting.facts:
        if _gives_away(fact, statement.lower()):
            return "wrong owner"
    words = [word for word in _WORD.findall(statement.lower()) if len(word) > 3]
    supported = sum(word[: max(4, len(word) - 3)] in said for word in words)
    return "unsupported" if words and supported < SUPPORT * len(words) else None


def _gives_away(fact: Fact, text: str) -> bool:
    """Whether a statement about this task names only people who do not have it."""
    owner = fact.needs[0][0].lower()
    about = any(word.lower() in text for word in fact.about)
    return about and owner not in text and any(name.lower() in text for name in fact.wrong_owners)


def _read_meeting(path: Path) -> Meeting:
    fields = tomllib.loads(path.read_text(encoding="utf-8"))
    facts = [
        Fact(
            says=fact["says"],
            needs=tuple(tuple(group) for group in fact["needs"]),
            kind=fact["kind"],
            wrong_owners=tuple(fact.get("wrong_owners", ())),
            about=tuple(fact.get("about", ())),
        )
        for fact in fields["facts"]
    ]
    return Meeting(path.stem, fields["language"], fields["transcript"].strip(), tuple(facts), tuple(fields["figures"]))
