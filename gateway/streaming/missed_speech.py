"""Speech of a live window that its decoding passed over is decoded again by itself, before the window is final.

Whisper now and then ends its text early: after the first of two sentences that are alike, for one.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from gateway.recognition.coverage import REACH, gaps, in_gap, merge
from gateway.recognition.evidence import is_believable
from speech.activity import Probabilities, Region
from speech.transcript import Word

LEAST_MISSED = 1.0  # seconds of speech without words that are worth another decoding
SAME_CUT = 0.5  # seconds: a cut that differs by less from what was decoded is not worth another decoding
MARGIN = REACH + 0.1  # seconds around them that are decoded with them: up to the words beside them

DecodeSpan = Callable[[Region], Awaitable[Sequence[Word]]]  # the words of a stretch, in the session's time


async def find_missed_words(
    words: Sequence[Word], known: Sequence[Word], speech: Probabilities, span: Region, decode: DecodeSpan
) -> list[Word]:
    """The words with what was said between them and is believable. All times are the session's.

    known: words before them that are final already; speech: of the whole session; span: where words may be missing
    """
    found = list(words)
    tried: list[float] = []  # seconds: starts of gaps
    while gap := _next_gap([*known, *found], speech, span, tried):
        beside = [*known, *found]
        stretch = Region(max(span.start, gap.start - MARGIN), min(span.end, gap.end + MARGIN))
        if not beside and stretch.end - stretch.start > span.end - span.start - SAME_CUT:
            break
        fresh = in_gap(beside, await decode(stretch), gap)
        if fresh and is_believable(fresh, beside):
            found = merge(found, fresh)
        tried.append(gap.start)
    return found


def _next_gap(words: Sequence[Word], speech: Probabilities, span: Region, tried: Sequence[float]) -> Region | None:
    """Where words found in a gap leave another one, that comes next."""
    for gap in gaps(words, speech, span):
        if gap.end - gap.start >= LEAST_MISSED and gap.start not in tried:
            return gap
    return None
