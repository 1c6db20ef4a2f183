"""What the ends of turns cost: words beside an end inside a recording that are not what was said."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import jiwer

from benchmarks.scoring import normaliser


@dataclass(frozen=True, slots=True)
class EdgeErrors:
    """Wrong, missing and additional words beside the ends of turns."""

    wrong: int = 0
    cut: int = 0  # of these, what the same recording as a file has right: it was the cut that cost them

    def __add__(self, other: EdgeErrors) -> EdgeErrors:
        return EdgeErrors(self.wrong + other.wrong, self.cut + other.cut)


def edge_errors(
    reference: str, words: Sequence[str], ends: Sequence[int], filed: str, language: str | None = "en"
) -> EdgeErrors:
    """reference: what was said; words: what was heard, as they became final; ends: how many words were final at the end
    of each turn; filed: the recording's text as a file. An end behind which nothing was heard costs no word.
    """
    normalise = normaliser(language)
    said = normalise(reference).split()
    heard = [(token, index) for index, word in enumerate(words) for token in normalise(word).split()]
    firsts = {end for end in ends if 0 < end < len(words)}
    if not said or not heard or not firsts:
        return EdgeErrors()
    beside = firsts | {end - 1 for end in firsts}
    wrong_as_file = _wrong(said, normalise(filed).split())
    wrong = cut = 0
    for chunk in jiwer.process_words(" ".join(said), " ".join(token for token, _ in heard)).alignments[0]:
        if chunk.type == "equal":
            continue
        span = [index for _, index in heard[chunk.hyp_start_idx : chunk.hyp_end_idx]]
        if chunk.type == "delete":
            before = heard[chunk.hyp_start_idx - 1][1] if chunk.hyp_start_idx else -1
            after = heard[chunk.hyp_start_idx][1] if chunk.hyp_start_idx < len(heard) else len(words)
            hit = any(before < first <= after for first in firsts)
            places = list(range(chunk.ref_start_idx, chunk.ref_end_idx)) if hit else []
        elif chunk.type == "insert":
            places = [chunk.ref_start_idx for index in span if index in beside]
        else:
            places = [chunk.ref_start_idx + at for at, index in enumerate(span) if index in beside]
        wrong += len(places)
        cut += sum((chunk.type == "insert", place) not in wrong_as_file for place in places)
    return EdgeErrors(wrong, cut)


def _wrong(said: Sequence[str], heard: Sequence[str]) -> set[tuple[bool, int]]:
    """Whether something was added, and where, or the word there is wrong: places in what was said."""
    if not heard:
        return {(False, place) for place in range(len(said))}
    found: set[tuple[bool, int]] = set()
    for chunk in jiwer.process_words(" ".join(said), " ".join(heard)).alignments[0]:
        if chunk.type == "insert":
            found.add((True, chunk.ref_start_idx))
        elif chunk.type != "equal":
            found |= {(False, place) for place in range(chunk.ref_start_idx, chunk.ref_end_idx)}
    return found
