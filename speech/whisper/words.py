"""Tokens → words: where one ends and the next begins, in scripts with and without spaces.

A word keeps its punctuation, but is timed by its `core`, the tokens between the punctuation: a comma has
no sound, and the model's attention at one wanders into the pause.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from speech.languages import SPACELESS
from speech.whisper.tokenizer import Tokenizer

_READ_ALOUD: Final = frozenset("&%@#*/\\‰§†‡")  # Unicode calls these punctuation, but people say them
_OPENING: Final = frozenset("\"'“‘«‹„‚¿¡([{-–—「『（【《〈")
_ALWAYS_OPENING: Final = frozenset("「『（【《〈“‘«")


@dataclass(frozen=True, slots=True)
class Span:
    """A word as a run of tokens; core is the part that is spoken."""

    text: str  # no surrounding space
    first: int  # token
    stop: int  # token, one past the last
    core_first: int
    core_stop: int


@dataclass(slots=True)
class _Piece:
    runs: list[tuple[str, int]]  # text, number of tokens

    @property
    def text(self) -> str:
        return "".join(text for text, _ in self.runs)

    @property
    def silent(self) -> bool:
        return is_punctuation(self.text)

    @property
    def opens(self) -> bool:
        stripped = self.text.strip()
        return bool(stripped) and all(character in _OPENING for character in stripped)


def is_punctuation(text: str) -> bool:
    """Whether nothing in it is spoken: spaces, punctuation, broken characters."""
    return all(
        character.isspace()
        or character == "\N{REPLACEMENT CHARACTER}"
        or (unicodedata.category(character)[0] in "PCZ" and character not in _READ_ALOUD)
        for character in text
    )


def split_words(tokens: Sequence[int], tokenizer: Tokenizer, language: str) -> list[Span]:
    """The words of a text, in order; every token belongs to one. Punctuation alone is no word.

    raises: nothing; a text of punctuation only gives []
    """
    runs = tokenizer.characters(tokens)
    pieces = _by_character(runs) if language in SPACELESS else _by_space(runs)
    pieces = _attach_punctuation(pieces)
    spans: list[Span] = []
    first = 0
    for piece in pieces:
        stop = first + sum(count for _, count in piece.runs)
        if not piece.silent:
            spans.append(_span(piece, first, stop))
        first = stop
    return spans


def _by_space(runs: list[tuple[str, int]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for run in runs:
        if not pieces or run[0][:1].isspace():
            pieces.append(_Piece([run]))
        else:
            pieces[-1].runs.append(run)
    return pieces


def _by_character(runs: list[tuple[str, int]]) -> list[_Piece]:
    pieces: list[_Piece] = []
    for run in runs:
        if pieces and _continues(pieces[-1].runs[-1][0], run[0]):
            pieces[-1].runs.append(run)
        else:
            pieces.append(_Piece([run]))
    return pieces


def _continues(before: str, text: str) -> bool:
    """Combining marks never stand alone; foreign words and numbers inside the text stay whole."""
    if unicodedata.category(text[:1] or " ")[0] == "M":
        return True
    return (before[-1:] + text[:1]).isalnum() and (before[-1:] + text[:1]).isascii()


def _attach_punctuation(pieces: list[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    waiting: list[tuple[str, int]] = []  # opening marks, for the word that follows
    for position, piece in enumerate(pieces):
        last = position == len(pieces) - 1
        if piece.silent and not last and (not joined or (piece.opens and _set_apart(pieces, position))):
            waiting += piece.runs
        elif piece.silent and joined:
            joined[-1].runs += waiting + piece.runs
            waiting = []
        else:
            joined.append(_Piece(waiting + piece.runs))
            waiting = []
    return joined


def _set_apart(pieces: list[_Piece], position: int) -> bool:
    """An opening mark after a space or after no letter; right behind a letter it closes (the ' of dogs')."""
    text = pieces[position].text
    return text[:1].isspace() or text[:1] in _ALWAYS_OPENING


def _span(piece: _Piece, first: int, stop: int) -> Span:
    core_first, core_stop = first, stop
    for text, count in piece.runs:
        if not is_punctuation(text):
            break
        core_first += count
    for text, count in reversed(piece.runs):
        if not is_punctuation(text):
            break
        core_stop -= count
    return Span(piece.text.strip(), first, stop, core_first, core_stop)
