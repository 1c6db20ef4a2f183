"""Tasks that a transcript gives in so many words: who does what, and by when.

A sentence is read clause by clause, together with its neighbours: an answer gives the date, a refusal takes the task
back, and a task that only points at something is told with what it points at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

from gateway.summaries import spaceless_tasks
from gateway.summaries.participants import Participants
from gateway.summaries.spoken_task import SpokenTask
from gateway.summaries.task_clauses import ClauseReader
from gateway.summaries.task_wording import TRIM, clauses_of, refers
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords, vocabulary_of

ANSWERS = 2  # sentences in which an answer may come


def read_tasks(utterances: Sequence[TranscriptSentence], language: str | None) -> list[SpokenTask]:
    """language: ISO 639-1 code of the transcript, None where it is not known"""
    if language in spaceless_tasks.LANGUAGES:
        return [SpokenTask(*found) for found in spaceless_tasks.read(utterances)]
    whole = vocabulary_of(" ".join(utterance.text for utterance in utterances[:400]), language)
    reader = _TaskReader(utterances, whole, language)
    tasks = _with_owners([task for index in range(len(utterances)) for task in reader.read(index)])
    if not any(task.certain for task in tasks) and not any(whole.matches("decisions", u.text) for u in utterances):
        return []
    return tasks


def _with_owners(tasks: list[SpokenTask]) -> list[SpokenTask]:
    """Without those that somebody takes over in a later sentence."""
    return [
        task
        for place, task in enumerate(tasks)
        if task.owner or not any(later.owner and later.task == task.task for later in tasks[place + 1 :])
    ]


class _TaskReader:
    def __init__(self, utterances: Sequence[TranscriptSentence], words: LanguageWords, language: str | None) -> None:
        self._said = utterances
        self._language = language
        self._people = Participants(utterances, words)

    def read(self, index: int) -> Iterator[SpokenTask]:
        text = self._said[index].text
        words = vocabulary_of(text, self._language)
        if self._retracted(index, words) or self._refuses(index, words):
            return
        found = list(self._clauses(index, text, words))
        for task in found:
            due = task.due or self._due_of_answer(index, words)
            yield replace(task, due=due, task=self._with_what_it_refers_to(task.task, index, words))

    def _clauses(self, index: int, text: str, words: LanguageWords) -> Iterator[SpokenTask]:
        clause = ClauseReader(self._people, index, self._said[index].number, words)
        called = self._people.called(text)
        parts = clauses_of(text, words)
        condition = re.match(rf"(?i:{words.fields['conditions']})\s", words.filler.sub("", parts[0]))
        for part in parts:
            for task in clause.read(part, called, self._said, text):
                under = words.filler.sub("", parts[0]).strip(TRIM) if condition and part is not parts[0] else ""
                yield replace(task, task=f"{task.task} – {under}") if under else task

    def _refuses(self, index: int, words: LanguageWords) -> bool:
        """Whether a sentence is a no to the question before it."""
        refused = re.match(rf"(?i:{words.fields['refuse']})(?!\w)", self._said[index].text)
        return bool(refused) and index > 0 and self._said[index - 1].text.endswith("?")

    def _retracted(self, index: int, words: LanguageWords) -> bool:
        """Whether the next sentence refuses, or leaves open who does it."""
        if index + 1 >= len(self._said):
            return False
        following = self._said[index + 1].text
        refused = re.match(rf"(?i:{words.fields['refuse']})(?!\w)", following)
        open_still = words.denies(following) and words.matches("decisions", following) and len(following.split()) < 14
        return bool(refused) or (open_still and "decide" in following)

    def _due_of_answer(self, index: int, words: LanguageWords) -> str:
        """Of "By Thursday." as an answer to a question when."""
        for answer in self._said[index + 1 : index + 1 + ANSWERS]:
            text = words.filler.sub("", answer.text)
            found = words.due.fullmatch(text.strip(TRIM))
            if found:
                return text.strip(TRIM)
            again = re.match(rf"(?i:{words.fields['back_reference']})(?!\w)", text)
            if again and (times := words.due.findall(text)):
                return str(times[-1]) if isinstance(times[-1], str) else ""
        return ""

    def _with_what_it_refers_to(self, task: str, index: int, words: LanguageWords) -> str:
        """ "set that up" → "set that up – the alarm must call a second person", which is the sentence before."""
        if len(task.split()) > 4 or not refers(task):
            return task
        for before in reversed(self._said[max(0, index - 2) : index]):
            text = words.filler.sub("", before.text).strip(TRIM)
            if not before.text.endswith("?") and len(text.split()) > 3 and not self._people.called(before.text):
                return f"{task} – {text}"
        return task
