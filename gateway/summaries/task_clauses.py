"""Clauses that give a task.

What is past, denied or a rule is none, and an owner is named in the clause, is its speaker or was spoken to by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from gateway.summaries.participants import Participants
from gateway.summaries.spoken_task import SpokenTask, TaskWriter
from gateway.summaries.task_wording import base_forms
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords

_LEAD = re.compile(
    r"^(?:(?:minutes|action items?|to-?dos?|tasks?|aufgaben|tareas|tâches)\s*:\s*)?(?:(?:[-*•–]|\(?\d{1,2}[.)])\s*)?"
    r"(?:[\w -]{3,30}: (?=(?-i:[A-ZÀ-Þ])\w+ \w+))?(?:don't forget to |please don't forget to )?",
    re.IGNORECASE,
)
_ASSIGNED = (
    r"(?i:(?:action|task|to-?do|aufgabe|tarea|tâche|tarefa|compito|taak|tugas)(?: item)? "
    r"(?:for|für|para|pour|per|voor|untuk))"
)


class ClauseReader:
    """Reads the clauses of one sentence."""

    def __init__(self, people: Participants, index: int, number: int, words: LanguageWords) -> None:
        self._people = people
        self._index = index
        self._words = words
        self._tasks = TaskWriter(number, words)

    def read(self, clause: str, called: str, said: Sequence[TranscriptSentence], sentence: str) -> Iterator[SpokenTask]:
        words = self._words
        bare = words.filler.sub("", clause.strip().lstrip("¿¡"))
        plain = _LEAD.sub("", bare).strip()
        if self._refers_back(plain) or self._refers_back(clause.strip()):
            yield from self._referred(said, clause)
            return
        if words.matches("rules", clause):
            return
        told = [*self._assigned(bare)] or [*self._reminded(bare, called)]
        if told:
            yield from told
            return
        for read in (self._wished, self._listed, self._given, self._promised, self._requested, self._impersonal):
            found = list(read(plain, called, sentence))
            if found:
                yield from found
                return

    def _refers_back(self, clause: str) -> bool:
        """Whether nothing but "I'll do it" is said, with a date at most."""
        found = re.match(rf"(?i:{self._words.fields['back_reference']})(?!\w)", clause)
        rest = self._words.due.sub("", clause[found.end() :]) if found else ""
        rest = re.sub(rf",\s*(?i:{self._words.fields['quoted']})\s+{self._words.name}", "", rest)
        return found is not None and not any(letter.isalpha() for letter in rest)

    def _given(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "Ben will order two phones", "Ben orders two phones today", "Bis Freitag schreibt Carla den Testplan"."""
        words = self._words
        lead = rf"(?:(?i:{words.due.pattern})\s*,?\s*)?"
        modal = rf"(?i:{words.fields['modal']})"
        verb = rf"(?i:{words.fields['actions']})"
        future = re.match(rf"^{lead}(?P<owner>{words.names})\s*(?P<modal>{modal})\s+(?P<task>.+)", clause)
        if future is None:
            future = re.match(rf"^{lead}(?P<modal>{modal})\s+(?P<owner>{words.names})\s+(?P<task>.+)", clause)
        if future is not None and "?" not in clause:
            barred = re.match(rf"(?i:{words.fields['modal_not']})", future["task"])
            if self._people.is_name(future["owner"]) and not barred and not self._tasks.denied(future["task"]):
                yield from self._tasks.task(future["owner"], future["task"], clause)
            return
        now = re.match(rf"^{lead}(?P<owner>{words.names})\s+(?P<task>{verb}(?!\w).*)", clause)
        if now is None and words.language in ("de", "nl"):
            swapped = re.match(rf"^{lead}(?P<verb>{verb})\s+(?P<owner>{words.names})\s+(?P<task>.+)", clause)
            if (
                swapped
                and "?" not in clause
                and self._people.is_name(swapped["owner"])
                and not self._tasks.is_past(clause)
            ):
                owner = swapped["owner"].split()
                name = " ".join(owner[: 2 if re.fullmatch(words.fields["titles"], owner[0], re.IGNORECASE) else 1])
                rest = f"{' '.join(owner[len(name.split()) :])} {swapped['task']}"
                yield from self._tasks.task(
                    name, f"{swapped['verb'].lower()} {rest}", clause, certain=bool(words.due.search(clause))
                )
            return
        if now is None or "?" in clause or self._tasks.is_past(clause) or self._tasks.denied(now["task"]):
            return
        several = re.search(rf"\s(?:{words.fields['conjunction']})\s", now["owner"])
        singular = words.language != "en" or several or now["task"].split()[0].endswith("s")
        if singular and self._people.is_name(now["owner"]):
            task = base_forms(now["task"], words)
            yield from self._tasks.task(now["owner"], task, clause, certain=bool(words.due.search(clause)))

    def _wished(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "I want Ben to call the bank", "Il faut que Sophie envoie le devis": somebody wants it of somebody."""
        words = self._words
        if "?" in clause:
            return
        article = r"(?:[oa]s?\s+)?" if words.language == "pt" else ""
        for lead, following in words.fields["wishes"]:
            joint = following.replace("{actions}", words.fields["actions"])
            found = re.match(
                rf"(?i:{lead})\s*{article}(?P<owner>{words.names})\s*,?\s+(?i:{joint})\s*(?P<task>\w.+)", clause
            )
            if found is None or not self._people.is_name(found["owner"]) or self._tasks.denied(found["task"]):
                continue
            if not re.match(rf"(?i:{words.fields['states']})", found["task"]):
                yield from self._tasks.task(found["owner"], found["task"], clause)
            return

    def _assigned(self, clause: str) -> Iterator[SpokenTask]:
        """ "Action for Carla: order phones"."""
        line = re.match(rf"^{_ASSIGNED}\s+(?P<owner>{self._words.names})\s*:\s+(?P<task>\w.+)", clause)
        if line and self._people.is_name(line["owner"]):
            yield from self._tasks.task(line["owner"], line["task"], clause)

    def _reminded(self, clause: str, called: str) -> Iterator[SpokenTask]:
        """ "Don't forget to lock the door, Sam"."""
        text = self._without_address(clause, called)
        found = re.match(rf"(?i:{self._words.fields['reminder']})", text)
        if found and "?" not in clause:
            yield from self._tasks.task(called or self._people.addressed(self._index), _first_group(found), text)

    def _without_address(self, clause: str, called: str) -> str:
        if not called:
            return clause
        return re.sub(rf"^{re.escape(called)}\s*[,，]\s*|,\s*{re.escape(called)}\s*[.!?]*$", "", clause).strip()

    def _listed(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "Test plan: Carla, by Friday", "Carla: test plan by Friday" and "Carla - order phones"."""
        words = self._words
        line = re.match(
            rf"^(?P<task>[^:,]{{3,60}}): (?P<owner>{words.names})\s*"
            rf"(?:[,(]\s*(?P<due>(?i:{words.due.pattern}))\)?)?[.]?$",
            clause,
        )
        if line and self._people.is_name(line["owner"]) and line["due"]:
            yield from self._tasks.task(line["owner"], line["task"], f"{clause}")
            return
        line = re.match(rf"^(?P<owner>{words.names})\s*[:–-]\s+(?P<task>\w.+)", clause)
        if (
            line
            and self._people.is_name(line["owner"])
            and words.due.search(clause)
            and not self._tasks.is_past(clause)
        ):
            yield from self._tasks.task(line["owner"], line["task"], clause)

    def _promised(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        words = self._words
        for name in ("promise", "promise_present"):
            if name not in words.fields or "?" in clause:
                continue
            found = re.match(rf"(?:(?i:{words.due.pattern})\s*,?\s*)?(?i:{words.fields[name]})", clause, re.IGNORECASE)
            if found is None:
                continue
            task = next(text for text in (found.groupdict().get(f"task{n}") for n in ("", "2", "3")) if text)
            verb = found.groupdict().get("verb") or ""  # "Dann prüfe ich das Lager"
            task = f"{verb.lower()} {task}" if verb else task
            if not self._tasks.denied(task) and not (name == "promise_present" and self._tasks.is_past(clause)):
                yield from self._tasks.task(self._people.speaker(self._index), task, clause)
            return

    def _requested(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        words = self._words
        text = self._without_address(clause, called)
        asked = re.match(
            rf"^(?i:can|could|will|would|kann|könnte|puede|podría|peut|pourrait|può|potrebbe|pode|kan|zou)\s+(?P<owner>{words.name})\s+(?P<task>.+)\?",
            clause,
        )
        if asked and self._people.is_name(asked["owner"].split()[0]):
            owner = asked["owner"].split()
            yield from self._tasks.task(owner[0], " ".join([*owner[1:], asked["task"]]), clause)
            return
        found = re.match(rf"(?:(?i:{words.due.pattern})\s*,?\s*)?(?i:{words.fields['request']})", text, re.IGNORECASE)
        if found is None or self._tasks.denied(found[0][:40]):
            return
        kind, task = next((name, text) for name, text in found.groupdict().items() if text)
        polite = re.search(
            r"(?i)\b(?:please|bitte|por favor|s'il (?:te|vous) plaît|per favore|alsjeblieft|alstublieft|tolong)\b",
            sentence,
        )
        bare = kind in ("task4", "task5")
        if bare and not called and not polite:
            return
        if "?" in clause and not called and not polite and kind != "task":
            return
        owner = called or self._people.addressed(self._index)
        if kind == "task" and "?" in clause and not owner and not polite:
            return
        yield from self._tasks.task(owner, task, clause)

    def _impersonal(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "Somebody has to call them" and "The heating must be repaired": there is no owner."""
        words = self._words
        if "?" in clause:
            return
        clause = self._without_address(clause, called)
        found = re.match(rf"(?i:{words.fields['somebody']})", clause)
        if found and not self._tasks.denied(clause):
            yield from self._tasks.task(called, _first_group(found), clause)
            return
        found = re.match(rf"(?i:{words.fields['passive']})", clause)
        if found and not self._tasks.denied(clause):
            yield from self._tasks.task(called, found.groupdict().get("task") or found[0], clause)

    def _referred(self, said: Sequence[TranscriptSentence], clause: str) -> Iterator[SpokenTask]:
        """ "I'll do it" after "Who orders the phones?"; after a request the task is told there."""
        words, owner = self._words, self._people.speaker(self._index)
        for before in reversed(said[max(0, self._index - 2) : self._index]):
            text = words.filler.sub("", before.text)
            found = re.match(rf"(?i:{words.fields['who']})", text, re.IGNORECASE)
            if found and text.endswith("?"):
                told = list(self._tasks.task(owner, base_forms(found["task"], words), f"{found['task']} {clause}"))
                if told:
                    yield from told
                    return
                continue  # "Who does it?"
            somebody = re.match(rf"(?i:{words.fields['somebody']})", text, re.IGNORECASE)
            if somebody:
                task = _first_group(somebody)
                yield from self._tasks.task(owner, task, f"{task} {clause}")
                return
            passive = re.match(rf"(?i:{words.fields['passive']})", text)
            if passive and not self._tasks.denied(text):
                task = passive.groupdict().get("task") or passive[0]
                yield from self._tasks.task(owner, task, f"{text} {clause}")
                return


def _first_group(found: re.Match[str]) -> str:
    """What the alternative that matched calls a task."""
    return next(text for text in found.groupdict().values() if text)
