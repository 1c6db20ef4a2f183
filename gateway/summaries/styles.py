"""The styles of a summary, and what is asked of the model for them, in template files.

A template has the transcript first and the instruction last: every style of the same text then shares the
part of the prompt that a server has already read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from string import Template

_BRACKETED = re.compile(r"\[(/?[A-Z]+(?:_[A-Z]+)*)\]")
_FENCES = str.maketrans("<>", "‹›")
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\u200b\u202a-\u202e\u2060-\u2069\ufeff]")


@dataclass(frozen=True, slots=True)
class Style:
    name: str
    most_points: int
    most_words: int  # of all points together
    share: float  # of the words of a text that is longer than a few sentences
    is_list: bool = False


BRIEF = Style("brief", most_points=3, most_words=60, share=0.45)
DETAILED = Style("detailed", most_points=30, most_words=300, share=0.5)
BULLET_POINTS = Style("bullet_points", most_points=10, most_words=180, share=0.5, is_list=True)
ACTION_ITEMS = Style("action_items", most_points=40, most_words=1000, share=1.0, is_list=True)
HEADLINE = Style("headline", most_points=1, most_words=16, share=1.0)

STYLES = {style.name: style for style in (BRIEF, DETAILED, ACTION_ITEMS, BULLET_POINTS, HEADLINE)}
ALIASES = {"bullets": BULLET_POINTS.name, "bullet-points": BULLET_POINTS.name, "action-items": ACTION_ITEMS.name}


def find_style(name: str) -> Style | None:
    wanted = name.strip().lower()
    return STYLES.get(ALIASES.get(wanted, wanted))


def messages(template: str, sentences: str, **slots: object) -> tuple[dict[str, str], ...]:
    """The chat that asks for something about numbered sentences. There is no example in it that could be copied."""
    asked = _template(template).substitute(transcript=fenced(sentences), **slots)
    return {"role": "system", "content": _template("system").substitute()}, {"role": "user", "content": asked}


def fenced(transcript: str) -> str:
    """The text without what could close its fence or pass for a control token of a chat format.

    Both are written with angle brackets (</transcript>, <|im_end|>, <end_of_turn>, </s>), Mistral's tokens in capitals
    in square ones ([INST]), and servers read control tokens inside a message as such.
    """
    harmless = _BRACKETED.sub(r"‹\1›", _CONTROLS.sub(" ", transcript))
    return harmless.translate(_FENCES).strip()


@cache
def _template(name: str) -> Template:
    return Template((files(__package__) / "templates" / f"{name}.txt").read_text(encoding="utf-8").strip())
