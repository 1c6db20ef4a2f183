"""Words cut wrongly: those beside the end of a turn that was none, and that are not what was said."""

from __future__ import annotations

from collections.abc import Sequence

import jiwer

from benchmarks.scoring import normaliser


def words_cut(reference: str, words: Sequence[str], ends: Sequence[int], language: str | None = "en") -> int:
    """Wrong and missing words at the ends of turns inside a recording.

    reference: what was said; words: what was heard, as they became final; ends: how many words were final at the end
    of each turn. An end behind which nothing was said cuts no word.
    """
    normalise = normaliser(language)
    said = normalise(reference).split()
    heard = [(token, index) for index, word in enumerate(words) for token in normalise(word).split()]
    if not said or not heard:
        return 0
    beside = {index for end in ends if 0 < end < len(words) for index in (end - 1, end)}
    firsts = {end for end in ends if 0 < end < len(words)}
    cut = 0
    for chunk in jiwer.process_words(" ".join(said), " ".join(token for token, _ in heard)).alignments[0]:
        if chunk.type in ("substitute", "insert"):
            cut += sum(index in beside for _, index in heard[chunk.hyp_start_idx : chunk.hyp_end_idx])
        elif chunk.type == "delete" and chunk.hyp_start_idx < len(heard):
            before = heard[chunk.hyp_start_idx - 1][1] if chunk.hyp_start_idx else -1
            if any(before < first <= heard[chunk.hyp_start_idx][1] for first in firsts):
                cut += chunk.ref_end_idx - chunk.ref_start_idx
    return cut
