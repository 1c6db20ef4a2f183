"""The styles of a summary: what each asks of the model, in a template file of its own.

A template has the transcript first and the instruction last: every style of the same text then shares the
part of the prompt that a server has already read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template
from typing import Any

ITEM_FIELDS = ("said", "task", "owner", "due")
ITEMS_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "items": {
            "type": "array",
            "maxItems": 20,
            "items": {
                "type": "object",
                "properties": {name: {"type": "string", "maxLength": 300} for name in ITEM_FIELDS},
                "required": list(ITEM_FIELDS),
                "additionalProperties": False,
            },
        }
    },
    "required": ["items"],
    "additionalProperties": False,
}

_FENCES = str.maketrans("<>", "‹›")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Style:
    name: str
    max_tokens: int  # of the answer, for a language of about four letters to the token
    schema: dict[str, Any] | None = None


BRIEF = Style("brief", 220)
DETAILED = Style("detailed", 1000)
BULLET_POINTS = Style("bullet_points", 500)
ACTION_ITEMS = Style("action_items", 1200, ITEMS_SCHEMA)
HEADLINE = Style("headline", 60)
NOTES = Style("notes", 600)  # of one piece of a long text; not for clients

STYLES = {style.name: style for style in (BRIEF, DETAILED, ACTION_ITEMS, BULLET_POINTS, HEADLINE)}
ALIASES = {"bullets": BULLET_POINTS.name, "bullet-points": BULLET_POINTS.name, "action-items": ACTION_ITEMS.name}


def find_style(name: str) -> Style | None:
    wanted = name.strip().lower()
    return STYLES.get(ALIASES.get(wanted, wanted))


def messages(style: Style, transcript: str, language: str) -> tuple[dict[str, str], ...]:
    """The chat that asks for one style of one transcript.

    language: its English name, or words such as "the language of the transcript"
    """
    asked = _template(style.name).substitute(transcript=fenced(transcript), language=language)
    return {"role": "system", "content": _template("system").substitute()}, {"role": "user", "content": asked}


def fenced(transcript: str) -> str:
    """The text without what could close its fence or pass for a control token of a chat format.

    Both are written with angle brackets everywhere (</transcript>, <|im_end|>, <end_of_turn>, </s>), and
    servers read control tokens inside a message as such.
    """
    return _CONTROLS.sub(" ", transcript).translate(_FENCES).strip()


@cache
def _template(name: str) -> Template:
    return Template((files(__package__) / "templates" / f"{name}.txt").read_text(encoding="utf-8").strip())
