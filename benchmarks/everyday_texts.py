"""Everyday texts with what is decided and who does what in them: what comes back, and what comes that was not said.

Half of them, `held_out`, are not looked at while rules and prompts are changed.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.report import Table

EVERYDAY = Path(__file__).parent / "data" / "everyday"
HALVES = ("development", "held_out")
NONE = "none"
COPY = 0.8  # share of a longer text's runs of four words
LONGER = 60  # words

_ITEM = re.compile(r"^- (?:(?P<owner>[^:()]{1,40}): )?(?P<task>.*?)(?: \((?P<due>[^()]*)\))?$")
_WORD = re.compile(r"\w+")
_DECIDED = re.compile(
    r"decid|agreed|approv|reject|turned down|beschlossen|entschieden|abgelehnt|decidido|acordado|rechaz|"
    r"décid|refus|diputuskan|sepakat|ditolak|deciso|combinado|besloten|afgewezen|決ま|决定",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class ExpectedTask:
    owner: str  # "" where nobody is named
    words: tuple[str, ...]
    due: str  # "" where no time is said


@dataclass(frozen=True, slots=True)
class EverydayText:
    name: str
    language: str
    text: str
    tasks: tuple[ExpectedTask, ...]
    decisions: tuple[tuple[str, ...], ...]


@dataclass(slots=True)
class EverydayScore:
    """Of all texts of one language, or of all."""

    texts: int = 0
    statements: int = 0
    invented: int = 0
    decisions: int = 0
    decisions_kept: int = 0
    tasks: int = 0
    tasks_found: int = 0
    tasks_told: int = 0
    tasks_right: int = 0  # of those told: a task that is expected, its owner and its date
    without_tasks: int = 0
    said_none: int = 0
    copies: int = 0

    def row(self, name: str) -> tuple[object, ...]:
        pairs = (
            (self.invented, self.statements), (self.decisions_kept, self.decisions), (self.tasks_found, self.tasks),
            (self.tasks_right, self.tasks_told), (self.said_none, self.without_tasks), (self.copies, self.texts),
        )  # fmt: skip
        return (name, self.texts, *(f"{part} of {whole}" for part, whole in pairs))


COLUMNS = (
    "language", "texts", "statements invented", "decisions in brief", "tasks found", "tasks right of those told",
    "none where there is none", "copies",
)  # fmt: skip


def read_texts(half: str, folder: Path = EVERYDAY) -> list[EverydayText]:
    listed = tomllib.loads((folder / f"{half}.toml").read_text(encoding="utf-8"))["texts"]
    return [
        EverydayText(
            name=fields["name"],
            language=fields["language"],
            text=fields["text"],
            tasks=tuple(ExpectedTask(task[0], tuple(task[1:-1]), task[-1]) for task in fields.get("tasks", ())),
            decisions=tuple(tuple(words) for words in fields.get("decisions", ())),
        )
        for fields in listed
    ]


def measure_texts(texts: Sequence[EverydayText], summarise: Callable[[str, str], str]) -> tuple[Table, list[str]]:
    """The scores by language, and every fault in words.

    summarise: text and style → summary
    """
    scores: dict[str, EverydayScore] = {}
    faults: list[str] = []
    for text in texts:
        brief, items = summarise(text.text, "brief"), summarise(text.text, "action_items")
        for name in (text.language, "all"):
            score = scores.setdefault(name, EverydayScore())
            found = [*score_brief(text, brief, score), *score_items(text, items, score)]
        faults.extend(f"{text.name}: {fault}" for fault in found)
        print(text.name, *found, sep="\n  ", flush=True)
    rows = [scores[name].row(name) for name in sorted(scores, key=lambda name: (name == "all", name))]
    return Table("Everyday texts", COLUMNS, rows), faults


def score_brief(text: EverydayText, summary: str, score: EverydayScore) -> list[str]:
    faults = []
    score.texts += 1
    for statement in _statements(summary):
        score.statements += 1
        if not _borne_out(statement, text.text):
            score.invented += 1
            faults.append(f"not said: {statement}")
    for words in text.decisions:
        score.decisions += 1
        kept = all(word.casefold() in summary.casefold() for word in words)
        score.decisions_kept += kept
        faults += [] if kept else [f"decision lost: {' '.join(words)}"]
    if _is_copy(summary, text.text):
        score.copies += 1
        faults.append("a copy")
    return faults


def score_items(text: EverydayText, summary: str, score: EverydayScore) -> list[str]:
    told = [] if summary == NONE else [found for line in summary.splitlines() if (found := _ITEM.match(line))]
    score.tasks += len(text.tasks)
    score.tasks_told += len(told)
    if not text.tasks:
        score.without_tasks += 1
        score.said_none += not told
    faults = []
    for task in text.tasks:
        same = [line for line in told if all(word.casefold() in line[0].casefold() for word in task.words)]
        score.tasks_found += bool(same)
        if not same:
            faults.append(f"task lost: {task.owner} {' '.join(task.words)}")
    for line in told:
        right = any(_is_task(line, task) for task in text.tasks)
        score.tasks_right += right
        faults += [] if right else [f"wrong task: {line[0]}"]
    return faults


def _is_task(line: re.Match[str], task: ExpectedTask) -> bool:
    owner, due = line["owner"] or "", line["due"] or ""
    named = owner.casefold() == task.owner.casefold()
    timed = task.due.casefold() in due.casefold() if task.due else not due
    return named and timed and all(word.casefold() in line[0].casefold() for word in task.words)


def _statements(summary: str) -> list[str]:
    found = re.split(r"(?<=[.!?])\s+|(?<=[。！？])|\n+", summary)
    return [statement.strip(" -") for statement in found if _WORD.search(statement)]


def _borne_out(statement: str, text: str) -> bool:
    """By its words and figures, and by what it calls decided. Of inflected forms, the first letters count."""
    said = text.casefold()
    if _DECIDED.search(statement) and not _DECIDED.search(text):
        return False
    words = [word for word in _WORD.findall(statement.casefold()) if len(word) > 3 or word.isdigit()]
    return all(word[: max(4, len(word) - 3)] in said for word in words)


def _is_copy(summary: str, text: str) -> bool:
    words, own = _WORD.findall(text.casefold()), _WORD.findall(summary.casefold())
    if len(words) <= LONGER:
        return False
    runs, repeated = ({tuple(part[at : at + 4]) for at in range(len(part) - 3)} for part in (words, own))
    return len(runs & repeated) > COPY * len(runs)
