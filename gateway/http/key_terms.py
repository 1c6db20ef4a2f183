"""Request parameters of key terms: names and words that matter to the caller."""

from __future__ import annotations

import re
from collections.abc import Container, Mapping

from gateway.errors import BadParameter
from gateway.http.sound_parameters import read_list
from gateway.recognition.term_check import check_keyterms
from speech.keyterms import LONGEST_TERM, MOST_TERMS

LONGEST_TEXT = 4000  # characters, from which terms are taken

LONGEST_TITLE = 2  # letters: Mr, Dr

_WORD = re.compile(r"[^\W\d_][\w'’.-]*[\w]|[^\W_]+")
_SENTENCE = re.compile(r"(?<=[.!?…。！？])\s+|\n+")


def read_keyterms(fields: Mapping[str, str]) -> tuple[str, ...]:
    """Of `keyterms` and of the text in `keyterms_text`. raises: BadParameter"""
    listed = fields.get("keyterms", "").strip()
    text = fields.get("keyterms_text", "")
    if len(text) > LONGEST_TEXT:
        accepted = f"accepted are {LONGEST_TEXT:,}"
        raise BadParameter(f"`keyterms_text` has {len(text):,} characters; {accepted}.", "keyterms_text")
    terms = check_keyterms(filter(None, read_list(listed, "keyterms")) if listed else ())
    found = [term for term in terms_of(text) if term not in terms]
    if len(terms) + len(found) > MOST_TERMS:
        held = f"`keyterms_text` holds {len(found)} terms" + (f" besides {len(terms)} of `keyterms`" if terms else "")
        accepted = f"accepted are {MOST_TERMS} together: shorten it, or list the terms in `keyterms`"
        raise BadParameter(f"{held}; {accepted}.", "keyterms_text")
    return (*terms, *found)


def terms_of(text: str) -> list[str]:
    """Names, abbreviations and made-up words of a text: what is written unlike other words, in order of appearance."""
    sentences = [list(_WORD.finditer(sentence)) for sentence in _SENTENCE.split(text)]
    small = {word[0] for words in sentences for word in words if word[0].islower()}
    terms: dict[str, None] = {}
    for words in sentences:
        term, end = "", 0
        for at, word in enumerate(words):
            first = at == 0 and len(words) > 1  # a sentence begins with a capital letter whatever its first word is
            joins = term and not word.string[end : word.start()].strip()
            stands_out = _stands_out(word[0]) and not _is_ordinary(word[0], small, first)
            if term and not (joins and stands_out):
                terms.setdefault(term[:LONGEST_TERM])
                term = ""
            if stands_out:
                term = f"{term} {word[0]}" if term else word[0]
            end = word.end()
        if term:
            terms.setdefault(term[:LONGEST_TERM])
    return list(terms)


def _is_ordinary(word: str, small: Container[str], first: bool) -> bool:
    """A title, or a word that has its capital letter from its place."""
    plain = word[:1].isupper() and word[1:].islower()
    return plain and (len(word) <= LONGEST_TITLE or word.lower() in small or first)


def _stands_out(word: str) -> bool:
    """A capital letter, or letters with digits."""
    mixed = word.isalnum() and not word.isalpha() and not word.isdigit()
    return len(word) > 1 and (mixed or any(map(str.isupper, word)))
