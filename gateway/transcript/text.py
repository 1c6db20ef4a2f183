"""Words → readable text, in languages with and without spaces."""

from __future__ import annotations

from collections.abc import Sequence

from speech.languages import SPACELESS
from speech.transcript import Word


def join(words: Sequence[Word], language: str) -> str:
    """One line. Where the language has no spaces, only foreign words beside each other get one.

    language: of words that name none themselves
    """
    parts: list[str] = []
    for before, word in zip([None, *words], words, strict=False):
        if before is not None and _apart(before, word, language):
            parts.append(" ")
        parts.append(word.text)
    return "".join(parts)


def _apart(before: Word, after: Word, language: str) -> bool:
    if (before.language or language) not in SPACELESS or (after.language or language) not in SPACELESS:
        return True
    return _is_latin(before.text[-1:]) and _is_latin(after.text[:1])


def _is_latin(character: str) -> bool:
    return character.isascii() and character.isalnum()
