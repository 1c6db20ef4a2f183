"""One script in one answer of Chinese: simplified or traditional, as asked for or as most of it came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from opencc import OpenCC

from speech.languages import Script
from speech.transcript import Word

CHINESE = frozenset({"zh", "yue"})


def in_one_script(words: Sequence[Word], script: Script | None = None) -> list[Word]:
    """Words with those of Chinese in one script. script: None, the one that most characters are in"""
    chinese = [at for at, word in enumerate(words) if word.language in CHINESE]
    text = "".join(words[at].text for at in chinese)
    if not text:
        return list(words)
    converted = iter(_convert(text, script or usual_script(text)))
    written = list(words)
    for at in chinese:
        written[at] = replace(words[at], text="".join(next(converted) for _ in words[at].text))
    return written


def usual_script(text: str) -> Script:
    """The script of most characters that differ between the two; simplified where none does."""
    simplified = sum(one != other for one, other in zip(text, _convert(text, Script.TRADITIONAL), strict=True))
    traditional = sum(one != other for one, other in zip(text, _convert(text, Script.SIMPLIFIED), strict=True))
    return Script.TRADITIONAL if traditional > simplified else Script.SIMPLIFIED


def _convert(text: str, script: Script) -> str:
    """Character by character where phrases would change the length."""
    converter = _converter("s2t" if script is Script.TRADITIONAL else "t2s")
    converted = str(converter.convert(text))
    if len(converted) == len(text):
        return converted
    return "".join(str(converter.convert(character))[:1] for character in text)


@cache
def _converter(name: str) -> OpenCC:
    return OpenCC(name)
