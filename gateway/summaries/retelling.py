"""A sentence of a transcript as a statement of its summary, without a model: its own words, and who says them."""

from __future__ import annotations

import re

from gateway.summaries.items import Item
from gateway.summaries.spoken_task import SpokenTask
from gateway.summaries.utterances import TranscriptSentence
from gateway.summaries.vocabulary import LanguageWords

_HEADING = re.compile(
    r"^(?:(?:minutes|action items?|to-?dos?|tasks?|protokoll|aufgaben|acta|tareas|tâches|compte rendu)\s*:\s*)?"
    r"(?:\(?\d{1,2}[.)]\s+)?",
    re.IGNORECASE,
)
_END = re.compile(r"[.!?。！？…]['\"”’»)]*$")
_SPACELESS = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")


def retold(utterance: TranscriptSentence, speaker: str, words: LanguageWords, tasks: list[SpokenTask]) -> str:
    """speaker: the name of who speaks, "" where it is not known"""
    said = _HEADING.sub("", utterance.text)
    first_person = words.is_first_person(said)
    owned = [task for task in tasks if task.owner]
    if owned and len(owned) == len(tasks) and any(_needs_its_owner(task, said, first_person) for task in owned):
        return " ".join(sentence(_as_prose(task)) for task in owned)
    text = sentence(words.connective.sub("", said) or said)
    if first_person and owned:
        due = next((task.due for task in owned if task.due and task.due not in said), "")
        text = f"{text.rstrip('.')} ({due})." if due else text
        return text if owned[0].owner in said else f"{owned[0].owner}: {text}"
    return f"{speaker}: {text}" if speaker and first_person else text


def _needs_its_owner(task: SpokenTask, said: str, first_person: bool) -> bool:
    """Whether a sentence does not say by itself who does what: it speaks to them, asks them, or says "it" only."""
    owner = re.escape(task.owner)
    if said.endswith("?") or " – " in task.task or re.search(rf"^(?:\w+ )?{owner}\s*,|,\s*{owner}\s*[.!?]*$", said):
        return True
    return task.task not in said if first_person else task.owner not in said


def _as_prose(task: SpokenTask) -> str:
    due = f" ({task.due})" if task.due and task.due not in task.task else ""
    return f"{task.owner}: {task.task}{due}"


def item(task: SpokenTask) -> Item:
    return Item(task.task, task.owner, task.due)


def sentence(text: str) -> str:
    """Beginning with a capital, ending with a full stop."""
    text = text.strip().strip('"“”„«»').strip()
    text = re.sub(r"^(?:[-*•#]+|\(?\d{1,2}[.)])\s+|[*_`]{2,}", "", text)
    text = text[:1].upper() + text[1:]
    stop = "。" if _SPACELESS.search(text) else "."
    return text if _END.search(text) else f"{text.rstrip(',;:-– ')}{stop}"
