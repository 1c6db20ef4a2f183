"""Words → readable text, in languages with and without spaces."""

from __future__ import annotations

from collections.abc import Sequence

from speech.languages import SPACELESS
from speech.transcript import Word


def join(words: Sequence[Word], language: str) -> str:
    """One line. Where the language has no spaces, only foreign words beside each other get one."""
    if language not in SPACELESS:
        return " ".join(word.text for word in words)
    parts: list[str] = []
    for word in words:
        if parts and _is_latin(parts[-1][-1:]) and _is_latin(word.text[:1]):
            parts.append(" ")
        parts.append(word.text)
    return "".join(parts)


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
