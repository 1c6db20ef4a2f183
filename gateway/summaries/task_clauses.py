"""A clause that gives a task: its owner, its words and its date.

What is past, denied or a rule is no task, an owner is named in the clause, is its speaker or was spoken to by name,
and the words of a task and its date are those that were said.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gateway.summaries.participants import Participants
from gateway.summaries.task_wording import TRIM, base_forms, is_pronoun, task_text
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords

SHORTEST = 3  # letters of a task

_LEAD = re.compile(
    r"^(?:(?:minutes|action items?|to-?dos?|tasks?|aufgaben|tareas|tâches)\s*:\s*)?(?:(?:[-*•–]|\(?\d{1,2}[.)])\s*)?"
    r"(?:[\w -]{3,30}: (?=(?-i:[A-ZÀ-Þ])\w+ \w+))?(?:don't forget to |please don't forget to )?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class SpokenTask:
    """A task with the sentence that gives it."""

    task: str
    owner: str  # "" where it is not known
    due: str  # as it was said, "" where no time was
    sentence: int  # number
    certain: bool = True  # False: a statement in the present tense alone, which may be a story


class ClauseReader:
    """Reads the clauses of one sentence."""

    def __init__(self, people: Participants, index: int, number: int, words: LanguageWords) -> None:
        self._people = people
        self._index = index
        self._number = number
        self._words = words

    def read(self, clause: str, called: str, said: Sequence[TranscriptSentence], sentence: str) -> Iterator[SpokenTask]:
        words = self._words
        plain = _LEAD.sub("", words.filler.sub("", clause.strip())).strip()
        if self._refers_back(plain) or self._refers_back(clause.strip()):
            yield from self._referred(said, clause)
            return
        if words.matches("rules", clause):
            return
        for read in (self._listed, self._given, self._promised, self._requested, self._impersonal):
            found = list(read(plain, called, sentence))
            if found:
                yield from found
                return

    def _refers_back(self, clause: str) -> bool:
        """Whether nothing but "I'll do it" is said, with a date at most."""
        found = re.match(rf"(?i:{self._words.fields['back_reference']})(?!\w)", clause)
        rest = self._words.due.sub("", clause[found.end() :]) if found else ""
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
            if self._people.is_name(future["owner"]) and not barred and not self._denied(future["task"]):
                yield from self._task(future["owner"], future["task"], clause)
            return
        now = re.match(rf"^{lead}(?P<owner>{words.names})\s+(?P<task>{verb}(?!\w).*)", clause)
        if now is None and words.language in ("de", "nl"):
            swapped = re.match(rf"^{lead}(?P<verb>{verb})\s+(?P<owner>{words.names})\s+(?P<task>.+)", clause)
            if swapped and "?" not in clause and self._people.is_name(swapped["owner"]) and not self._is_past(clause):
                owner = swapped["owner"].split()
                name = " ".join(owner[: 2 if re.fullmatch(words.fields["titles"], owner[0], re.IGNORECASE) else 1])
                rest = f"{' '.join(owner[len(name.split()) :])} {swapped['task']}"
                yield from self._task(
                    name, f"{swapped['verb'].lower()} {rest}", clause, certain=bool(words.due.search(clause))
                )
            return
        if now is None or "?" in clause or self._is_past(clause) or self._denied(now["task"]):
            return
        several = re.search(rf"\s(?:{words.fields['conjunction']})\s", now["owner"])
        singular = words.language != "en" or several or now["task"].split()[0].endswith("s")
        if singular and self._people.is_name(now["owner"]):
            task = base_forms(now["task"], words)
            yield from self._task(now["owner"], task, clause, certain=bool(words.due.search(clause)))

    def _listed(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "Test plan: Carla, by Friday", "Carla: test plan by Friday" and "Carla - order phones"."""
        words = self._words
        line = re.match(
            rf"^(?P<task>[^:,]{{3,60}}): (?P<owner>{words.names})\s*"
            rf"(?:[,(]\s*(?P<due>(?i:{words.due.pattern}))\)?)?[.]?$",
            clause,
        )
        if line and self._people.is_name(line["owner"]) and line["due"]:
            yield from self._task(line["owner"], line["task"], f"{clause}")
            return
        line = re.match(rf"^(?P<owner>{words.names})\s*[:–-]\s+(?P<task>\w.+)", clause)
        if line and self._people.is_name(line["owner"]) and words.due.search(clause) and not self._is_past(clause):
            yield from self._task(line["owner"], line["task"], clause)

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
            if not self._denied(task) and not (name == "promise_present" and self._is_past(clause)):
                yield from self._task(self._people.speaker(self._index), task, clause)
            return

    def _requested(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        words = self._words
        text = clause
        if called:
            text = re.sub(rf"^{re.escape(called)}\s*[,，]\s*|,\s*{re.escape(called)}\s*[.!?]*$", "", text).strip()
        asked = re.match(
            rf"^(?i:can|could|will|would|kann|könnte|puede|podría|peut|pourrait|può|potrebbe|pode|kan|zou)\s+(?P<owner>{words.name})\s+(?P<task>.+)\?",
            clause,
        )
        if asked and self._people.is_name(asked["owner"].split()[0]):
            owner = asked["owner"].split()
            yield from self._task(owner[0], " ".join([*owner[1:], asked["task"]]), clause)
            return
        found = re.match(rf"(?:(?i:{words.due.pattern})\s*,?\s*)?(?i:{words.fields['request']})", text, re.IGNORECASE)
        if found is None or self._denied(found[0][:40]):
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
        yield from self._task(owner, task, clause)

    def _impersonal(self, clause: str, called: str, sentence: str) -> Iterator[SpokenTask]:
        """ "Somebody has to call them" and "The heating must be repaired": there is no owner."""
        words = self._words
        if "?" in clause:
            return
        found = re.match(rf"(?i:{words.fields['somebody']})", clause)
        if found and not self._denied(clause):
            yield from self._task("", found["task"], clause)
            return
        found = re.match(rf"(?i:{words.fields['passive']})", clause)
        if found and not self._denied(clause):
            groups = found.groupdict()
            yield from self._task("", groups.get("task") or found[0], clause)

    def _referred(self, said: Sequence[TranscriptSentence], clause: str) -> Iterator[SpokenTask]:
        """ "I'll do it" after "Who orders the phones?"; after a request the task is told there."""
        words, owner = self._words, self._people.speaker(self._index)
        for before in reversed(said[max(0, self._index - 2) : self._index]):
            text = words.filler.sub("", before.text)
            found = re.match(rf"(?i:{words.fields['who']})", text, re.IGNORECASE)
            if found and text.endswith("?"):
                yield from self._task(owner, base_forms(found["task"], words), f"{found['task']} {clause}")
                return
            somebody = re.match(rf"(?i:{words.fields['somebody']})", text, re.IGNORECASE)
            if somebody:
                yield from self._task(owner, somebody["task"], f"{somebody['task']} {clause}")
                return

    def _task(self, owner: str, task: str, clause: str, certain: bool = True) -> Iterator[SpokenTask]:
        words = self._words
        due = self._due(clause)
        limit = re.search(rf"(?i)\b(?:not before|nicht vor|no antes del?)\s+{re.escape(due)}", clause) if due else None
        due = limit[0] if limit else due
        text = task_text(task, due, words)
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

    def _denied(self, task: str) -> bool:
        return self._words.denies(" ".join(task.split()[:2])) and not re.match(r"(?i)forget|vergiss", task)

    def _is_past(self, clause: str) -> bool:
        return self._words.matches("past", clause)
