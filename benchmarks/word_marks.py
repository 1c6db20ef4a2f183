"""Which words of a text are right: each word as it was heard, by the alignment of normalised texts."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import SequenceMatcher

import jiwer

from benchmarks.scoring import normaliser


def mark_words(reference: str, heard: Sequence[str], language: str | None) -> list[bool | None]:
    """Whether each word was said. None: the normaliser leaves nothing of it ("uh", or a dash).

    A number of several words is right or wrong as a whole: the normaliser writes it as one.
    """
    normalise = normaliser(language)
    owners: list[tuple[str, int]] = [(token, at) for at, word in enumerate(heard) for token in normalise(word).split()]
    text = normalise(" ".join(heard)).split()
    right = _right_tokens(normalise(reference).split(), text)
    marks: list[bool | None] = [None] * len(heard)
    blocks = SequenceMatcher(None, [token for token, _ in owners], text, autojunk=False).get_opcodes()
    for kind, first, last, start, stop in blocks:
        pairs = [(at, [at - first + start]) for at in range(first, last)]
        if kind != "equal":
            pairs = [(at, list(range(start, stop))) for at in range(first, last) if stop > start]
        for at, tokens in pairs:
            word = owners[at][1]
            marks[word] = marks[word] is not False and all(right[token] for token in tokens)
    return marks


def _right_tokens(said: Sequence[str], text: Sequence[str]) -> list[bool]:
    right = [False] * len(text)
    if said and text:
        for chunk in jiwer.process_words(" ".join(said), " ".join(text)).alignments[0]:
            if chunk.type == "equal":
                right[chunk.hyp_start_idx : chunk.hyp_end_idx] = [True] * (chunk.hyp_end_idx - chunk.hyp_start_idx)
    return right
