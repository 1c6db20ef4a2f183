"""Key terms as they may be asked for, in files and live."""

from __future__ import annotations

from collections.abc import Iterable

from gateway.errors import BadParameter
from speech.keyterms import LONGEST_TERM, MOST_TERMS


def check_keyterms(terms: Iterable[str], name: str = "keyterms") -> tuple[str, ...]:
    """Each once. raises: BadParameter. name: of the field"""
    each = _each_once(terms)
    if len(each) > MOST_TERMS:
        raise BadParameter(f"`{name}` holds {len(each)} terms; accepted are at most {MOST_TERMS}.", name)
    for term in each:
        if not term or len(term) > LONGEST_TERM:
            accepted = f"accepted are 1 to {LONGEST_TERM} characters each"
            raise BadParameter(f"`{name}` holds {term[:40]!r} of {len(term)} characters; {accepted}.", name)
        if not any(character.isalnum() for character in term) or not term.isprintable():
            raise BadParameter(f"`{name}` holds {term[:40]!r}; a term needs letters or digits.", name)
    return each


def choose_keyterms(terms: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Of terms that are a hint, not a demand: the first that may be asked for, and what is left over."""
    each = _each_once(terms)
    chosen = tuple(term for term in each if _is_term(term))[:MOST_TERMS]
    return chosen, tuple(term for term in each if term not in chosen)


def _each_once(terms: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(" ".join(term.split()) for term in terms))


def _is_term(term: str) -> bool:
    return len(term) <= LONGEST_TERM and term.isprintable() and any(map(str.isalnum, term))
