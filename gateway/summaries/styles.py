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

_FENCES = str.maketrans("<>", "‹›")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Style:
    name: str
    max_tokens: int  # of the answer, in English
    max_lines: int = 1000  # after which there is nothing more to say
    part_lines: int = 0  # of every part of a long text, where the style goes part by part; 0: the whole from notes


BRIEF = Style("brief", 140, max_lines=4)
DETAILED = Style("detailed", 700, part_lines=8)
BULLET_POINTS = Style("bullet_points", 400, max_lines=10, part_lines=3)
ACTION_ITEMS = Style("action_items", 600, max_lines=20)
HEADLINE = Style("headline", 40, max_lines=1)

# Not for clients: the requests on the way to a summary.
NOTES = Style("notes", 300, max_lines=8)  # of one piece of a long text
HAS_ACTION_ITEMS = Style("has_action_items", 4, max_lines=1)  # asked before the list, which is never empty

STYLES = {style.name: style for style in (BRIEF, DETAILED, ACTION_ITEMS, BULLET_POINTS, HEADLINE)}
ALIASES = {"bullets": BULLET_POINTS.name, "bullet-points": BULLET_POINTS.name, "action-items": ACTION_ITEMS.name}


def find_style(name: str) -> Style | None:
    wanted = name.strip().lower()
    return STYLES.get(ALIASES.get(wanted, wanted))


@dataclass(frozen=True, slots=True)
class PromptSpec:
    """One style of one transcript, as its template says it."""

    style: Style
    language: str  # its English name, or words such as "the language of the transcript"
    words: int = 100  # of a detailed summary
    lines: int = 10  # of a list, at most


def messages(spec: PromptSpec, transcript: str) -> tuple[dict[str, str], ...]:
    """The chat that asks for it."""
    slots = {"language": spec.language, "words": spec.words, "lines": spec.lines}
    asked = _template(spec.style.name).substitute(transcript=fenced(transcript), **slots)
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
