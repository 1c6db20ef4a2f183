"""Which fonts of this machine draw a text: matplotlib's own have no Chinese, Japanese, Korean and much else."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache

from matplotlib import get_data_path
from matplotlib.font_manager import fontManager
from matplotlib.ft2font import FT2Font

OWN = ("DejaVu Sans Mono", "DejaVu Sans")  # come with matplotlib


@dataclass(frozen=True, slots=True)
class FontChoice:
    families: tuple[str, ...]  # to be tried in this order, character by character
    missing: frozenset[str]  # characters that none of them has

    def draws(self, text: str) -> bool:
        return self.missing.isdisjoint(text)


def choose_fonts(text: Iterable[str]) -> FontChoice:
    """As few other fonts beside matplotlib's own as the text needs."""
    missing = {character for character in set().union(*text) if not character.isspace()}
    families = list(OWN)
    for family in OWN:
        missing -= _characters(_file(family))
    # Among matplotlib's own are formula fonts, and one that draws a box for every character.
    others = {entry.name: entry.fname for entry in fontManager.ttflist if not entry.fname.startswith(get_data_path())}
    for family, file in sorted(others.items()):
        if not missing:
            break
        if found := missing & _characters(file):
            families.append(family)
            missing -= found
    return FontChoice(tuple(families), frozenset(missing))


def visible(text: str) -> str:
    """Without characters that have no shape of their own, for which fonts have no glyph."""
    return "".join(character for character in text if unicodedata.category(character) not in ("Cc", "Cf", "Co", "Cs"))


def _file(family: str) -> str:
    return next(entry.fname for entry in fontManager.ttflist if entry.name == family)


@cache
def _characters(file: str) -> frozenset[str]:
    try:
        return frozenset(map(chr, FT2Font(file).get_charmap()))
    except (OSError, RuntimeError):  # a font that is gone or damaged
        return frozenset()
