"""A task as a clause gives it: its words, its owner and its date, which are those that were said."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gateway.summaries.task_wording import TRIM, is_pronoun, task_text
from gateway.summaries.vocabulary import LanguageWords

SHORTEST = 3  # letters of a task

_OF = {  # whose object is the time that follows
    "en": "of", "de": "vo[nm]", "nl": "van", "fr": "de|du|des", "es": "del?", "it": "di|del|dell[ao]", "pt": "de|do|da",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class SpokenTask:
    """A task with the sentence that gives it."""

    task: str
    owner: str  # "" where it is not known
    due: str  # as it was said, "" where no time was
    sentence: int  # number
    certain: bool = True  # False: a statement in the present tense alone, which may be a story


class TaskWriter:
    """Writes the tasks of one sentence."""

    def __init__(self, number: int, words: LanguageWords) -> None:
        self._number = number
        self._words = words

    def task(self, owner: str, task: str, clause: str, certain: bool = True) -> Iterator[SpokenTask]:
        words = self._words
        due = self._due(self._main(task, clause))
        limit = re.search(rf"(?i)\b(?:not before|nicht vor|no antes del?)\s+{re.escape(due)}", clause) if due else None
        due = limit[0] if limit else due
        text = task_text(task, due, words)
        if words.language in _OF and re.search(rf"\s(?:{_OF[words.language]})$", text):  # "la réunion de lundi"
            due, text = "", task_text(task, "", words)
        letters = sum(letter.isalpha() for letter in text)
        if letters < SHORTEST or is_pronoun(text):
            return
        owner = re.sub(r"^[OA]s?\s+", "", owner) if words.language == "pt" else owner
        if len(text.split()) == 1 and not due and len(text) < 8:
            return
        due = due.strip(TRIM)
        if (
            due
            and clause.strip().startswith(due)
            and words.language != "de"
            and not re.match(rf"(?i){words.fields['days']}|{words.fields['months']}", due)
        ):
            due = due[0].lower() + due[1:]
        yield SpokenTask(text, owner, due, self._number, certain)

    def _main(self, task: str, clause: str) -> str:
        """A clause without what its task tells, asks or gives as a reason: a time in there is another one's."""
        inner = re.search(rf"(?i)\s(?:{self._words.fields['subordinate']})\s", task)
        return clause.replace(task[inner.start() :], "") if inner else clause

    def _due(self, clause: str) -> str:
        """The last time that is named, with what belongs to it: "the day after, on Wednesday"."""
        found = [time for time in self._words.due.finditer(clause) if re.search(r"\w{3}", time[0])]
        named = rf"(?i)(?<!\w)(?:{self._words.fields['days']}|{self._words.fields['months']})"
        spans: list[tuple[int, int]] = []
        for time in found:
            if spans and not clause[spans[-1][1] : time.start()].strip(" ,"):
                spans[-1] = (spans[-1][0], time.end())
            else:
                spans.append(time.span())
        texts = [clause[start:end] for start, end in spans]
        return next((text for text in reversed(texts) if re.search(named, text)), texts[-1] if texts else "")

    def denied(self, task: str) -> bool:
        return self._words.denies(" ".join(task.split()[:2])) and not re.match(r"(?i)forget|vergiss", task)

    def is_past(self, clause: str) -> bool:
        return self._words.matches("past", clause)
