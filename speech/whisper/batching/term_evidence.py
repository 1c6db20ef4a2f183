"""Whether the key terms in a text were said: what tells it is the same sound decoded without them.

A beginning that was raised cannot be taken back when the rest of the term does not come, and what follows goes astray
with it. Where the two texts differ, a whole term has to stand, and to sound like what stood there without it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher

import numpy as np
from numpy.typing import NDArray

from speech.whisper.batching.prompt_echo import words_of
from speech.whisper.batching.term_bias import TermTrie

SURE = math.log(0.5)  # natural log of a probability from which a token would have been chosen anyway
NEIGHBOURS = 1  # words beside a term that may differ as well: sounds go over from one to the other
ALIKE = 0.72  # share of sounds that a term and what stood there have in common
LENGTHS = 0.5  # of the shorter to the longer, where letters say nothing about sounds

# Letters of one sound, as people and models mix them up.
_PAIRS = (("ph", "f"), ("sch", "s"), ("sh", "s"), ("ch", "s"), ("th", "t"), ("h", ""))
_LETTERS = str.maketrans("qcgxzjvwbdmłøđæœðþı", "kkkksyffptnlotaotti")
_VOWELS = re.compile("[aeiouy]+")
_TWICE = re.compile(r"(.)\1+")


@dataclass(frozen=True, slots=True)
class TermEvidence:
    heard: tuple[str, ...]  # terms that stand for what sounds like them
    whole: bool  # nothing but these sets the text apart from the one without terms


def may_have_decided(trie: TermTrie, tokens: NDArray[np.int32], logprobs: NDArray[np.float32]) -> bool:
    """Whether some token may have been chosen for its boost. tokens, logprobs: (n,), of a text decoded with the trie"""
    text = tokens.tolist()
    return any(text[at] in trie.bias(text[:at]).tokens for at in np.flatnonzero(logprobs < SURE).tolist())


def weigh_terms(text: str, unbiased: str, terms: Sequence[str], *, chosen: bool = False) -> TermEvidence:
    """chosen: the text was decoded with such terms alone as were heard: small differences are not for others' boosts"""
    said, plain = words_of(text), words_of(unbiased)
    places = [(term, first, stop) for term in terms for first, stop in _occurrences(said, words_of(term))]
    heard: dict[str, None] = {}
    whole = True
    for kind, first, stop, start, end in SequenceMatcher(None, said, plain, autojunk=False).get_opcodes():
        if kind == "equal":
            continue
        within = [place for place in places if place[1] < stop and place[2] > first]
        begin = min([first, *(place[1] for place in within)])
        finish = max([stop, *(place[2] for place in within)])
        beside = (finish - begin) - len({at for _, one, other in within for at in range(one, other)})
        stood = [*said[begin:first], *plain[start:end], *said[stop:finish]]
        alike = beside <= NEIGHBOURS and sounds_alike("".join(said[begin:finish]), "".join(stood))
        if within and alike:
            heard |= dict.fromkeys(term for term, *_ in within)
        whole = whole and alike and bool(within or (chosen and len(stood) <= NEIGHBOURS))
    return TermEvidence(tuple(heard), whole and bool(heard))


def sounds_alike(one: str, other: str) -> bool:
    first, second = _sounds(one), _sounds(other)
    if not (first + second).isascii():  # other scripts have no letters to compare: 東京 and とうきょう
        return min(len(one), len(other)) >= LENGTHS * max(len(one), len(other))
    return SequenceMatcher(None, first, second, autojunk=False).ratio() >= ALIKE


def _sounds(text: str) -> str:
    """Consonants by their kind, and where vowels are; of other scripts the letters themselves."""
    plain = "".join(each for each in unicodedata.normalize("NFKD", text.casefold()) if each.isalnum())
    for pair, sound in _PAIRS:
        plain = plain.replace(pair, sound)
    return _TWICE.sub(r"\1", _VOWELS.sub("a", plain.translate(_LETTERS)))


def _occurrences(words: Sequence[str], term: Sequence[str]) -> Iterator[tuple[int, int]]:
    for first in range(len(words) - len(term) + 1):
        if term and list(words[first : first + len(term)]) == list(term):
            yield first, first + len(term)
