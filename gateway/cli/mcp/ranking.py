"""Which passages speak of something: BM25 over stems, so that every answer is a passage and none is made up.

source: Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import snowballstemmer
import stopwordsiso

from speech.languages import NAMES, SPACELESS

SATURATION = 1.2  # k1: how soon another occurrence of a word adds nothing
LENGTH_WEIGHT = 0.75  # b: how much its length is held against a passage
COMMON_WEIGHT = 0.2  # of stop words, among which the lists have some such as "amount"
STEMS_KEPT = 65_536  # words that are not stemmed again

_PHRASE = re.compile(r'"([^"]+)"')


@dataclass(frozen=True, slots=True)
class PassageText:
    text: str
    language: str  # ISO 639-1


@dataclass(frozen=True, slots=True)
class RankedPassage:
    at: int  # its number among those that were searched
    score: float  # comparable within one ranking only
    matched: tuple[str, ...]  # words of the query that it has, in any of their forms


def rank(query: str, passages: Sequence[PassageText]) -> list[RankedPassage]:
    """The best first.

    A passage is left out that has no word of the query but such as "the" and "what" (unless the query has no other), or
    that lacks what stands there "in quotation marks".
    """
    sought = {language: _sought(query, language) for language in {each.language for each in passages}}
    counted = [Counter(terms(each.text, each.language)) for each in passages]
    found = [
        {word: counts[term] for word, term in sought[each.language].items() if counts[term]}
        for counts, each in zip(counted, passages, strict=True)
    ]
    having = Counter(word for each in found for word in each)
    rarity = {word: math.log(1 + (len(passages) - count + 0.5) / (count + 0.5)) for word, count in having.items()}
    for word in rarity.keys() & {word for language in sought for word in _stop_words(language)}:
        rarity[word] *= COMMON_WEIGHT
    mean = sum(counts.total() for counts in counted) / max(1, len(counted))
    ranked = [
        RankedPassage(at, _score(each, rarity, counted[at].total() / mean), tuple(each))
        for at, each in enumerate(found)
        if each and _is_meant(query, each, passages[at])
    ]
    return sorted(ranked, key=lambda each: (-each.score, each.at))


def words(text: str, language: str) -> list[str]:
    """In lower case. Of a language that is written without spaces, every two characters that stand together."""
    found = re.findall(r"\w+", unicodedata.normalize("NFKC", text).casefold())
    if language not in SPACELESS:
        return found
    return [piece for word in found for piece in ([word] if word.isascii() else _pairs(word))]


def terms(text: str, language: str) -> list[str]:
    """Words without their endings, where there is a stemmer for the language."""
    return [_stem(word, language) for word in words(text, language)]


def _sought(query: str, language: str) -> dict[str, str]:
    """Word → term."""
    return {word: _stem(word, language) for word in words(query, language)}


def _score(found: Mapping[str, int], rarity: Mapping[str, float], length: float) -> float:
    """length: of the passage, as a multiple of the mean"""
    half = SATURATION * (1 - LENGTH_WEIGHT + LENGTH_WEIGHT * length)
    return sum(rarity[word] * count * (SATURATION + 1) / (count + half) for word, count in found.items())


def _is_meant(query: str, found: Mapping[str, int], passage: PassageText) -> bool:
    meaningful = set(words(query, passage.language)) - _stop_words(passage.language)
    if meaningful and not meaningful & found.keys():
        return False
    said = _spaced(passage.text, passage.language)
    return all(_spaced(phrase, passage.language) in said for phrase in _PHRASE.findall(query))


def _spaced(text: str, language: str) -> str:
    return f" {' '.join(words(text, language))} "


def _pairs(word: str) -> list[str]:
    return [word[at : at + 2] for at in range(max(1, len(word) - 1))]


@lru_cache
def _stop_words(language: str) -> frozenset[str]:
    listed = stopwordsiso.stopwords(language) if stopwordsiso.has_lang(language) else ()
    return frozenset(word for word in listed if not word.isdigit())


@lru_cache(STEMS_KEPT)
def _stem(word: str, language: str) -> str:
    name = NAMES.get(language, "").lower()
    if name not in snowballstemmer.algorithms():
        return word
    stemmed: str = _stemmer(name).stemWord(word)
    return stemmed


@lru_cache
def _stemmer(name: str) -> Any:
    return snowballstemmer.stemmer(name)
