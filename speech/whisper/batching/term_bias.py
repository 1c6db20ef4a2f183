"""Key terms as a bias on the logits: a trie of their tokens, followed along the text.

A token that begins a term, or goes on with one that the text has begun, counts for more. What is added is no part of
the log-probability that a text is judged by: it decides between readings that are close, and makes none look sure.

source: contextual biasing by shallow fusion (Zhao et al. 2019), for greedy decoding: what was added to a beginning
cannot be taken back when the term does not come, so a beginning gets less, and more of it the longer the term is;
term_evidence.py finds out whether a term was heard
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from speech.whisper.engine import AFTER_ANY, AFTER_OPEN, TokenBias
from speech.whisper.tokenizer import Tokenizer

FIRST = (1.1, 2.8, 4.5)  # logits for a beginning of one letter, of two, of three and more: " T" begins many words
EACH = 0.45  # more for each further token that the term has
MOST_FIRST = 6.75
NEXT = (1.9, 5.0, 10.0)  # logits for what goes on with one letter of a term, with two, with three and more
DEEPER = 1.25  # more for each further letter
MOST_NEXT = 15.0
LONGEST = 48  # tokens of a term that are followed


@dataclass(slots=True)
class TermNode:
    children: dict[int, TermNode] = field(default_factory=dict)
    longest: int = 0  # tokens of the longest term through it


Entries = dict[tuple[int, int], float]  # boosts in logits, by the token before (or AFTER_ANY …) and the token


class TermTrie:
    """The terms' tokens, as they stand after a space and where no space comes before."""

    def __init__(self, terms: Sequence[str], tokenizer: Tokenizer) -> None:
        self._inside = TermNode()  # after a space
        self._bare = TermNode()  # without one
        self._tokenizer = tokenizer
        self._depth = 0
        for term in terms:
            self._add(self._inside, tokenizer.encode(f" {term}")[:LONGEST])
            self._add(self._bare, tokenizer.encode(term)[:LONGEST])
        self._begins = self._beginnings(self._inside)
        self._begins_bare = _highest(self._begins, self._beginnings(self._bare))
        self._ahead: dict[bool, tuple[Entries, TokenBias]] = {}  # by whether a bare term may follow the text

    def bias(self, text: Sequence[int]) -> TokenBias:
        """What is added to the next token's logits, after the tokens of a text."""
        boosts = dict(self._begins_bare if self._may_be_bare(text) else self._begins)
        for begun, node in self._begun(text):
            boosts = _highest(boosts, dict.fromkeys(node.children, next_boost(self._letters(begun))))
        return TokenBias(np.array(list(boosts), np.int64), np.array(list(boosts.values()), np.float32))

    def bias_ahead(self, text: Sequence[int]) -> TokenBias:
        """What is added to the logits of the token after the next one, for each that the next one may be."""
        bare = self._may_be_bare(text)
        if bare not in self._ahead:
            entries = self._beginnings_ahead() | self._entries([([], root) for root in self._roots(bare)])
            self._ahead[bare] = entries, _conditional(entries)
        entries, bias = self._ahead[bare]
        further = self._entries(list(self._begun(text)))
        if not further:
            return bias
        first = {at: max(boost, entries.get(at, 0.0)) for at, boost in further.items()}
        return _conditional(first | {at: boost for at, boost in entries.items() if at not in first})

    def _beginnings_ahead(self) -> Entries:
        anywhere = {(AFTER_ANY, token): boost for token, boost in self._begins.items()}
        bare = {token: boost for token, boost in self._begins_bare.items() if token not in self._begins}
        return anywhere | {(AFTER_OPEN, token): boost for token, boost in bare.items()}

    def _entries(self, reached: Sequence[tuple[Sequence[int], TermNode]]) -> Entries:
        """reached: nodes where a text stands, and the tokens that led there"""
        entries: Entries = {}
        for tokens, node in reached:
            for last, child in node.children.items():
                boost = next_boost(self._letters([*tokens, last]))
                begins = self._begins_bare if opens_word(self._tokenizer, last) else self._begins
                for token in child.children:
                    least = max(boost, begins.get(token, 0.0))
                    entries[last, token] = max(least, entries.get((last, token), 0.0))
        return entries

    def _begun(self, text: Sequence[int]) -> Iterator[tuple[Sequence[int], TermNode]]:
        """What at the end of a text begins terms, and where that leads; the longest first."""
        for count in range(min(len(text), self._depth), 0, -1):
            begun = text[len(text) - count :]
            for root in (self._inside, self._bare):
                node = self._follow(root, begun)
                if node is not None and (root is self._inside or self._may_be_bare(text[: len(text) - count])):
                    yield begun, node

    def _roots(self, bare: bool) -> tuple[TermNode, ...]:
        return (self._inside, self._bare) if bare else (self._inside,)

    def _add(self, node: TermNode, tokens: Sequence[int]) -> None:
        self._depth = max(self._depth, len(tokens) - 1)
        for token in tokens:
            node = node.children.setdefault(token, TermNode())
            node.longest = max(node.longest, len(tokens))

    def _beginnings(self, root: TermNode) -> dict[int, float]:
        return {token: first_boost(self._letters([token]), child.longest) for token, child in root.children.items()}

    def _letters(self, tokens: Sequence[int]) -> int:
        return len(self._tokenizer.decode(tokens).strip())

    def _follow(self, node: TermNode | None, tokens: Sequence[int]) -> TermNode | None:
        for token in tokens:
            if node is None:
                return None
            node = node.children.get(token)
        return node if node is not None and node.children else None

    def _may_be_bare(self, text: Sequence[int]) -> bool:
        """Whether a word may begin without a space: at the beginning, after a mark, after a script without spaces."""
        return not text or opens_word(self._tokenizer, text[-1])


def opens_word(tokenizer: Tokenizer, token: int) -> bool:
    """Whether a word may begin right after a token without a space: after a mark, or a script without spaces."""
    before = tokenizer.bytes_of(token).decode("utf-8", errors="replace")[-1:]
    return not before.isalnum() or ord(before) >= FIRST_SPACELESS


FIRST_SPACELESS = 0x0E00  # Thai and what comes after it, Chinese and Japanese among them


def first_boost(letters: int, tokens: int) -> float:
    """Logits for the first token of a term. letters: that it has; tokens: of the whole term"""
    return min(MOST_FIRST, FIRST[min(max(letters, 1), 3) - 1] + EACH * (tokens - 1))


def next_boost(letters: int) -> float:
    """Logits for what goes on with a term of which so many letters stand."""
    return min(MOST_NEXT, NEXT[min(max(letters, 1), 3) - 1] + DEEPER * max(0, letters - 3))


def _highest(one: dict[int, float], other: dict[int, float]) -> dict[int, float]:
    return one | {token: max(boost, one.get(token, 0.0)) for token, boost in other.items()}


def _conditional(entries: Entries) -> TokenBias:
    after, tokens = np.array(list(entries), np.int64).T
    return TokenBias(tokens, np.array(list(entries.values()), np.float32), after)


class TermTries:
    """Of the requests at hand: the windows of one recording have the same terms."""

    MOST = 32

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._tries: dict[tuple[str, ...], TermTrie] = {}

    def of(self, terms: tuple[str, ...]) -> TermTrie | None:
        if not terms:
            return None
        if terms not in self._tries:
            while len(self._tries) >= self.MOST:
                del self._tries[next(iter(self._tries))]
            self._tries[terms] = TermTrie(terms, self._tokenizer)
        return self._tries[terms]
