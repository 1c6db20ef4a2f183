"""What the model is asked, under which schema it answers, and how its answer is read.

The model words sentences that are given to it by their numbers, or says which of them give a task. Both are checked
by their callers. An answer that is no JSON is an answer without statements.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.summaries.chat_protocol import ChatRequest
from gateway.summaries.styles import messages
from gateway.summaries.utterances import TranscriptSentence

TOKENS_OF_A_POINT = 60  # in English, JSON included
TOKENS_OF_A_TASK = 60
AROUND = 2  # sentences before and after one that is asked about
LONGEST_SHOWN = 600  # characters of one sentence


@dataclass(frozen=True, slots=True)
class ModelTask:
    sentence: int
    owner: str
    task: str
    due: str


def shown(utterances: Sequence[TranscriptSentence], wanted: Sequence[int], names: Mapping[int, str]) -> str:
    """The sentences with these indices and their neighbours, numbered.

    names: of speakers, by index, where they are known
    """
    places = sorted(
        {
            place
            for index in wanted
            for place in range(index - AROUND, index + AROUND + 1)
            if 0 <= place < len(utterances)
        }
    )
    lines = []
    for place in places:
        name = f" ({names[place]})" if names.get(place) else ""
        lines.append(f"[{utterances[place].number}]{name} {utterances[place].text[:LONGEST_SHOWN]}")
    return "\n".join(lines)


def points_request(sentences: str, numbers: Sequence[int], language: str, density: float) -> ChatRequest:
    """density: tokens that the text's language needs for one of English"""
    keys = [str(number) for number in numbers]
    schema = _object({key: {"type": "string"} for key in keys})
    chat = messages("points", sentences, numbers=", ".join(keys), language=language)
    return ChatRequest(chat, round(TOKENS_OF_A_POINT * density * len(keys)) + 16, schema)


def read_points(answer: str, numbers: Sequence[int]) -> dict[int, str]:
    found = _read(answer)
    return {number: " ".join(text.split()) for number in numbers if isinstance(text := found.get(str(number)), str)}


def tasks_request(sentences: str, numbers: Sequence[int], density: float) -> ChatRequest:
    text = {"type": "string"}
    one = _object({"sentence": {"enum": list(numbers)}, "owner": text, "task": text, "due": text})
    schema = _object({"tasks": {"type": "array", "maxItems": len(numbers), "items": one}})
    chat = messages("tasks", sentences, numbers=", ".join(map(str, numbers)))
    return ChatRequest(chat, round(TOKENS_OF_A_TASK * density * len(numbers)) + 16, schema)


def read_model_tasks(answer: str, numbers: Sequence[int]) -> list[ModelTask]:
    listed = _read(answer).get("tasks")
    found = []
    for fields in listed if isinstance(listed, list) else []:
        if isinstance(fields, dict) and fields.get("sentence") in numbers:
            said = [" ".join(str(fields.get(name) or "").split()) for name in ("owner", "task", "due")]
            found.append(ModelTask(int(fields["sentence"]), *said))
    return found


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object", "properties": properties, "required": list(properties), "additionalProperties": False,
    }  # fmt: skip


def _read(answer: str) -> dict[str, Any]:
    try:
        found = json.loads(answer)
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
